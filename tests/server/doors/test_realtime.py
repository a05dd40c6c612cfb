"""The realtime door as its users see it, over real sockets. What goes wrong is in the modules beside."""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.tone import ToneEngine
from saystream.text.counting import billed_characters
from saystream.text.words import word_spans
from server.live import PATIENCE_S, Event, Live, audio_of, kinds, live_server, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "Hello there, dear listener. This is the second sentence of the text."
PAUSE_S = 0.3
"""Between the sentences of ``TEXT``."""
LONG_TEXT = "This goes on and on without an end in sight. " * 20

OPENING = ["response.created", "response.output_item.added", "response.content_part.added"]
CLOSING = ["response.audio.done", "response.content_part.done", "response.output_item.done", "response.done"]
RESPONSE = [*OPENING, "response.audio.delta", *CLOSING]
SILENT_RESPONSE = [*OPENING, *CLOSING]


def spoken(text: str) -> np.ndarray:
    """What the engine says, without any server."""
    stream = ToneEngine().open(SynthesisRequest(voice="tone", language="en"))
    stream.push(Span(text))
    stream.end_input()
    return np.concatenate([chunk.samples for chunk in stream.chunks()])


def seconds(pcm: bytes, sample_rate: int = 24000) -> float:
    return len(pcm) / 2 / sample_rate


# --- whole sessions --------------------------------------------------------------------------------------------------


async def test_a_committed_text_comes_as_one_response_with_every_documented_field(server: Live) -> None:
    async with server.peer() as peer:
        await peer.update(mode="commit", voice="Ethan")
        updated = await peer.next()
        assert updated["type"] == "session.updated"
        assert updated["session"]["mode"] == "commit"
        assert updated["session"]["voice"] == "Ethan"
        await peer.append(TEXT)
        await peer.commit()
        events = await peer.until("response.done")
        assert kinds(events) == ["input_text_buffer.committed", *RESPONSE]
        await peer.finish()
        assert (await peer.next())["type"] == "session.finished"
    ids = [event["event_id"] for event in events]
    assert len(set(ids)) == len(ids)
    assert all(event_id.startswith("event_") for event_id in ids)
    committed, created, item_added, part_added, first, *_, audio_done, part_done, item_done, done = events
    item_id, response_id = committed["item_id"], created["response"]["id"]
    assert item_id.startswith("item_")
    assert response_id.startswith("resp_")
    place = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    item = {"id": item_id, "object": "realtime.item", "type": "message", "role": "assistant"}
    assert without_head(created) == {
        "response": {
            "id": response_id,
            "object": "realtime.response",
            "conversation_id": "",
            "status": "in_progress",
            "voice": "Ethan",
            "output": [],
        }
    }
    assert without_head(item_added) == {
        "response_id": response_id,
        "output_index": 0,
        "item": {**item, "status": "in_progress", "content": []},
    }
    assert without_head(part_added) == {**place, "part": {"type": "audio", "text": ""}}
    assert without_head(first) == {**place, "delta": first["delta"]}
    assert without_head(audio_done) == place
    assert without_head(part_done) == {**place, "part": {"type": "audio", "text": ""}}
    assert without_head(item_done) == {
        "response_id": response_id,
        "output_index": 0,
        "item": {**item, "status": "completed", "content": [{"type": "audio", "text": ""}]},
    }
    assert without_head(done) == {
        "response": {
            "id": response_id,
            "object": "realtime.response",
            "conversation_id": "",
            "status": "completed",
            "modalities": ["text", "audio"],
            "voice": "Ethan",
            "output": [{**item, "status": "completed", "content": [{"type": "audio", "transcript": ""}]}],
            "usage": {"characters": billed_characters(TEXT)},
        }
    }


def without_head(event: Event) -> Event:
    return {name: value for name, value in event.items() if name not in ("event_id", "type")}


async def test_text_as_it_comes_is_one_response_and_the_session_ends_with_finished(server: Live) -> None:
    events = await server.say(TEXT)
    assert kinds(events) == ["input_text_buffer.committed", *RESPONSE, "session.finished"]
    audio = audio_of(events)
    assert seconds(audio) == pytest.approx(len(spoken(TEXT)) / 24000 + PAUSE_S, abs=0.1)
    assert np.abs(np.frombuffer(audio, "<i2")).max() == pytest.approx(0.3 * 32767, rel=0.01)


async def test_a_session_that_asks_is_told_when_each_word_sounds(server: Live) -> None:
    events = await server.say(TEXT, word_timestamps=True)
    told = [event for event in events if event["type"] == "saystream.word_timestamps"]
    words = [word for event in told for word in event["words"]]
    assert [(word["begin_index"], word["end_index"]) for word in words] == list(word_spans(TEXT))
    times = [word["begin_time"] for word in words]
    assert times == sorted(times)
    assert words[-1]["end_time"] <= seconds(audio_of(events)) * 1000


