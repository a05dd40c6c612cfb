"""What a line reads, and when."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from saystream.server.transport.line import Line
from saystream.server.transport.turns import Turns
from server.live import Live, until

from .frames import TEXT, frame, frame_peer
from .raw import HEALTH, raw_peer


def line_of(live: Live) -> Any:
    (protocol,) = live.uvicorn.server_state.connections
    conversation: Any = protocol
    return conversation.transport.line


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("read_s", "num_bytes"), [(1e-9, 1024), (10.0, 4096)])
async def test_as_much_is_read_at_once_as_can_be_handled_soon(
    server: Live, monkeypatch: pytest.MonkeyPatch, read_s: float, num_bytes: int
) -> None:
    monkeypatch.setattr("saystream.server.transport.line._READ_S", read_s)
    async with frame_peer(server) as (peer, _):
        assert len(line_of(server).get_buffer(-1)) == num_bytes
        await peer.send(frame(TEXT) * 90)
        await peer.hear(90)
        assert len(line_of(server).get_buffer(-1)) == num_bytes


@pytest.mark.asyncio(loop_scope="module")
async def test_in_a_crowd_those_who_have_used_little_come_first(server: Live) -> None:
    """Each turn takes a whole round, by this clock."""
    config: Any = server.uvicorn.config
    now_s, before = 0.0, config.turns

    def clock() -> float:
        nonlocal now_s
        now_s += 0.02
        return now_s

    config.turns = Turns(clock, before._call_soon)
    try:
        async with AsyncExitStack() as stack:
            crowd = [(await stack.enter_async_context(frame_peer(server)))[0] for _ in range(20)]
            for peer in crowd:
                await peer.send(frame(TEXT, b" " * 100) * 90)
            await until(lambda: config.turns.crowded)
            async with raw_peer(server) as other:
                await other.send(HEALTH)
                assert (await other.answer())[0] == 200
                assert config.turns.crowded
            for peer in crowd:
                await peer.hear(90)
    finally:
        config.turns = before


class Unread:
    """A transport, and its loop, whose peer takes so many bytes in each time-out."""

    def __init__(self, *taken_bytes: int) -> None:
        self.waiting_bytes = 1_000_000
        self.aborted_after = 0
        self._taken_bytes = iter(taken_bytes)
        self._timers: list[Any] = []
        config = SimpleNamespace(send_stall_timeout_s=60.0)
        self.line = Line(cast(Any, config), cast(Any, None), {}, cast(Any, self))
        self.line._transport = cast(Any, self)
        self.line.pause_writing()
        for number, taken in enumerate(self._taken_bytes, 1):
            self.waiting_bytes -= taken
            self._timers.pop()()
            if not self._timers:
                self.aborted_after = number
                break

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes

    def abort(self) -> None:
        pass

    def call_later(self, delay_s: float, callback: Any, *arguments: Any) -> None:
        assert delay_s == 60.0
        self._timers.append(partial(callback, *arguments))


def test_a_slow_reader_is_waited_for() -> None:
    assert Unread(*[40_000] * 20).aborted_after == 0


def test_a_reader_that_takes_next_to_nothing_is_dropped() -> None:
    assert Unread(40_000, 40_000, 1000, 40_000).aborted_after == 3
