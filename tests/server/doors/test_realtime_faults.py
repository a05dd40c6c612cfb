"""The realtime door when things go wrong: what the client is told, and that nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from saystream.config import Settings
from saystream.server import runner
from saystream.server.access.keys import KeyStore
from saystream.storage import open_store
from saystream.voices.casting import Router
from server.live import (
    PATIENCE_S,
    Event,
    Live,
    Peer,
    audio_of,
    kinds,
    live_server,
    small_socket,
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "Hello there."
LONG_TEXT = "This goes on and on without an end in sight. " * 20
MEGABYTE = 1 << 20


@asynccontextmanager
async def undisturbed(live: Live) -> AsyncIterator[None]:
    """Another session that begins before and goes on after what is done in the block; then nothing is left."""
    async with live.peer() as other:
        assert await speaks(other)
        yield
        await other.append("And it goes on.")
        await other.finish()
        assert kinds(await other.until("session.finished"))[-2:] == ["response.done", "session.finished"]
    await live.quiet()


async def speaks(peer: Peer) -> bool:
    """Whether the session lives on."""
    await peer.append(TEXT)
    await peer.commit()
    events = await peer.until("response.done")
    return bool(audio_of(events)) and events[-1]["response"]["status"] == "completed"


# --- a client's mistakes ---------------------------------------------------------------------------------------------


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "mine", **fields})


def update(**session: Any) -> str:
    return event("session.update", session=session)


MISTAKES = {
    "no JSON": ("{", "invalid_event", None, ["JSON"]),
    "no object": ("[1]", "invalid_event", None, ["object"]),
    "no type": ('{"event_id": "mine"}', "invalid_event", "type", ["type"]),
    "unknown event": (event("session.begin"), "invalid_event", "type", ["session.begin", "session.update"]),
    "text is a number": (event("input_text_buffer.append", text=5), "invalid_value", "text", ["text", "str"]),
    "no text": (event("input_text_buffer.append"), "invalid_value", "text", ["text"]),
    "number as string": (update(sample_rate="16000"), "invalid_value", "session.sample_rate", ["int"]),
    "rate out of range": (
        update(speech_rate=2.5),
        "invalid_value",
        "session.speech_rate",
        ["2.5", "0.5", "2.0"],
    ),
    "no such rate": (update(sample_rate=11025), "invalid_value", "session.sample_rate", ["11025", "24000"]),
    "no such mode": (update(mode="auto"), "invalid_value", "session.mode", ["auto", "server_commit"]),
    "no such format": (
        update(response_format="flac"),
        "invalid_value",
        "session.response_format",
        ["flac", "pcm", "wav"],
    ),
    "no such voice": (update(voice="cherry"), "invalid_value", "session.voice", ["cherry", "Cherry"]),
    "another model's parameter": (
        update(instructions="Whisper."),
        "invalid_value",
        "session.instructions",
        ["qwen3-tts-instruct-flash-realtime"],
    ),
    "empty commit": (
        event("input_text_buffer.commit"),
        "input_text_buffer_commit_empty",
        "text",
        ["nothing to speak"],
    ),
    "too much text": (
        event("input_text_buffer.append", text="x" * 200_001),
        "text_too_long",
        "text",
        ["200001", "200000"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_told_and_changes_nothing(server: Live, mistake: str) -> None:
    frame, code, param, named = MISTAKES[mistake]
    async with server.peer() as peer:
        await peer.socket.send(frame)
        error = await peer.error()
        assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
        assert error["event_id"] == ("mine" if '"mine"' in frame else None)
        assert not [word for word in named if word not in error["message"]], error["message"]
        await peer.update()
        session = (await peer.next())["session"]
        assert (session["voice"], session["sample_rate"], session["mode"]) == (
            "Cherry",
            24000,
            "server_commit",
        )
        assert await speaks(peer)


async def test_a_voice_of_another_model_is_refused_with_what_the_model_takes(server: Live) -> None:
    async with server.peer("qwen-tts-realtime") as peer:
        for session, param in (
            ({"voice": "Jennifer"}, "session.voice"),
            ({"response_format": "wav"}, "session.response_format"),
            ({"sample_rate": 16000}, "session.sample_rate"),
            ({"speech_rate": 1.5}, "session.speech_rate"),
            ({"language_type": "German"}, "session.language_type"),
        ):
            await peer.update(**session)
            error = await peer.error()
            assert error["param"] == param
            assert "qwen-tts-realtime" in error["message"]
        assert await speaks(peer)


async def test_an_update_is_refused_once_something_was_committed(server: Live) -> None:
    async with server.peer() as peer:
        await peer.append("Hello")
        await peer.update(sample_rate=16000)
        assert (await peer.next())["session"]["sample_rate"] == 16000
        await peer.commit()
        await peer.until("response.audio.delta")
        await peer.update(sample_rate=8000)
        error = (await peer.until("error"))[-1]["error"]
        assert error["code"] == "invalid_value"
        assert error["message"] == "Session update error: session already started or finished or failed."
        await peer.update(sample_rate=16000)
        await peer.until("session.updated")


async def test_after_the_finish_nothing_more_is_taken(slow_server: Live) -> None:
    async with slow_server.peer() as peer:
        await peer.append(LONG_TEXT)
        await peer.until("response.audio.delta")
        await peer.finish()
        for kind, fields in (
            ("input_text_buffer.append", {"text": "More."}),
            ("input_text_buffer.commit", {}),
            ("input_text_buffer.clear", {}),
        ):
            await peer.send(kind, **fields)
            error = (await peer.until("error"))[-1]["error"]
            assert error["code"] == "invalid_state"
            assert kind in error["message"]
            assert "response.cancel" in error["message"]
        await peer.cancel()
        events = await peer.until("session.finished")
        assert events[-2]["response"]["status"] == "cancelled"


async def test_more_commits_than_may_wait_are_refused_and_the_text_stays(tmp_path: Path) -> None:
    async with (
        live_server(
            tmp_path, limits={"max_pending_responses": 2}, engines={"tone": {"real_time_factor": 0.2}}
        ) as live,
        live.peer() as peer,
    ):
        await peer.update(mode="commit")
        await peer.append(TEXT)
        await peer.commit()
        await peer.until("response.created")
        for _ in range(3):
            await peer.append(TEXT)
            await peer.commit()
        error = (await peer.until("error"))[-1]["error"]
        assert error["code"] == "rate_limit_exceeded"
        assert "2 commits" in error["message"]
        await peer.finish()
        events = await peer.until("session.finished")
        assert [event["type"] for event in events].count("response.done") == 4


async def test_one_mistake_too_many_in_a_row_ends_the_connection(server: Live) -> None:
    async with undisturbed(server), server.peer() as peer:
        for _ in range(100):
            await peer.socket.send("nonsense")
        events, code, reason = await peer.until_closed()
    assert [event["error"]["code"] for event in events] == ["invalid_event"] * 100 + ["too_many_errors"]
    assert (code, "100" in reason) == (1008, True)


# --- abuse -----------------------------------------------------------------------------------------------------------


async def test_a_binary_frame_ends_the_connection(server: Live) -> None:
    async with undisturbed(server), server.peer() as peer:
        await peer.append(TEXT)
        await peer.socket.send(b"\x00")
        events, code, _ = await peer.until_closed()
    assert events[-1]["type"] == "error"
    assert events[-1]["error"]["code"] == "binary_frame"
    assert code == 1003


async def test_a_frame_over_the_limit_ends_the_connection(server: Live) -> None:
    async with undisturbed(server), server.peer() as peer:
        await peer.append("x" * 10 * MEGABYTE)
        (error,), code, _ = await peer.until_closed()
    assert error["error"]["code"] == "frame_too_large"
    assert str(MEGABYTE) in error["error"]["message"]
    assert code == 1009


async def test_a_frame_over_every_limit_ends_the_connection_before_it_is_there(server: Live) -> None:
    async with undisturbed(server), server.peer() as peer:
        with contextlib.suppress(ConnectionClosed):
            await peer.append("x" * 20 * MEGABYTE)
            await peer.next()
        # What the peer was still sending may reset the connection before it has seen the close frame.
        assert peer.socket.close_code in (1009, 1006)


async def test_a_hundred_thousand_appends_of_one_character_are_one_text(server: Live) -> None:
    text = ("word " * 20_000)[:100_000]
    frames = [event("input_text_buffer.append", text=character) for character in text]

    async def write(peer: Peer) -> None:
        for frame in frames:
            await peer.socket.send(frame)
        await peer.finish()

    async with undisturbed(server), server.peer() as peer:
        await peer.update(mode="commit", sample_rate=8000)
        writer = asyncio.create_task(write(peer))
        characters = 0
        async with asyncio.timeout(4 * PATIENCE_S):
            while True:
                event_ = await peer.next()
                if event_["type"] == "response.done":
                    characters += event_["response"]["usage"]["characters"]
                if event_["type"] == "session.finished":
                    break
        await writer
    assert characters == 100_000


@asynccontextmanager
async def stalled_peer(live: Live) -> AsyncIterator[Peer]:
    """It has read ``session.created`` and reads nothing any more."""
    async with live.peer(sock=small_socket(live.port), max_queue=1) as peer:
        peer.socket.transport.pause_reading()
        try:
            yield peer
        finally:
            peer.vanish()


async def test_a_reader_that_stops_reading_costs_little_and_is_dropped(tmp_path: Path) -> None:
    process = psutil.Process()
    async with live_server(
        tmp_path, realtime={"send_stall_timeout_s": 1.5}, pool={"buffered_audio_s": 5.0}
    ) as live:
        async with undisturbed(live), AsyncExitStack() as stack:
            memory = process.memory_info().rss
            stalled = [await stack.enter_async_context(stalled_peer(live)) for _ in range(3)]
            for peer in stalled:
                await peer.append(LONG_TEXT * 100)  # 290 MB of audio
            await until(lambda: live.num_open == 1)
            assert process.memory_info().rss - memory < 50 * MEGABYTE
            assert (await live.metric("saystream_running"), await live.metric("saystream_sessions")) == (0, 1)


async def test_answers_that_nobody_reads_are_bounded_too(tmp_path: Path) -> None:
    async with live_server(tmp_path, realtime={"send_stall_timeout_s": 1.0}) as live:
        async with undisturbed(live), stalled_peer(live) as peer:
            frame = event("input_text_buffer.clear")

            async def flood() -> None:
                with contextlib.suppress(ConnectionClosed):
                    while True:
                        await peer.socket.send(frame)

            flooding = asyncio.create_task(flood())
            (connection,) = (c for c in live.door._connections if c._session is None)
            most = 0
            while live.num_open == 2:
                most = max(most, len(connection._outbox))
                await asyncio.sleep(0.01)
            assert 100 < most * len('{"event_id":"event_0123456789012345678901","type":""}') < MEGABYTE
            await flooding


# --- peers that are gone ---------------------------------------------------------------------------------------------


async def test_a_peer_that_vanishes_mid_sentence_leaves_nothing_behind(slow_server: Live) -> None:
    async with undisturbed(slow_server):
        for mode in ("commit", "server_commit"):
            async with slow_server.peer() as peer:
                await peer.update(mode=mode)
                for _ in range(3):
                    await peer.append(LONG_TEXT)
                    await peer.commit()
                await peer.until("response.audio.delta")
                peer.vanish()
        await until(lambda: slow_server.num_open == 1)
        await until(lambda: slow_server.load.running + slow_server.load.waiting == 0)


async def test_a_peer_that_vanishes_with_its_text_on_the_way_leaves_nothing_behind(server: Live) -> None:
    async with undisturbed(server):
        for _ in range(20):
            async with server.peer() as peer:
                await peer.append(LONG_TEXT)
                await peer.finish()
                peer.vanish()


# --- engines that fail -----------------------------------------------------------------------------------------------


def failing(fault: str, **options: Any) -> dict[str, Any]:
    """Settings for a server whose engine has ``fault`` in texts with the word FAULT."""
    return {"engines": {"tone": {"fault": fault, "fault_text": "FAULT", **options}}}


async def failed(peer: Peer) -> tuple[list[Event], Event, Event, tuple[int | None, str]]:
    """Until the connection is closed for a fault: events before the error, the error, the response, the close."""
    events, code, reason = await peer.until_closed()
    place = kinds_of(events).index("error")
    assert kinds_of(events)[place:] == [
        "error",
        "response.audio.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    return events[:place], events[place]["error"], events[-1]["response"], (code, reason)


def kinds_of(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


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
    only_english = {"tone": replace(server.door.synthesizer.pool.engine("tone"), languages=("en",))}
    monkeypatch.setattr(server.door.synthesizer, "router", Router(("tone",), only_english))
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

    for broken in ("realtime_usage", "Connection._check"):
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


# --- handshakes that are refused -------------------------------------------------------------------------------------


async def refusal(live: Live, key: str | None = None) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The status, the body and the headers of a refused handshake."""
    with pytest.raises(InvalidStatus) as refused:
        async with live.peer(key=key):
            pass
    response = refused.value.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return response.status_code, json.loads(response.body or b"{}"), headers


