"""The realtime door when an engine fails: what the client is told, and that nobody else notices."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saystream.catalog import load
from saystream.voices.casting import Casting
from server.live import (
    Event,
    Live,
    Peer,
    audio_of,
    kinds,
    live_server,
    until,
)

from .peers import LONG_TEXT, TEXT, failed, speaks, undisturbed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


def failing(fault: str, **options: Any) -> dict[str, Any]:
    """Settings for a server whose engine has ``fault`` in texts with the word FAULT."""
    return {"engines": {"tone": {"fault": fault, "fault_text": "FAULT", **options}}}


async def test_an_engine_killed_before_its_first_audio_is_not_noticed(tmp_path: Path) -> None:
    async with live_server(tmp_path, engines={"tone": {"first_chunk_delay_ms": 500}}) as live:
        async with undisturbed(live), live.peer() as peer:
            await peer.append(TEXT)
            await peer.finish()
            await peer.until("response.created")
            await until(lambda: live.load.running)
            (engine,) = live.engine_processes()
            engine.kill()
            events = await peer.until("session.finished")
            assert events[-2]["response"]["status"] == "completed"
            assert len(audio_of(events)) == 2 * 24000 * 0.8
        assert await live.metric("saystream_host_restarts_total") == 1
        assert await live.metric("saystream_faults_total") == 0
        assert engine not in live.engine_processes()


async def until_done(peer: Peer) -> tuple[list[Event], Event, list[Event], Event]:
    """The events of a response in which one segment failed: before the error, the error, after it, the response."""
    events = await peer.until("response.done")
    (place,) = (number for number, event in enumerate(events) if event["type"] == "error")
    return events[:place], events[place]["error"], events[place + 1 :], events[-1]["response"]


async def test_an_engine_killed_while_it_sounds_costs_one_sentence_and_the_session_goes_on(
    tmp_path: Path,
) -> None:
    async with live_server(tmp_path, engines={"tone": {"real_time_factor": 0.5}}) as live:
        async with undisturbed(live), live.peer() as peer:
            await peer.append(LONG_TEXT[:200])
            await peer.commit()
            await peer.until("response.audio.delta")
            (engine,) = live.engine_processes()
            engine.kill()
            _, error, after, response = await until_done(peer)
            assert (error["type"], error["code"]) == ("server_error", "engine_crashed")
            assert "tone" in error["message"]
            assert response["status"] == "failed"
            assert response["usage"]["characters"] == 200
            lost_s = 200 / 15 - len(audio_of(after)) / 2 / 24000
            assert 0 < lost_s < 200 / 15 / 2, "most of it was spoken by the next process"
            assert await speaks(peer)
        assert await live.metric("saystream_host_restarts_total") == 1
        assert await live.metric("saystream_faults_total", code="engine_crashed") == 1
        assert await live.metric("saystream_responses_total", status="failed") == 1


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        ("crash", {}, "engine_crashed"),
        ("crash", {"fault_after_ms": 200}, "engine_crashed"),
        ("hang", {}, "engine_stalled"),
        ("hang", {"fault_after_ms": 200}, "engine_stalled"),
        ("error", {}, "engine_failed"),
        ("nan", {}, "engine_output_invalid"),
        ("wrong_dtype", {"fault_after_ms": 200}, "engine_output_invalid"),
    ],
)
async def test_a_fault_of_the_engine_is_told_and_the_next_sentence_is_spoken(
    tmp_path: Path, fault: str, options: dict[str, Any], code: str
) -> None:
    patience = {"first_chunk_timeout_s": 2.0, "chunk_timeout_s": 2.0, "admission_timeout_s": 60.0}
    async with live_server(tmp_path, pool=patience, **failing(fault, **options)) as live:
        async with undisturbed(live), live.peer() as peer:
            await peer.append("This FAULT is in the first sentence. The next one is all fine.")
            await peer.finish()
            before, error, after, response = await until_done(peer)
            assert (error["type"], error["code"]) == ("server_error", code)
            assert "FAULT" not in error["message"]
            assert response["status"] == "failed"
            assert bool(audio_of(before)) == ("fault_after_ms" in options)
            assert audio_of(after)
            assert (await peer.next())["type"] == "session.finished"


async def test_a_hung_engine_is_stopped_and_those_who_wait_for_it_are_served(tmp_path: Path) -> None:
    patience = {"first_chunk_timeout_s": 0.5, "chunk_timeout_s": 0.5, "max_attempts": 3}
    async with live_server(tmp_path, pool=patience, **failing("hang", concurrency=1)) as live:
        async with live.peer() as victim, live.peer() as waiting:
            await victim.append("A FAULT.")
            await victim.commit()
            await victim.until("response.created")
            await until(lambda: live.load.running)
            await waiting.append(TEXT)
            await waiting.finish()
            assert (await until_done(victim))[1]["code"] == "engine_stalled"
            assert kinds(await waiting.until("session.finished"))[-2:] == [
                "response.done",
                "session.finished",
            ]
        await live.quiet()


async def test_a_session_whose_every_sentence_fails_is_told_so_and_closed(tmp_path: Path) -> None:
    async with (
        live_server(tmp_path, pool={"max_attempts": 1}, **failing("error")) as live,
        live.peer() as peer,
    ):
        for _ in range(2):
            await peer.append("A FAULT.")
            await peer.commit()
            assert (await until_done(peer))[1]["code"] == "engine_failed"
        await peer.append("A FAULT.")
        await peer.finish()
        _, error, response, close = await failed(peer)
        assert (error["code"], response["status"]) == ("engine_failed", "failed")
        assert close == (1011, error["message"])
        await live.quiet()
        assert await live.metric("saystream_faults_total", code="engine_failed") == 3


async def test_sessions_wait_for_an_engine_that_is_killed_while_it_loads(tmp_path: Path) -> None:
    async with live_server(tmp_path, engines={"tone": {"first_chunk_delay_ms": 500}}) as live:
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(live.peer()) for _ in range(20)]
            for peer in peers:
                await peer.append(TEXT)
                await peer.finish()
            await until(lambda: live.load.running)
            (before,) = live.engine_processes()
            before.kill()
            await until(lambda: live.engine_processes() - {before})
            for engine in live.engine_processes() - {before}:
                engine.kill()
            for peer in peers:
                events = await peer.until("session.finished")
                assert "error" not in kinds(events)
                assert len(audio_of(events)) == 2 * 24000 * 0.8
        await live.quiet()


async def test_sessions_whose_engine_stays_away_are_told_to_come_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = {"tone": {"first_chunk_delay_ms": 500}}
    async with live_server(tmp_path, pool={"restart_timeout_s": 1.0}, engines=slow) as live:
        async with live.peer() as waiting, live.peer() as late:
            await waiting.append(TEXT)
            await waiting.commit()
            await waiting.until("response.created")
            await until(lambda: live.load.running)
            monkeypatch.setattr(sys, "executable", "/no/such/python")
            (engine,) = live.engine_processes()
            engine.kill()
            _, error, _, (code, _) = await failed(waiting)
            assert (error["code"], code) == ("server_overloaded", 1013)
            await late.append(TEXT)
            events, code, _ = await late.until_closed()
            assert (events[-1]["error"]["code"], code) == ("server_overloaded", 1013)
        await live.quiet()


async def test_a_language_that_no_engine_speaks_is_told_with_what_would_help(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesizer = server.services.synthesizer
    only_english = {"tone": replace(synthesizer.hosting.engine("tone"), languages={"en": "robotic"})}
    casting = Casting(("tone",), only_english, catalog=load())
    monkeypatch.setattr(synthesizer, "_services", replace(synthesizer._services, casting=casting))
    async with undisturbed(server), server.peer() as peer:
        await peer.append("你好，世界。")
        events = await peer.until("response.done")
        (error,) = [event for event in events if event["type"] == "error"]
        await peer.append("Hello.")
        await peer.finish()
        assert audio_of(await peer.until("session.finished"))
    assert (error["error"]["type"], error["error"]["code"]) == ("server_error", "engine_unavailable")
    assert "Chinese (zh)" in error["error"]["message"]
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["usage"] == {"characters": 0}


async def test_a_full_queue_is_told_with_the_code_for_later(tmp_path: Path) -> None:
    async with live_server(
        tmp_path, pool={"max_waiting": 1}, engines={"tone": {"concurrency": 1, "real_time_factor": 1.0}}
    ) as live:
        async with live.peer() as speaking, live.peer() as waiting, live.peer() as refused:
            for peer in (speaking, waiting, refused):
                await peer.update(mode="commit")
                await peer.next()
                await peer.append(TEXT)
                await peer.commit()
                await peer.until("response.content_part.added")
                await until(lambda: live.load.running)
            _, error, response, (code, _) = await failed(refused)
            assert (error["code"], response["status"], code) == ("server_overloaded", "failed", 1013)
            assert await speaks(speaking) is not None
        await live.quiet()


async def test_a_bug_of_ours_is_told_and_logged(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("TEXT")

    for broken in ("bill", "Connection._check"):
        with monkeypatch.context() as patch:
            patch.setattr(f"saystream.server.doors.realtime_connection.{broken}", break_down)
            async with server.peer() as peer:
                if broken == "Connection._check":
                    await peer.update(voice="Ethan")
                else:
                    await peer.append(TEXT)
                    await peer.commit()
                events, code, _ = await peer.until_closed()
            (error,) = (event["error"] for event in events if event["type"] == "error")
            assert (error["type"], error["code"], code) == ("server_error", "internal_error", 1011)
            assert "TEXT" not in error["message"]
