"""The realtime door and clients that make mistakes, abuse it or vanish."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from saystream.server.doors.realtime_connection import Connection
from server.live import (
    PATIENCE_S,
    Live,
    Peer,
    live_server,
    until,
)

from .peers import LONG_TEXT, MEGABYTE, TEXT, event, speaks, stalled_peer, undisturbed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


# --- a client's mistakes ---------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("num_bytes", [2 * MEGABYTE, 20 * MEGABYTE])
async def test_a_frame_over_the_limit_ends_the_connection(server: Live, num_bytes: int) -> None:
    async with undisturbed(server), server.peer() as peer:
        await peer.append("x" * num_bytes)
        (error,), code, _ = await peer.until_closed()
    assert error["error"]["code"] == "frame_too_large"
    assert str(MEGABYTE) in error["error"]["message"]
    assert code == 1009


async def test_thirty_thousand_appends_of_one_character_are_one_text(server: Live) -> None:
    text = "word " * 6_000
    frames = [event("input_text_buffer.append", text=character) for character in text]

    async def write(peer: Peer) -> None:
        for frame in frames:
            await peer.socket.send(frame)
        await peer.finish()

    with server.limited(max_frames_per_second=1e6, max_bytes_per_second=1e9):
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
    assert characters == 30_000


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
            await until(lambda: live.room.num_taken == 1 and not live.load.running)
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
            connections = [guest for guest in live.room.guests if isinstance(guest, Connection)]
            (connection,) = (c for c in connections if c._session is None)
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
        assert slow_server.num_open == 1, "that of the one who looks on"


async def test_a_peer_that_vanishes_with_its_text_on_the_way_leaves_nothing_behind(server: Live) -> None:
    async with undisturbed(server):
        for _ in range(20):
            async with server.peer() as peer:
                await peer.append(LONG_TEXT)
                await peer.finish()
                peer.vanish()
    assert server.is_quiet