async def test_without_a_good_key_the_handshake_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_store(Settings(data_dir=tmp_path, database_url=None)) as engine:
        keys = KeyStore(engine)
        good, revoked = await keys.create("good"), await keys.create("revoked")
        await keys.revoke(revoked.key.id)
    async with live_server(tmp_path) as live:
        for key in (None, "sk-unknown", revoked.secret):
            status, body, headers = await refusal(live, key)
            assert (status, body["code"]) == (401, "InvalidApiKey")
            assert body["message"]
            assert body["request_id"]
            assert "retry-after" not in headers
            assert key is None or key not in json.dumps(body)
        async with live.peer(key=good.secret) as peer:
            assert await speaks(peer)
        assert await live.metric("saystream_handshakes_refused_total", code="invalid_api_key") == 3
        await live.quiet()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_handshake_over_the_limit_is_refused_for_now(tmp_path: Path) -> None:
    async with live_server(tmp_path, limits={"max_sessions": 2}) as live:
        async with live.peer() as first, live.peer():
            status, body, headers = await refusal(live)
            assert (status, body["code"]) == (429, "Throttling.RateQuota")
            assert "2 sessions" in body["message"]
            assert int(headers["retry-after"]) > 0
            assert await speaks(first)
        await live.quiet()
        async with live.peer() as peer:
            assert await speaks(peer)