async def test_the_first_delta_is_small_and_no_delta_is_large(server: Live) -> None:
    events = await server.say(TEXT)
    durations = [seconds(audio_of([event])) for event in events if event["type"] == "response.audio.delta"]
    assert durations[0] * 1000 == pytest.approx(server.settings.realtime.first_delta_ms)
    assert max(durations) * 1000 <= server.settings.realtime.delta_ms


async def test_the_configuration_in_force_is_told_and_used(server: Live) -> None:
    async with server.peer() as peer:
        await peer.update(response_format="wav", sample_rate=16000, unheard_of="ignored")
        session = (await peer.next())["session"]
        assert (session["response_format"], session["sample_rate"]) == ("wav", 16000)
        assert session["voice"] == "Cherry"
        assert "unheard_of" not in session
        await peer.append(TEXT)
        await peer.finish()
        audio = audio_of(await peer.until("session.finished"))
    assert audio.startswith(b"RIFF")
    assert struct.unpack_from("<HHI", audio, 20) == (1, 1, 16000)
    assert audio.count(b"RIFF") == 1
    assert seconds(audio[44:], 16000) == pytest.approx(len(spoken(TEXT)) / 24000 + PAUSE_S, abs=0.1)


async def test_a_model_that_counts_tokens_is_billed_in_tokens(server: Live) -> None:
    async with server.peer("qwen-tts-realtime") as peer:
        await peer.append(TEXT)
        await peer.finish()
        *_, done, _ = await peer.until("session.finished")
    usage = done["response"]["usage"]
    assert usage["output_tokens_details"]["audio_tokens"] == usage["output_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


async def test_several_commits_are_spoken_one_after_the_other(server: Live) -> None:
    texts = ["One, to begin with.", "Two.", "Three, and that is all there is."]
    async with server.peer() as peer:
        await peer.update(mode="commit")
        for text in texts:
            await peer.append(text)
            await peer.commit()
        await peer.finish()
        events = (await peer.until("session.finished"))[1:]
    items = [event["item_id"] for event in events if event["type"] == "input_text_buffer.committed"]
    assert len(set(items)) == 3
    spoken_items = [event["item"]["id"] for event in events if event["type"] == "response.output_item.added"]
    assert spoken_items == items
    usages = [event["response"]["usage"] for event in events if event["type"] == "response.done"]
    assert usages == [{"characters": len(text)} for text in texts]
    in_order = [event for event in events if event["type"] != "input_text_buffer.committed"]
    assert kinds(in_order) == [*RESPONSE * 3, "session.finished"]


@pytest.mark.parametrize("mode", ["commit", "server_commit"])
async def test_text_of_nothing_but_tags_gets_a_response_without_sound(server: Live, mode: str) -> None:
    async with server.peer() as peer:
        await peer.update(mode=mode)
        await peer.append("<b>")
        await peer.append("</b>")
        await peer.commit()
        *_, done = await peer.until("response.done")
        assert done["response"]["status"] == "completed"
        assert done["response"]["usage"] == {"characters": 0}
        await peer.append("**Hello** there.")
        await peer.commit()
        *events, done = await peer.until("response.done")
    assert "response.audio.delta" in kinds(events)
    assert done["response"]["usage"] == {"characters": 12}


async def test_in_commit_mode_nothing_is_spoken_before_a_commit_and_a_finish_is_one(server: Live) -> None:
    async with server.peer() as peer:
        await peer.update(mode="commit")
        await peer.next()
        await peer.append(TEXT)
        await peer.clear()
        assert (await peer.next())["type"] == "input_text_buffer.cleared"
        await peer.append("Kept.")
        await peer.finish()
        events = await peer.until("session.finished")
    assert kinds(events) == ["input_text_buffer.committed", *RESPONSE, "session.finished"]
    assert events[-2]["response"]["usage"] == {"characters": len("Kept.")}


async def test_a_response_stays_open_while_text_comes(server: Live) -> None:
    async with server.peer() as peer:
        await peer.append("Hello there. ")
        await peer.append("And")
        events = await peer.until("response.audio.delta")
        await peer.append(" more of it. ")
        await peer.append("And the last")
        await peer.commit()
        events += await peer.until("response.done")
        assert kinds(events) == ["input_text_buffer.committed", *RESPONSE]
        characters = events[-1]["response"]["usage"]["characters"]
        assert characters == len("Hello there. And more of it. And the last")


async def test_a_response_ends_when_no_more_text_comes(server: Live) -> None:
    async with server.peer() as peer:
        for text in ("Hello there. ", "Again, hello there. "):
            await peer.append(text)
            events = await peer.until("response.done")
            assert kinds(events) == ["input_text_buffer.committed", *RESPONSE]
            assert events[-1]["response"]["usage"] == {"characters": len(text)}


async def test_a_session_without_text_just_finishes(server: Live) -> None:
    async with server.peer() as peer:
        await peer.append(" … ")
        await peer.finish()
        assert (await peer.next())["type"] == "session.finished"
        await peer.finish()
        await peer.update(voice="Ethan")
        assert (await peer.next())["type"] == "session.created"


async def test_a_second_session_on_the_same_connection_is_a_new_one(server: Live) -> None:
    async with server.peer(greeted=False) as peer:
        first = (await peer.next())["session"]
        await peer.update(voice="Ethan", mode="commit")
        await peer.append(TEXT)
        await peer.finish()
        await peer.until("session.finished")
        await peer.append("Too early.")
        assert (await peer.error())["code"] == "invalid_state"
        await peer.update(sample_rate=16000)
        created, updated = await peer.next(), await peer.next()
        assert (created["type"], updated["type"]) == ("session.created", "session.updated")
        assert created["session"]["id"] == updated["session"]["id"] != first["id"]
        assert (updated["session"]["voice"], updated["session"]["mode"]) == ("Cherry", "server_commit")
        await peer.append(TEXT)
        await peer.finish()
        events = await peer.until("session.finished")
        assert kinds(events) == ["input_text_buffer.committed", *RESPONSE, "session.finished"]
        assert seconds(audio_of(events), 16000) == pytest.approx(len(spoken(TEXT)) / 24000 + PAUSE_S, abs=0.1)


async def test_a_client_that_closes_in_good_order_gets_its_close_back(server: Live) -> None:
    async with server.peer() as peer:
        await peer.append(TEXT)
        await peer.socket.close(1000, "bye")
        assert peer.socket.close_code == 1000
    await server.quiet()


# --- cancel and clear ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["commit", "server_commit"])
async def test_a_cancel_is_silent_at_once_and_the_next_text_is_spoken(slow_server: Live, mode: str) -> None:
    async with slow_server.peer() as peer:
        await peer.update(mode=mode)
        await peer.append(LONG_TEXT)
        await peer.commit()
        await peer.until("response.audio.delta")
        await peer.cancel()
        events = await peer.until("response.done")
        assert kinds(events)[-4:] == CLOSING
        done = events[-1]["response"]
        assert done["status"] == "cancelled"
        assert done["output"][0]["status"] == "incomplete"
        assert 0 < done["usage"]["characters"] < len(LONG_TEXT)
        await until(lambda: slow_server.services.synthesizer.hosting.load()[0].running == 0)
        await peer.append("Hello again.")
        await peer.finish()
        events = await peer.until("session.finished")
        assert kinds(events) == ["input_text_buffer.committed", *RESPONSE, "session.finished"]
        assert events[-2]["response"]["usage"] == {"characters": len("Hello again.")}


async def test_a_cancel_throws_away_the_audio_that_was_not_sent_yet(server: Live) -> None:
    async with server.peer(max_queue=1) as peer:
        await peer.append(LONG_TEXT * 40)
        await peer.until("response.audio.delta")
        await peer.cancel()
        events = await peer.until("response.done")
        assert events[-1]["response"]["status"] == "cancelled"
        assert seconds(audio_of(events)) < len(spoken(LONG_TEXT)) * 40 / 24000


async def test_a_cancel_with_nothing_to_cancel_is_no_error(server: Live) -> None:
    async with server.peer() as peer:
        await peer.cancel()
        await peer.append("Hello.")
        await peer.finish()
        assert kinds(await peer.until("session.finished"))[-2:] == ["response.done", "session.finished"]


async def test_a_cancel_drops_text_that_waits_for_the_end_of_its_sentence(server: Live) -> None:
    async with server.peer() as peer:
        await peer.append("Hello")
        await peer.cancel()
        events = await peer.until("response.done")
        assert kinds(events) == ["input_text_buffer.committed", *SILENT_RESPONSE]
        assert events[-1]["response"]["status"] == "cancelled"
        await peer.commit()
        assert (await peer.error())["code"] == "input_text_buffer_commit_empty"


async def test_text_right_after_a_cancel_can_be_committed(slow_server: Live) -> None:
    async with slow_server.peer() as peer:
        await peer.append(LONG_TEXT)
        await peer.until("response.audio.delta")
        await peer.cancel()
        await peer.append("Instead of that.")
        await peer.until("response.done")
        await peer.commit()
        events = await peer.until("response.done")
        assert kinds(events) == ["input_text_buffer.committed", *RESPONSE]
        assert events[-1]["response"]["usage"] == {"characters": len("Instead of that.")}


async def test_a_clear_while_it_speaks_keeps_what_is_being_spoken(slow_server: Live) -> None:
    async with slow_server.peer() as peer:
        await peer.append(TEXT + LONG_TEXT)
        await peer.until("response.audio.delta")
        await peer.clear()
        await peer.finish()
        events = await peer.until("session.finished")
        assert "input_text_buffer.cleared" in kinds(events)
        assert events[-2]["response"]["usage"] == {"characters": len("Hello there, dear listener. ")}


# --- limits of time --------------------------------------------------------------------------------------------------


async def test_a_connection_without_anything_to_do_is_closed_in_good_order(tmp_path: Path) -> None:
    async with live_server(
        tmp_path,
        realtime={"idle_timeout_s": 0.3, "response_idle_ms": 50},
        engines={"tone": {"real_time_factor": 0.5}},
    ) as live:
        async with live.peer() as never_used, live.peer() as used:
            await used.append(TEXT)
            await used.finish()
            spoken_s = asyncio.create_task(used.until_closed())
            assert await never_used.until_closed() == ([], 1000, "idle for 0.3 s")
            events, code, reason = await spoken_s
        assert kinds(events)[-1] == "session.finished"
        assert seconds(audio_of(events)) * 0.5 > 2 * 0.3
        assert (code, reason) == (1000, "idle for 0.3 s")
        await live.quiet()


async def test_a_finished_session_is_idle_only_from_its_end(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with (
        live_server(
            tmp_path, realtime={"idle_timeout_s": 0.5}, engines={"tone": {"real_time_factor": 0.3}}
        ) as live,
        live.peer() as peer,
    ):
        await peer.append("Hello there, you.")
        await peer.finish()
        await peer.until("session.finished")
        finished_s = loop.time()
        _, code, _ = await peer.until_closed()
        assert code == 1000
        assert 0.4 < loop.time() - finished_s < PATIENCE_S


# --- models ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("qwen3-tts-flash-realtimee", "qwen3-tts-flash-realtime"),
        ("qwen3-tts-flash", "/api/v1/services/aigc/multimodal-generation/generation"),
        ("cosyvoice-v3", "/api-ws/v1/inference"),
        ("", "model"),
        (None, "model"),
    ],
)
async def test_a_model_of_no_use_here_is_answered_inside_the_connection(
    server: Live, model: str | None, named: str
) -> None:
    async with server.peer(model, greeted=False) as peer:
        events, code, reason = await peer.until_closed()
    (event,) = events
    assert event["type"] == "error"
    assert event["error"]["code"] == "model_not_found"
    assert event["error"]["param"] == "model"
    assert named in event["error"]["message"]
    assert code == 1008
    assert reason
    await server.quiet()


