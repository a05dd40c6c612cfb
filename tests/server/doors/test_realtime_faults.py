"""The realtime door when an engine fails: what the client is told, and that nobody else notices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saystream.catalog import load
from saystream.voices.casting import Casting
from server.live import (
    Live,
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


async def test_an_engine_killed_after_its_first_audio_ends_the_session_with_an_error(tmp_path: Path) -> None:
    async with live_server(tmp_path, engines={"tone": {"real_time_factor": 0.5}}) as live:
        async with undisturbed(live), live.peer() as peer:
            await peer.append(LONG_TEXT)
            await peer.until("response.audio.delta")
            (engine,) = live.engine_processes()
            engine.kill()
            _, error, response, close = await failed(peer)
            await until(lambda: live.load.hosts == 1)
        assert (error["type"], error["code"]) == ("server_error", "engine_crashed")
        assert "tone" in error["message"]
        assert response["status"] == "failed"
        assert response["usage"]["characters"] > 0
        assert close == (1011, error["message"])
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
async def test_a_fault_of_the_engine_is_told_and_the_next_session_speaks(
    tmp_path: Path, fault: str, options: dict[str, Any], code: str
) -> None:
    patience = {"first_chunk_timeout_s": 0.5, "chunk_timeout_s": 0.5}
    async with live_server(tmp_path, pool=patience, **failing(fault, **options)) as live:
        async with undisturbed(live), live.peer() as peer:
            await peer.append("This FAULT is in the first sentence. The next is fine.")
            before, error, response, (close_code, _) = await failed(peer)
            assert (error["type"], error["code"]) == ("server_error", code)
            assert "FAULT" not in error["message"]
            assert (response["status"], close_code) == ("failed", 1011)
            assert bool(audio_of(before)) == ("fault_after_ms" in options)
            await until(lambda: live.load.hosts == 1)
        assert kinds(await live.say())[-1] == "session.finished"


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
            assert (await failed(victim))[1]["code"] == "engine_stalled"
            assert kinds(await waiting.until("session.finished"))[-2:] == [
                "response.done",
                "session.finished",
            ]
        await live.quiet()


async def test_a_session_whose_engine_does_not_come_up_again_is_told_so(tmp_path: Path) -> None:
    async with (
        live_server(tmp_path, pool={"max_attempts": 1}, **failing("crash")) as live,
        live.peer() as peer,
    ):
        await peer.append("A FAULT.")
        await peer.finish()
        _, error, _, close = await failed(peer)
        assert (error["code"], close) == ("engine_crashed", (1011, error["message"]))


async def test_a_language_that_no_engine_speaks_is_told_with_what_would_help(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesizer = server.services.synthesizer
    only_english = {"tone": replace(synthesizer.hosting.engine("tone"), languages={"en": "robotic"})}
    casting = Casting(("tone",), only_english, catalog=load())
    monkeypatch.setattr(synthesizer, "_services", replace(synthesizer._services, casting=casting))
    async with undisturbed(server), server.peer() as peer:
        await peer.append("你好，世界。")
        (error,), code, _ = await peer.until_closed()
    assert (error["error"]["type"], error["error"]["code"]) == ("server_error", "engine_unavailable")
    assert "Chinese (zh)" in error["error"]["message"]
    assert code == 1011


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