# --- draining --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def draining(live: Live, timeout_s: float = PATIENCE_S) -> AsyncIterator[asyncio.Task[None]]:
    drain = asyncio.create_task(live.door.drain(timeout_s))
    await until(lambda: live.door.draining)
    yield drain
    await drain


async def test_a_draining_server_lets_everybody_finish_and_takes_nobody_new(tmp_path: Path) -> None:
    async with live_server(
        tmp_path, realtime={"response_idle_ms": 100}, engines={"tone": {"real_time_factor": 0.1}}
    ) as live:
        async with (
            live.peer() as idle,
            live.peer() as mid_sentence,
            live.peer() as finishing,
            live.peer() as finished,
            live.peer() as unspoken,
        ):
            await mid_sentence.append(LONG_TEXT[:180])
            await finishing.append(LONG_TEXT[:180])
            await finishing.finish()
            await finished.finish()
            await finished.until("session.finished")
            await finishing.until("response.audio.delta")
            await mid_sentence.until("response.audio.delta")
            await unspoken.append("No end of a sentence")
            await unspoken.update()
            await unspoken.until("session.updated")
            async with draining(live):
                status, body, headers = await refusal(live)
                assert (status, body["code"]) == (503, "Throttling")
                assert int(headers["retry-after"]) > 0
                assert (await live.get("/readyz"))[0] == 503
                assert (await live.get("/healthz"))[0] == 200
                events, code, _ = await idle.until_closed()
                assert [event["error"]["code"] for event in events] == ["server_draining"]
                assert code == 1012
                events, code, _ = await finished.until_closed()
                assert (events, code) == ([], 1012)
                events, code, _ = await finishing.until_closed()
                assert kinds_of(events)[-2:] == ["response.done", "session.finished"]
                assert (events[-2]["response"]["status"], code) == ("completed", 1012)
                for peer, text in ((mid_sentence, LONG_TEXT[:180]), (unspoken, "No end of a sentence")):
                    events, code, _ = await peer.until_closed()
                    assert kinds_of(events)[-2:] == ["response.done", "error"]
                    assert events[-2]["response"]["usage"]["characters"] == len(text)
                    assert (events[-1]["error"]["code"], code) == ("server_draining", 1012)


