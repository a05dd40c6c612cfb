from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from client.virtual_time import on_virtual_time
from saystream.engines.upstream.balancer import Balancer
from saystream.engines.upstream.failures import Failure, Verdict, unreachable
from saystream.engines.upstream.runtime import Handover
from saystream.engines.upstream.server import TextFeed
from saystream.engines.upstream.speaking import SpeakingLimits, speak
from saystream.errors import EngineFailed, EngineStalled, EngineUnavailable, Overloaded

from .doubles import UTTERANCE, ScriptedServer, Step

LIMITS = SpeakingLimits(first_audio_s=15.0, chunk_s=8.0, request_s=300.0, max_audio_s=600.0, attempts=2)
BROKEN = Failure(EngineFailed("It broke off."), Verdict.SUSPECT)
BUSY = Failure(Overloaded("It is busy."), Verdict.BUSY)
REFUSED = Failure(EngineFailed("It refused the voice."), Verdict.FINE, final=True)
SOUND = bytes(4800)
"""A tenth of a second."""


class Spoken:
    """What one request came to."""

    def __init__(self, *servers: ScriptedServer, **limits: Any) -> None:
        loop = asyncio.get_running_loop()
        self.balancer = Balancer(servers, probe_s=10, probe_timeout_s=3, clock=loop.time)
        self.text = TextFeed()
        self.handover = Handover(loop, max_bytes=1 << 20)
        self.limits = replace(LIMITS, **limits)

    async def run(self, text: str | None = "Hello.", *, text_as_it_comes: bool = False) -> bytes:
        """The audio; raises what the listener is told, which does not undo what was heard."""
        if text is not None:
            self.text.push(text)
            self.text.end()
        await speak(
            self.balancer,
            UTTERANCE,
            self.text,
            self.handover,
            self.limits,
            text_as_it_comes=text_as_it_comes,
        )
        return self.heard()

    def heard(self) -> bytes:
        self.handover.end()
        heard = b""
        while (piece := self.handover.get()) is not None:
            heard += piece.encoded
        return heard

    @property
    def is_quiet(self) -> bool:
        return not any(upstream.active for upstream in self.balancer.upstreams)


def now() -> float:
    return asyncio.get_running_loop().time()


@on_virtual_time
async def test_audio_is_handed_over_as_it_comes() -> None:
    server = ScriptedServer("a", [SOUND, b"", SOUND])
    spoken = Spoken(server)
    assert await spoken.run() == SOUND + SOUND
    assert server.texts == ["Hello."]
    assert spoken.is_quiet


@pytest.mark.parametrize("text", ["", " \t\n", "…?! -- ,;", "\U0001f600"])
@on_virtual_time
async def test_what_cannot_be_spoken_asks_nobody(text: str) -> None:
    server = ScriptedServer("a", [SOUND])
    assert await Spoken(server).run(text) == b""
    assert not server.texts


@on_virtual_time
async def test_what_cannot_be_sent_is_a_blank() -> None:
    server = ScriptedServer("a", [SOUND])
    await Spoken(server).run("a\ud800b\0c")
    assert server.texts == ["a b c"]


@pytest.mark.parametrize("failure", [BROKEN, BUSY, unreachable("a", "connection refused")], ids=str)
@on_virtual_time
async def test_before_the_first_audio_another_server_is_asked(failure: Failure) -> None:
    first, second = ScriptedServer("a", [failure]), ScriptedServer("b", [SOUND])
    spoken = Spoken(first, second)
    assert await spoken.run() == SOUND
    assert first.texts == second.texts == ["Hello."]
    assert spoken.is_quiet


@on_virtual_time
async def test_the_only_server_is_asked_again() -> None:
    server = ScriptedServer("a", [BROKEN], [SOUND])
    assert await Spoken(server).run() == SOUND


@on_virtual_time
async def test_after_the_first_audio_nobody_else_is_asked() -> None:
    first, second = ScriptedServer("a", [SOUND, BROKEN]), ScriptedServer("b", [SOUND])
    spoken = Spoken(first, second)
    with pytest.raises(EngineFailed, match="broke off"):
        await spoken.run()
    assert spoken.heard() == SOUND
    assert not second.texts
    assert spoken.is_quiet


@on_virtual_time
async def test_a_request_that_any_server_would_refuse_is_not_made_again() -> None:
    first, second = ScriptedServer("a", [REFUSED]), ScriptedServer("b", [SOUND])
    with pytest.raises(EngineFailed, match="refused the voice"):
        await Spoken(first, second).run()
    assert not second.texts


@on_virtual_time
async def test_after_the_last_attempt_its_fault_is_told() -> None:
    servers = [ScriptedServer(name, [BROKEN]) for name in "abc"]
    with pytest.raises(EngineFailed, match="broke off"):
        await Spoken(*servers).run()
    assert sum(len(server.texts) for server in servers) == 2


