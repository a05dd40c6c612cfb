"""Frames that never end, are too large or too many: the peer is told, slowed down or dropped, and none is kept."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

import pytest
from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import Frame, Opcode

from saystream.server.transport.websocket import together
from server.live import Live, audio_of, small_socket, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG_TEXT = "This goes on and on without an end in sight. " * 2000


def fragment(opcode: Opcode, content: bytes, *, fin: bool = False) -> bytes:
    return Frame(opcode, content, fin=fin).serialize(mask=True)


def protocol_of(live: Live) -> Any:
    (protocol,) = live.uvicorn.server_state.connections
    return protocol


async def test_a_message_in_parts_is_refused_as_soon_as_it_is_too_large(server: Live) -> None:
    with server.limited(max_frame_bytes=5000):
        async with server.peer() as peer:
            transport = peer.socket.transport
            transport.write(fragment(Opcode.TEXT, b" " * 3000))
            transport.write(fragment(Opcode.CONT, b" " * 3000))
            events, code, reason = await peer.until_closed()
    assert [event["error"]["code"] for event in events] == ["frame_too_large"]
    assert code == 1009
    assert "5000" in reason


async def test_a_frame_is_refused_for_the_size_that_it_announces(server: Live) -> None:
    async with server.peer() as peer:
        peer.socket.transport.write(bytes([0x81, 0xFF]) + struct.pack("!Q", 2_000_000) + b"mask")
        events, code, _ = await peer.until_closed()
    assert [event["error"]["code"] for event in events] == ["frame_too_large"]
    assert code == 1009


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(fragment(Opcode.TEXT, b"{"), id="fragment"),
        pytest.param(fragment(Opcode.TEXT, b"{" * 300, fin=True)[:100], id="frame"),
    ],
)
async def test_a_message_has_to_be_whole_in_time(server: Live, begun: bytes) -> None:
    with server.limited(body_timeout_s=0.3):
        async with server.peer() as peer:
            peer.socket.transport.write(begun)
            events, code, _ = await peer.until_closed()
    assert [event["error"]["code"] for event in events] == ["frame_timed_out"]
    assert code == 1008


async def test_messages_that_follow_each_other_closely_each_have_their_time(server: Live) -> None:
    update = json.dumps({"type": "session.update", "session": {}}).encode()
    stream = fragment(Opcode.TEXT, update, fin=True) * 3
    with server.limited(body_timeout_s=6.0):
        async with server.peer() as peer:
            for start in range(0, len(stream), 10):
                peer.socket.transport.write(stream[start : start + 10])
                await asyncio.sleep(7.5 / (len(stream) / 10))
            assert [(await peer.next())["type"] for _ in range(3)] == ["session.updated"] * 3


async def test_unfinished_messages_are_limited_for_all_peers_together(server: Live) -> None:
    config: Any = server.uvicorn.config
    config.unfinished._max_bytes = 1_000_000
    try:
        async with server.peer() as first, server.peer() as second:
            first.socket.transport.write(fragment(Opcode.TEXT, b" " * 700_000))
            await until(lambda: config.unfinished.num_bytes >= 700_000)
            second.socket.transport.write(fragment(Opcode.TEXT, b" " * 700_000))
            events, code, _ = await second.until_closed()
            assert [event["error"]["code"] for event in events] == ["server_overloaded"]
            assert code == 1013
            first.vanish()
    finally:
        config.unfinished._max_bytes = server.settings.limits.max_unfinished_bytes
    await until(lambda: config.unfinished.num_bytes == 0)


async def test_a_flood_of_pings_ends_the_connection(server: Live) -> None:
    async with server.peer() as peer:
        peer.socket.transport.write(Frame(Opcode.PING, b"").serialize(mask=True) * 100_000)
        events, code, _ = await peer.until_closed()
    assert [event["error"]["code"] for event in events] == ["too_many_control_frames"]
    assert code == 1008


async def test_what_a_door_still_sends_when_its_connection_was_closed_is_no_fault_of_the_door(
    server: Live,
) -> None:
    async with server.peer() as peer:
        protocol = protocol_of(server)
        protocol.keepalive_timeout()
        with pytest.raises(ClientDisconnected):
            await protocol.send({"type": "websocket.send", "text": "late"})
        _, code, _ = await peer.until_closed()
    assert code == 1011


async def test_frames_that_belong_together_are_sent_with_one_write(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[str | bytes] = ['{"type": "one"}', b"two", '{"type": "three"}']
    async with server.peer() as peer:
        protocol = protocol_of(server)
        written: list[bytes] = []
        monkeypatch.setattr(type(protocol.transport), "write", lambda _, data: written.append(bytes(data)))
        for count in (1, 2, 3):
            await protocol.send(together(frames[:count]))
        monkeypatch.undo()
        for data in written:
            protocol.transport.write(data)
        came = [await peer.socket.recv() for _ in range(6)]
    assert len(written) == 3
    assert came == [frames[0], *frames[:2], *frames]


async def test_a_few_pings_are_answered(server: Live) -> None:
    async with server.peer() as peer:
        async with asyncio.timeout(60):
            answered = [await (await peer.socket.ping()) for _ in range(20)]
    assert len(answered) == 20


async def test_pongs_do_not_pile_up_for_a_peer_that_does_not_read_and_it_is_dropped(server: Live) -> None:
    config: Any = server.uvicorn.config
    await server.quiet()
    stalled = await asyncio.to_thread(small_socket, server.port)
    config.send_stall_timeout_s = 1.0
    try:
        async with server.peer(sock=stalled, max_queue=1) as peer:
            protocol = protocol_of(server)
            peer.socket.transport.pause_reading()
            await peer.append(LONG_TEXT)
            await until(lambda: not protocol.writable.is_set())
            waiting = protocol.transport._transport.get_write_buffer_size()
            for _ in range(30):
                peer.socket.transport.write(Frame(Opcode.PING, b"p" * 100).serialize(mask=True))
            await peer.append("more")  # it says something, but it does not read
            await until(lambda: protocol.disconnected or protocol._pong)
            assert protocol.disconnected or protocol.transport._transport.get_write_buffer_size() <= waiting
            await until(lambda: not server.num_open)
            peer.vanish()
    finally:
        config.send_stall_timeout_s = server.settings.realtime.send_stall_timeout_s


async def test_frames_that_come_too_fast_wait_and_none_is_lost(server: Live) -> None:
    def append(number: int) -> bytes:
        event = {"type": "input_text_buffer.append", "text": f"{number} "}
        return fragment(Opcode.TEXT, json.dumps(event).encode(), fin=True)

    await server.quiet()
    with server.limited(max_frames_per_second=100.0):
        async with server.peer() as peer:
            line = protocol_of(server).transport.line
            peer.socket.transport.write(b"".join(map(append, range(600))))  # five seconds' worth are free
            await until(lambda: isinstance(line._resting, asyncio.TimerHandle))
            await peer.finish()
            events = await peer.until("session.finished")
    assert sum(len(audio_of([event])) for event in events) > 600 * 2000


async def test_a_flood_of_empty_frames_does_not_hold_up_others(server: Live) -> None:
    async with server.peer() as flood, server.peer() as other:
        flood.socket.transport.write(fragment(Opcode.TEXT, b"", fin=True) * 100_000)
        await other.append("Hello there.")
        await other.finish()
        await other.until("session.finished")
        events, code, _ = await flood.until_closed()
    assert {event["error"]["code"] for event in events} == {"invalid_event", "too_many_errors"}
    assert code == 1008
