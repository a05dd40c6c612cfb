"""A session whose engine fails: what is lost, what goes on, and what ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from client.virtual_time import on_virtual_time
from fake_pool import FakePool, Step, synthesizer_on
from saystream.errors import (
    EngineCrashed,
    EngineOutputInvalid,
    EngineUnavailable,
    Overloaded,
    ServerFault,
)
from saystream.speech.events import ResponseEnded, SegmentFailed, SpeechConfig

from .sessions import FIRST, THREE_SENTENCES, heard, listening, session_on, settings

GONE = EngineCrashed("gone")


def failing_in(*texts: str, after_ms: int = 100) -> FakePool:
    """An engine that fails in texts which contain one of these."""

    def speak(text: str) -> Iterator[Step]:
        if any(poison in text for poison in texts):
            if after_ms:
                yield after_ms
            yield GONE
        yield 100
        yield 100

    pool = FakePool()
    pool.speak = speak
    return pool


@pytest.mark.parametrize("server_commit", [True, False])
@pytest.mark.parametrize("after_ms", [0, 100])
@on_virtual_time
async def test_a_fault_costs_one_segment_and_the_response_goes_on(after_ms: int, server_commit: bool) -> None:
    pool = failing_in("second", after_ms=after_ms)
    session = session_on(pool, server_commit=server_commit)
    session.push(THREE_SENTENCES)
    session.commit()
    session.push("Another.")
    listener = await heard(session)
    assert listener.order == "(.!.)(.)"
    first, second = listener.ends
    assert (first.status, first.fault, first.ends_session) == ("failed", GONE, False)
    assert first.text == THREE_SENTENCES
    (lost,) = listener.lost
    assert lost == "This is the second sentence of the text."
    assert (second.status, second.fault) == ("completed", None)
    assert "".join(pool.texts) == THREE_SENTENCES + "Another."
    assert listener.numbers == ([1, 2, 3, 4] if after_ms else [1, 3, 4])


@on_virtual_time
async def test_a_session_ends_when_segment_after_segment_fails_without_a_sound() -> None:
    pool = failing_in(" ", after_ms=0)
    session = session_on(pool)
    session.push(THREE_SENTENCES + " And a fourth one that nobody tries to speak any more.")
    session.commit()
    session.push("Another.")
    listener = await heard(session)
    assert listener.order == "(!!)"
    (ended,) = listener.ends
    assert (ended.status, ended.fault, ended.ends_session) == ("failed", GONE, True)
    session.close()
    assert all(stream.cancelled for stream in pool.streams[3:])


@on_virtual_time
async def test_what_is_heard_in_between_shows_that_the_engine_works() -> None:
    session = session_on(failing_in("poison", after_ms=0), server_commit=False)
    for text in ("poison", "poison", "fine", "poison", "poison", "fine"):
        session.push(text)
        session.commit()
    listener = await heard(session)
    assert listener.order == "(!)(!)(.)(!)(!)(.)"
    assert not any(ended.ends_session for ended in listener.ends)


@pytest.mark.parametrize("after_ms", [0, 100])
@on_virtual_time
async def test_a_text_that_is_to_be_complete_ends_with_the_first_fault(after_ms: int) -> None:
    synthesizer = synthesizer_on(failing_in("Hello", after_ms=after_ms), settings())
    events = [event async for event in synthesizer.speak(SpeechConfig("Cherry"), THREE_SENTENCES)]
    assert not any(isinstance(event, SegmentFailed) for event in events)
    ended = events[-1]
    assert isinstance(ended, ResponseEnded)
    assert (ended.status, ended.fault, ended.ends_session) == ("failed", GONE, True)


# --- an engine that takes text while it speaks


def incremental_pool(*, fails_in: str, heard: bool = True) -> FakePool:
    """An engine that fails once in this piece of text."""
    pool = FakePool(incremental=True)
    failed: list[str] = []

    def speak(text: str) -> Iterator[Step]:
        if heard or text != fails_in:
            yield 100
        if text == fails_in and not failed:
            failed.append(text)
            yield GONE

    pool.speak = speak
    return pool


@on_virtual_time
async def test_text_that_a_fed_engine_had_not_begun_to_speak_is_fed_to_another_stream() -> None:
    pool = incremental_pool(fails_in="two ")
    session = session_on(pool)
    async with listening(session) as listener:
        for piece in ("one ", "two ", "three ", "four "):
            session.push(piece)
        await listener.until(SegmentFailed)
        session.push("five")
    assert pool.texts == ["one two three four ", "three four five"]
    (ended,) = listener.ends
    assert (ended.status, ended.text) == ("failed", "one two three four five")
    assert listener.lost == ["one two"]
    assert listener.order == "(.!.)"
    assert listener.numbers == [1, 2]


@on_virtual_time
async def test_a_fed_response_that_takes_no_more_text_is_spoken_to_its_end() -> None:
    pool = incremental_pool(fails_in="one ")
    session = session_on(pool)
    for piece in ("one ", "two ", "three"):
        session.push(piece)
    listener = await heard(session)
    assert pool.texts == ["one two three", "two three"]
    assert pool.streams[-1].input_ended
    assert listener.order == "(.!.)"


@on_virtual_time
async def test_a_feed_that_fails_with_nothing_left_is_opened_again_for_the_next_text() -> None:
    pool = incremental_pool(fails_in="two ")
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("one ")
        session.push("two ")
        await listener.until(SegmentFailed)
        session.push("three")
    assert pool.texts == ["one two ", "three"]
    assert [ended.text for ended in listener.ends] == ["one two three"]


@on_virtual_time
async def test_a_fed_text_that_fails_without_a_sound_is_not_fed_again() -> None:
    pool = incremental_pool(fails_in="one ", heard=False)
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("one ")
        session.push("two ")
        await listener.until(ResponseEnded)
        session.push("three")
    assert pool.texts == ["one two ", "three"]
    assert listener.order == "(!)(.)"


@on_virtual_time
async def test_a_feed_that_cannot_be_opened_again_ends_the_session() -> None:
    pool = incremental_pool(fails_in="one ")
    session = session_on(pool)
    session.push("one ")
    session.push("two ")
    busy = Overloaded("busy")
    pool.refusals.append(busy)
    listener = await heard(session)
    assert listener.order == "(.)"
    assert (listener.ends[0].fault, listener.ends[0].ends_session) == (busy, True)


# --- refusals


@on_virtual_time
async def test_a_full_queue_ends_the_response_whose_turn_it_is() -> None:
    pool = FakePool()
    busy = Overloaded("busy")
    pool.refusals.append(busy)
    session = session_on(pool)
    session.push("Hello.")
    listener = await heard(session)
    assert listener.order == "()"
    assert listener.ends[0].fault is busy


@pytest.mark.parametrize("refusal", [Overloaded("busy"), EngineUnavailable("starting")])
@on_virtual_time
async def test_a_segment_that_cannot_be_prepared_keeps_its_place(refusal: ServerFault) -> None:
    pool = FakePool()

    def refuse_the_next_stream(text: str) -> Iterator[Step]:
        if text == FIRST:
            pool.refusals.append(refusal)
        yield 100
        yield 100

    pool.speak = refuse_the_next_stream
    session = session_on(pool)
    session.push(THREE_SENTENCES)
    listener = await heard(session)
    assert not pool.refusals
    assert listener.ends[0].status == "completed"
    assert "".join(pool.texts) == THREE_SENTENCES


@on_virtual_time
async def test_a_language_that_nobody_speaks_costs_its_text_and_the_session_goes_on() -> None:
    session = synthesizer_on(FakePool(), settings(), "en").session(
        SpeechConfig("Cherry", server_commit=False)
    )
    session.push("你好。")
    session.commit()
    session.push("Hello.")
    listener = await heard(session)
    assert listener.order == "(!)(.)"
    refused, spoken = listener.ends
    assert isinstance(refused.fault, EngineUnavailable) and "Chinese" in refused.fault.message
    assert (refused.status, refused.ends_session, refused.audio_ms) == ("failed", False, 0)
    assert spoken.status == "completed"


@on_virtual_time
async def test_words_that_the_engine_cannot_read_go_to_one_that_can() -> None:
    pool = FakePool()
    pool.info = replace(pool.info, scripts=("latin",))
    session = session_on(pool)
    session.push("He said 你好 to me.")
    listener = await heard(session)
    assert pool.texts == ["He said ", "你好 ", "to me."]
    assert [stream.request.language for stream in pool.streams] == ["en", "zh", "en"]
    assert [stream.continues for stream in pool.streams] == [True, True, False]
    assert listener.ends[0].text == "He said 你好 to me."


@on_virtual_time
async def test_words_that_nobody_can_read_are_named_and_the_others_spoken() -> None:
    pool = FakePool()
    pool.info = replace(pool.info, scripts=("latin",))
    session = synthesizer_on(pool, settings(), "en").session(SpeechConfig("Cherry"))
    session.push("He said 你好 to me.")
    listener = await heard(session)
    assert pool.texts == ["He said ", "to me."]
    assert listener.lost == ["你好"]
    assert isinstance(listener.ends[0].fault, EngineUnavailable)


@pytest.mark.parametrize("incremental", [False, True])
@on_virtual_time
async def test_silence_for_a_text_with_words_is_a_fault(incremental: bool) -> None:
    def nothing(text: str) -> Iterator[Step]:
        return iter(())

    pool = FakePool(incremental=incremental)
    pool.speak = nothing
    session = session_on(pool)
    session.push("Hello.")
    listener = await heard(session)
    (ended,) = listener.ends
    assert isinstance(ended.fault, EngineOutputInvalid)
    assert (ended.status, ended.audio_ms, ended.ends_session) == ("failed", 0, False)