async def test_a_draining_server_does_not_wait_for_text_that_is_dropped(tmp_path: Path) -> None:
    async with live_server(tmp_path, segmenter={"max_wait_ms": 60_000}) as live, live.peer() as peer:
        await peer.append("No end of a sentence")
        await peer.update()
        await peer.until("session.updated")
        async with draining(live):
            await peer.clear()
            events, code, _ = await peer.until_closed()
    assert (kinds_of(events), code) == (["input_text_buffer.cleared", "error"], 1012)


async def test_a_drain_ends_in_time_whatever_the_peers_do(tmp_path: Path) -> None:
    async with live_server(tmp_path, engines={"tone": {"real_time_factor": 1.0}}) as live:
        async with live.peer() as peer, stalled_peer(live) as stalled:
            await peer.append(LONG_TEXT)
            await stalled.append(LONG_TEXT)
            await peer.until("response.audio.delta")
            async with draining(live, timeout_s=0.2):
                _, error, response, (code, _) = await failed(peer)
                assert (error["code"], response["status"], code) == ("server_draining", "failed", 1012)


async def test_a_peer_that_does_not_answer_the_close_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_FAREWELL_S", 0.3)
    async with live_server(tmp_path) as live, stalled_peer(live) as peer:
        await peer.socket.send(b"")
        await until(lambda: not live.door._connections)
        assert live.num_open == 1
        await until(lambda: live.num_open == 0)
