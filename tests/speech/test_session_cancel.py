"""A session that is cleared, cancelled or closed, or whose engine fails."""

from __future__ import annotations

import asyncio

from client.virtual_time import on_virtual_time
from fake_pool import FakePool
from saystream.audio import AudioFormat
from saystream.dsp.chain import FADE_MS
from saystream.speech.events import ResponseAudio, ResponseEnded, ResponseStarted, SegmentBegun, SpeechEvent

from .sessions import (
    IDLE_S,
    MAX_WAIT_S,
    THREE_SENTENCES,
    Listener,
    heard,
    listening,
    now_s,
    session_on,
    slowly,
)

# --- clear and cancel ------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_clear_drops_text_that_was_not_committed() -> None:
    session = session_on(FakePool(), server_commit=False)
    session.push("Committed.")
    session.commit()
    session.push("Dropped.")
    session.clear()
    assert session.waiting_characters == len("Committed.")
    session.push("Kept.")
    listener = await heard(session)
    assert [ended.text for ended in listener.ends] == ["Committed.", "Kept."]


@on_virtual_time
async def test_a_clear_drops_what_no_response_speaks_yet() -> None:
    pool = FakePool()
    session = session_on(pool)
    session.push(THREE_SENTENCES)
    session.clear()
    assert session.waiting_characters == 0
    assert not session.has_work
    async with listening(session) as listener:
        await asyncio.sleep(60)
        assert listener.events == []
        session.push("Instead of that.")
    assert [ended.text for ended in listener.ends] == ["Instead of that."]


@on_virtual_time
async def test_a_clear_while_it_speaks_keeps_what_is_being_sent() -> None:
    pool = FakePool()
    pool.speak = slowly
    session = session_on(pool)
    async with listening(session) as listener:
        session.push(THREE_SENTENCES)
        await listener.until(ResponseAudio)
        session.clear()
        sending, prefetched = pool.streams
        assert (sending.cancelled, prefetched.cancelled) == (False, True)
        session.push("Instead of that.")
    assert listener.order == "(.)"
    assert listener.numbers == [1, 3]
    assert listener.ends[0].text == sending.text + "Instead of that."


@on_virtual_time
async def test_a_clear_drops_the_response_that_would_come_next() -> None:
    pool = FakePool()
    pool.speak = slowly
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("Hello there.")
        session.commit()
        session.push("Never said. At all.")
        await listener.until(ResponseAudio)
        assert len(pool.streams) == 2
        session.clear()
        assert pool.streams[1].cancelled
    assert [ended.text for ended in listener.ends] == ["Hello there."]
    assert listener.order == "(.)"


@on_virtual_time
async def test_a_cancel_is_silent_at_once_and_the_next_text_is_spoken() -> None:
    pool = FakePool()
    pool.speak = slowly
    session = session_on(pool)
    async with listening(session) as listener:
        session.push(THREE_SENTENCES)
        await listener.until(ResponseAudio, 3)
        assert session.text_joins
        session.cancel()
        assert not session.text_joins
        assert pool.unsent == 0
        ended_s = await listener.until(ResponseEnded)
        assert ended_s == now_s()
        assert len(listener.audio) == 4  # the last is a fade
        session.push("Hello again.")
    assert listener.order == "(.)(.)"
    cancelled, completed = listener.ends
    assert cancelled.status == "cancelled"
    assert cancelled.text == pool.texts[0] + pool.texts[1]
    assert (completed.status, completed.text) == ("completed", "Hello again.")
    assert listener.numbers == [1, 3]
    assert listener.audio[4].late_ms == 0


@on_virtual_time
async def test_a_cancel_also_ends_what_was_made_of_one_chunk_but_for_a_fade() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([1000])
    session = session_on(pool)
    session.push(THREE_SENTENCES)
    session.finish()
    kinds: list[type[SpeechEvent]] = []
    durations_ms: list[float] = []
    async for event in session.events():
        kinds.append(type(event))
        if isinstance(event, ResponseAudio):
            session.cancel()
            durations_ms.append(event.duration_ms)
    assert kinds == [ResponseStarted, SegmentBegun, ResponseAudio, ResponseAudio, ResponseEnded]
    assert durations_ms[1:] == [FADE_MS]


@on_virtual_time
async def test_a_cancel_for_a_listener_who_has_missed_audio_ends_without_a_fade() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([1000])
    session = session_on(pool)
    session.push(THREE_SENTENCES)
    session.finish()
    kinds: list[type[SpeechEvent]] = []
    async for event in session.events():
        kinds.append(type(event))
        if isinstance(event, ResponseAudio):
            session.cancel(fades_out=False)
    assert kinds == [ResponseStarted, SegmentBegun, ResponseAudio, ResponseEnded]


@on_virtual_time
async def test_a_clear_while_text_waits_for_its_end_leaves_nothing_to_wait_for() -> None:
    session = session_on(FakePool())
    async with listening(session) as listener:
        session.push("Hello")
        await asyncio.sleep(MAX_WAIT_S / 2)
        session.clear()
        await asyncio.sleep(2 * MAX_WAIT_S)
    assert listener.events == []


@on_virtual_time
async def test_a_cancel_drops_text_that_was_not_yet_cut() -> None:
    pool = FakePool()
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("Hello")
        session.cancel()
        await listener.until(ResponseEnded)
    assert listener.order == "()"
    assert [(ended.status, ended.text) for ended in listener.ends] == [("cancelled", "")]
    assert pool.streams == []


@on_virtual_time
async def test_each_cancel_ends_one_response() -> None:
    session = session_on(FakePool(), server_commit=False)
    for text in ("One.", "Two.", "Three."):
        session.push(text)
        session.commit()
    session.push("Not committed.")
    session.cancel()
    session.cancel()
    listener = await heard(session)
    assert [(ended.status, ended.text) for ended in listener.ends] == [
        ("cancelled", ""),
        ("cancelled", ""),
        ("completed", "Three."),
        ("completed", "Not committed."),
    ]


@on_virtual_time
async def test_a_cancel_with_nothing_to_cancel_changes_nothing() -> None:
    session = session_on(FakePool(), server_commit=False)
    session.cancel()
    session.push("Hello.")
    session.cancel()
    session.commit()
    listener = await heard(session)
    assert [(ended.status, ended.text) for ended in listener.ends] == [("completed", "Hello.")]


@on_virtual_time
async def test_a_cancel_fades_out_what_the_resampler_still_holds() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([1000])
    session = session_on(pool, audio_format=AudioFormat("pcm", 48000))
    async with listening(session) as listener:
        session.push("Hello there. ")
        await listener.until(ResponseAudio)
        await asyncio.sleep(IDLE_S / 2)
        num_deltas = len(listener.audio)
        session.cancel()
    assert len(listener.audio) == num_deltas + 1
    assert listener.audio[-1].duration_ms == FADE_MS
    assert listener.audio[-1].encoded.endswith(bytes(2))


# --- the end ---------------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_closed_session_frees_its_engine() -> None:
    pool = FakePool()
    pool.speak = slowly
    session = session_on(pool)
    session.push(THREE_SENTENCES)
    listener = Listener(session)
    await listener.until(ResponseAudio)
    listener.task.cancel()
    session.close()
    session.close()
    assert len(pool.streams) == 2
    assert pool.unsent == 0
