"""The task door over real sockets, with an engine that takes no time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from saystream.protocol.task.events import (
    SentenceBegin,
    SentenceEnd,
    SentenceSynthesis,
    SentenceTimes,
    TaskFinished,
    TaskStarted,
)
from saystream.protocol.task.parameters import HotFix
from server.live import Live, live_server, until

from .task_peer import COSYVOICE, SAMBERT, VOICE, Heard, audio_of, in_order, sentences_of, task_peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "Hello there, my friend. How are you today?"


async def test_a_task_speaks_sentence_by_sentence(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.begin()
        for piece in ("Hello there, my fri", "end. How are ", "you today?"):
            await peer.say(piece)
        await peer.finish()
        heard = await peer.until_end()
    assert in_order(heard)
    assert [text.strip() for text in sentences_of(heard)] == ["Hello there, my friend.", "How are you today?"]
    assert "".join(sentences_of(heard)) == TEXT
    finished = heard[-1]
    assert isinstance(finished, TaskFinished)
    assert finished.characters == len(TEXT)
    assert finished.request_uuid
    assert [event.characters for event in heard if isinstance(event, SentenceEnd)][-1] == len(TEXT)
    assert len(audio_of(heard)) > 16000
    await server.quiet()


async def test_words_have_their_place_and_time(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.begin(word_timestamp_enabled=True)
        await peer.say(TEXT)
        await peer.finish()
        heard = await peer.until_end()
    offset_ms, last_ms = 0.0, 0.0
    for end in (event for event in heard if isinstance(event, SentenceEnd)):
        assert end.words
        for word in end.words:
            assert isinstance(word.begin_index, int)
            assert isinstance(word.end_index, int)
            assert end.original_text[word.begin_index : word.end_index] == word.text
            assert last_ms <= offset_ms + word.begin_time <= offset_ms + word.end_time
            last_ms = offset_ms + word.begin_time
        offset_ms += _sentence_ms(heard, end.index)
    assert last_ms < len(audio_of(heard)) / 32
    told = [word for event in heard if isinstance(event, SentenceSynthesis) for word in event.words]
    assert [word.text for word in told][:2] == ["Hello", "there"]


def _sentence_ms(heard: list[Heard], index: int) -> float:
    pairs = zip(heard, heard[1:], strict=False)
    return sum(
        len(audio) / 32
        for event, audio in pairs
        if isinstance(event, SentenceSynthesis) and event.index == index and isinstance(audio, bytes)
    )


async def test_the_parameters_of_the_official_sdk_give_an_mp3(server: Live) -> None:
    frame = (
        '{"header": {"action": "run-task", "task_id": "t", "streaming": "duplex"}, "payload": {"model": "%s", '
        '"task_group": "audio", "task": "tts", "function": "SpeechSynthesizer", "input": {}, "parameters": {"voice": '
        '"%s", "volume": 50, "text_type": "PlainText", "sample_rate": 0, "rate": 1.0, "format": "Default", '
        '"pitch": 1.0, "seed": 0, "type": 0, "enable_ssml": true}}}'
    )
    async with task_peer(server, path="/") as peer:
        await peer.socket.send(frame % (COSYVOICE, VOICE))
        assert await peer.next() == TaskStarted(task_id="t")
        await peer.say("今天天气怎么样？")
        await peer.finish()
        heard = await peer.until_end()
    assert audio_of(heard)[:2] in (b"\xff\xf3", b"\xff\xfb", b"ID")
    assert sentences_of(heard) == ["今天天气怎么样？"]
    finished = heard[-1]
    assert isinstance(finished, TaskFinished)
    assert finished.characters == 15


async def test_a_flush_speaks_what_is_there_and_the_task_goes_on(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.begin()
        await peer.say("Hello", flush=True)
        while not isinstance(await peer.next(), bytes):
            pass
        await peer.say(" again.")
        await peer.finish()
        heard = await peer.until_end()
    assert isinstance(heard[-1], TaskFinished)
    assert sentences_of([SentenceBegin(task_id="t", index=0, original_text=""), *heard])[0].startswith(
        "Hello"
    )


async def test_a_cancel_ends_the_task_and_the_connection_goes_on(slow_server: Live) -> None:
    async with task_peer(slow_server) as peer:
        await peer.begin()
        await peer.say("This goes on and on without an end in sight. " * 20)
        while not isinstance(await peer.next(), bytes):
            pass
        await peer.finish(cancel=True)
        heard = await peer.until_end()
        assert isinstance(heard[-1], TaskFinished)
        assert heard[-1].characters < 900
        await peer.begin("next")
        await peer.say("Hi.", "next")
        await peer.finish("next")
        heard = await peer.until_end("next")
        assert sentences_of(heard) == ["Hi."]
    await slow_server.quiet()


async def test_tasks_of_one_connection_are_spoken_side_by_side(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.begin("alone")
        await peer.say(TEXT, "alone")
        await peer.finish("alone")
        alone = audio_of(await peer.until_end("alone"))
        ids = [f"task {number}" for number in range(10)]
        for task_id in ids:
            await peer.run(task_id)
        for task_id in ids:
            await peer.say(TEXT, task_id)
            await peer.finish(task_id)
        audio: dict[str, bytes] = dict.fromkeys(ids, b"")
        left, last = set(ids), ""
        while left:
            heard = await peer.next()
            if isinstance(heard, bytes):
                audio[last] += heard
            elif isinstance(heard, SentenceSynthesis):
                last = heard.task_id
            elif isinstance(heard, TaskFinished):
                left.remove(heard.task_id)
    assert set(audio.values()) == {alone}


async def test_sambert_says_its_text_and_when(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.run(model=SAMBERT, streaming="out", text=TEXT, format="wav", word_timestamp_enabled=True)
        heard = await peer.until_end()
        assert heard[0] == TaskStarted(task_id="t")
        assert heard[-1] == TaskFinished(task_id="t", characters=len(TEXT), null_output=True)
        audio = audio_of(heard)
        assert audio[:4] == b"RIFF"
        first, second = (event for event in heard if isinstance(event, SentenceTimes))
        assert first.begin_time == 0
        assert first.end_time == second.begin_time
        assert abs(second.end_time - (len(audio) - 44) / 32) <= 1
        assert second.words[0].text == "How"
        assert second.words[0].begin_time >= second.begin_time
        await peer.run("plain", SAMBERT, streaming="out", text="Hi.")
        heard = await peer.until_end("plain")
        assert [type(event) for event in heard if not isinstance(event, bytes)] == [TaskStarted, TaskFinished]


async def test_words_are_replaced_and_told_as_sent(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.begin(hot_fix=HotFix(replace=(("friend", "enemy of old"),)), word_timestamp_enabled=True)
        await peer.say("Hello there, my friend. Bye.")
        await peer.finish()
        heard = await peer.until_end()
    assert [text.strip() for text in sentences_of(heard)] == ["Hello there, my friend.", "Bye."]
    ends = [event for event in heard if isinstance(event, SentenceEnd)]
    assert ends[0].words[-1].text == "friend"


async def test_a_task_without_text_finishes(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.begin()
        await peer.say(" \n")
        await peer.finish()
        heard = await peer.until_end()
        assert isinstance(heard[0], TaskFinished)


async def test_ssml_is_spoken_with_its_pauses_and_broken_ssml_is_refused(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.begin("plain")
        await peer.say("Hello. Bye.", "plain")
        await peer.finish("plain")
        plain = audio_of(await peer.until_end("plain"))
        await peer.begin(enable_ssml=True)
        await peer.say('<speak>Hello.<break time="3s"/>Bye.</speak>')
        await peer.finish()
        heard = await peer.until_end()
        assert heard[-1].characters == 10 if isinstance(heard[-1], TaskFinished) else pytest.fail("no end")
        assert len(audio_of(heard)) - len(plain) > 2 * 32000
        await peer.begin("broken", enable_ssml=True)
        await peer.say("<speak>Hello.<br/></speak>", "broken")
        code, message = await peer.failure()
        assert (code, "<br>" in message or "br" in message) == ("InvalidParameter", True)


# --- failures --------------------------------------------------------------------------------------------------------


async def test_a_voice_that_does_not_exist_fails(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.run(voice="nobody")
        assert await peer.failure() == ("InvalidParameter", "[cosyvoice:]Engine return error code: 418")


async def test_text_with_nothing_to_speak_fails(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.begin()
        await peer.say("\U0001f600")
        await peer.finish()
        assert await peer.failure() == ("InvalidParameter", "[cosyvoice:]Engine return error code: 418")
    async with task_peer(server) as peer:
        await peer.run(model=SAMBERT, streaming="out", text="\U0001f600")
        assert await peer.failure() == ("InvalidParameter", "[tts:]Engine return error code: 418")


async def test_a_model_that_is_not_here_fails(server: Live) -> None:
    for model in ("", "cosyvoice-v9", "qwen3-tts-flash-realtime"):
        async with task_peer(server) as peer:
            await peer.run(model=model)
            assert await peer.failure() == ("ModelNotFound", "Model not exist.")


async def test_sambert_needs_its_text_at_once(server: Live) -> None:
    for streaming, text in (("out", ""), ("duplex", "Hi.")):
        async with task_peer(server) as peer:
            await peer.run(model=SAMBERT, streaming=streaming, text=text)  # type: ignore[arg-type]
            assert await peer.failure() == ("InvalidParameter", "Request text is invalid!")


async def test_a_second_text_of_ssml_fails(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.begin(enable_ssml=True)
        await peer.say("Hi. ")
        await peer.say("Ho.")
        assert await peer.failure() == ("InvalidParameter", "Text request limit violated, expected 1.")


async def test_bad_parameters_are_named(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.run(model=SAMBERT, streaming="out", text="Hi.", format="opus")
        code, message = await peer.failure()
    assert code == "InvalidParameter"
    assert "payload.parameters.format" in message
    async with task_peer(server) as peer:
        await peer.run(instruction="x" * 129)
        assert "129 characters" in (await peer.failure())[1]


async def test_a_hinted_language_is_spoken_or_refused(tmp_path: Path) -> None:
    async with live_server(tmp_path, engine="espeak") as live:
        async with task_peer(live) as peer:
            await peer.begin(language_hints=["vi", "en"], format="pcm")
            await peer.say("Xin chao.")
            await peer.finish()
            assert isinstance((await peer.until_end())[-1], TaskFinished)
        async with task_peer(live) as peer:
            await peer.begin(language_hints=["fil"])
            await peer.say("Kumusta.")
            await peer.finish()
            _, message = await peer.failure()
    assert "'fil'" in message


async def test_hostile_frames_end_the_connection_and_nothing_else(server: Live) -> None:
    cases: list[tuple[str | bytes, int]] = [
        ("{", 1000),
        ("[]", 1000),
        ('{"header":{"action":"run-task","task_id":""}}', 1000),
        ('{"header":{"action":"continue-task","task_id":"unknown"},"payload":{"input":{"text":"x"}}}', 1000),
        (b"\x00", 1003),
        ("[" * 100_000, 1000),
    ]
    for frame, expected in cases:
        async with task_peer(server) as peer:
            await peer.begin()
            await peer.socket.send(frame)
            heard, code, _ = await peer.until_closed()
            assert code == expected
            assert heard
    await server.quiet()


async def test_a_silent_client_is_told_and_a_silent_connection_is_closed(tmp_path: Path) -> None:
    async with live_server(tmp_path, task={"text_timeout_s": 0.2, "idle_timeout_s": 0.4}) as live:
        async with task_peer(live) as peer:
            await peer.begin()
            assert await peer.failure() == ("CLIENT_ERROR", "request timeout after 0.2 seconds.")
        async with task_peer(live) as peer:
            heard, code, reason = await peer.until_closed()
            assert (heard, code, reason) == ([], 1000, "idle for 0.4 s")
        async with task_peer(live) as peer:
            await peer.begin()
            await peer.say("Hello.")
            peer.vanish()
        await live.quiet()
        async with task_peer(live) as idle, task_peer(live) as busy:
            assert live.room.num_taken == 0
            await busy.begin()
            assert live.room.num_taken == 1
            assert await live.metric("saystream_tasks") == 1
            drain = asyncio.create_task(live.room.drain(60.0))
            await until(lambda: live.room.draining)
            heard, code, _ = await idle.until_closed()
            assert (heard, code) == ([], 1012)
            assert (await busy.failure())[0] == "Throttling"
            await drain


async def test_places_are_taken_by_tasks(tmp_path: Path) -> None:
    async with live_server(tmp_path, limits={"max_sessions": 1}) as live:
        async with task_peer(live) as first, task_peer(live) as second:
            await first.begin()
            await second.run()
            code, message = await second.failure()
            assert code == "Throttling.RateQuota"
            assert "1 sessions" in message
            await first.finish()
            assert isinstance((await first.until_end())[-1], TaskFinished)
            await first.begin("again")