@on_virtual_time
async def test_every_server_may_say_that_it_is_busy() -> None:
    servers = [ScriptedServer(name, [BUSY]) for name in "abcd"]
    with pytest.raises(Overloaded, match="a, b, c, d"):
        await Spoken(*servers).run()
    assert [len(server.texts) for server in servers] == [1, 1, 1, 1]
    servers[3].scripts = [[SOUND]]
    assert await Spoken(*servers).run() == SOUND


@on_virtual_time
async def test_an_answer_without_audio_is_a_failure() -> None:
    assert await Spoken(ScriptedServer("a", []), ScriptedServer("b", [SOUND])).run() == SOUND
    with pytest.raises(EngineFailed, match="a gave no audio"):
        await Spoken(ScriptedServer("a", [])).run()


@on_virtual_time
async def test_a_server_that_hangs_leaves_time_for_another() -> None:
    first, second = ScriptedServer("a", [None]), ScriptedServer("b", [SOUND])
    assert await Spoken(first, second).run() == SOUND
    assert now() == 7.5
    assert first.dropped == 1


@on_virtual_time
async def test_without_a_first_audio_the_time_ends_for_all_attempts_together() -> None:
    with pytest.raises(EngineStalled, match="gave no audio for 7.5 s"):
        await Spoken(ScriptedServer("a", [None]), ScriptedServer("b", [None])).run()
    assert now() == 15


@on_virtual_time
async def test_a_server_that_stops_in_the_middle_is_given_up() -> None:
    server = ScriptedServer("a", [SOUND, None])
    spoken = Spoken(server)
    with pytest.raises(EngineStalled, match="a gave no audio for 8.0 s"):
        await spoken.run()
    assert spoken.heard() == SOUND
    assert server.dropped == 1


@on_virtual_time
async def test_the_time_for_audio_begins_when_the_text_is_complete() -> None:
    server = ScriptedServer("a", [None])
    spoken = Spoken(server, attempts=1)
    spoken.text.push("Hello")
    speaking = asyncio.create_task(spoken.run(None, text_as_it_comes=True))
    await asyncio.sleep(100)
    assert server.texts == ["Hello"]
    assert not speaking.done()
    spoken.text.end()
    with pytest.raises(EngineStalled, match="15.0 s"):
        await speaking
    assert now() == 115


@on_virtual_time
async def test_a_server_that_wants_all_of_the_text_is_asked_when_it_is_there() -> None:
    server = ScriptedServer("a", [SOUND])
    spoken = Spoken(server)
    spoken.text.push("Hel")
    speaking = asyncio.create_task(spoken.run(None))
    await asyncio.sleep(1)
    assert not server.texts
    spoken.text.push("lo.")
    spoken.text.end()
    assert await speaking == SOUND
    assert server.texts == ["Hello."]


@on_virtual_time
async def test_waiting_for_room_is_part_of_the_time_for_the_first_audio() -> None:
    server = ScriptedServer("a", [None], concurrency=1)
    held = Spoken(server, first_audio_s=100, attempts=1)
    holding = asyncio.create_task(held.run())
    await asyncio.sleep(0)
    second = Spoken(server)
    second.balancer = held.balancer
    with pytest.raises(Overloaded, match="within 15 s"):
        await second.run()
    holding.cancel()


@on_virtual_time
async def test_a_whole_request_has_a_limit() -> None:
    class Slow(ScriptedServer):
        async def speak(self, utterance: Any, text: TextFeed) -> Any:
            while True:
                await asyncio.sleep(5)
                async for piece in super().speak(utterance, text):
                    yield piece

    with pytest.raises(EngineStalled):
        await Spoken(Slow("a", [SOUND]), request_s=22).run()
    assert now() == 22


@on_virtual_time
async def test_audio_without_an_end_is_cut() -> None:
    script: list[Step] = [SOUND] * 100
    server = ScriptedServer("a", script)
    spoken = Spoken(server, max_audio_s=1.0)
    with pytest.raises(EngineFailed, match="more than 1 s"):
        await spoken.run()
    assert len(spoken.heard()) == 10 * len(SOUND)
    assert server.dropped == 1


@on_virtual_time
async def test_when_no_server_is_well_the_reasons_are_told() -> None:
    spoken = Spoken(ScriptedServer("a", [SOUND]))
    spoken.balancer.upstreams[0].fault = EngineUnavailable("a is not there.")
    with pytest.raises(EngineUnavailable, match="a is not there"):
        await spoken.run()


@on_virtual_time
async def test_a_cancel_drops_the_request_and_gives_the_server_back() -> None:
    server = ScriptedServer("a", [SOUND, None])
    spoken = Spoken(server)
    speaking = asyncio.create_task(spoken.run())
    await asyncio.sleep(1)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    assert server.dropped == 1
    assert spoken.is_quiet
    assert now() == 1