async def test_a_model_without_system_voices_speaks_nothing_until_it_has_a_voice(server: Live) -> None:
    async with server.peer("qwen3-tts-vc-realtime-2025-11-27") as peer:
        await peer.append("Hello.")
        error = await peer.error()
        assert (error["type"], error["param"]) == ("invalid_request_error", "session.voice")
        await peer.clear()
        assert (await peer.next())["type"] == "input_text_buffer.cleared"
        await peer.cancel()
        await peer.finish()
        assert (await peer.next())["type"] == "session.finished"


# --- many at once ----------------------------------------------------------------------------------------------------


async def test_two_hundred_sessions_later_everything_is_as_it_was(server: Live) -> None:
    async def batch(size: int) -> list[list[Event]]:
        return await asyncio.gather(*(server.say("Hello.") for _ in range(size)))

    await batch(2)
    await server.quiet()
    tasks = len(asyncio.all_tasks())
    for _ in range(10):
        for events in await batch(20):
            assert kinds(events) == ["input_text_buffer.committed", *RESPONSE, "session.finished"]
    await server.quiet()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert await server.metric("saystream_sessions") == 0
    assert await server.metric("saystream_running") == 0
    assert await server.metric("saystream_queue") == 0


async def test_a_long_text_of_one_session_does_not_keep_the_others_waiting(server: Live) -> None:
    longest_turn_s = 0.0

    async def watch() -> None:
        nonlocal longest_turn_s
        while True:
            started_s = time.thread_time()
            await asyncio.sleep(0)
            longest_turn_s = max(longest_turn_s, time.thread_time() - started_s)

    async with server.peer(max_queue=1) as peer:
        await peer.update(mode="commit")
        await peer.append(LONG_TEXT * 200)
        await peer.append("x")
        watcher = asyncio.create_task(watch())
        await peer.commit()
        await peer.until("response.audio.delta")
        watcher.cancel()
        await peer.cancel()
        await peer.until("response.done")
    assert longest_turn_s < 0.1
