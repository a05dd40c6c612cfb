"""What a session says of the parts of its text, and how a response is kept open and flushed."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from client.virtual_time import on_virtual_time
from fake_pool import FakePool
from saystream.errors import EngineCrashed
from saystream.speech.events import ResponseAudio, ResponseEnded, ResponseStarted, SegmentBegun, SegmentFailed
from saystream.text.rewriting import Rewritten
from saystream.text.script import Passage, Pause, Pronunciation

from .sessions import IDLE_S, THREE_SENTENCES, Listener, heard, listening, now_s, session_on


def parts(listener: Listener, text: str = "") -> list[str]:
    text = text or "".join(ended.text for ended in listener.ends)
    return [text[event.start : event.end] for event in listener.begun]


@on_virtual_time
async def test_every_segment_is_announced_before_its_audio() -> None:
    pool = FakePool()
    session = session_on(pool)
    session.push(" … " + THREE_SENTENCES + " Yes. ")
    listener = await heard(session)
    assert parts(listener) == [" … " + pool.texts[0].removeprefix(" … "), *pool.texts[1:]]
    assert [event.ends_sentence for event in listener.begun] == [text.endswith(". ") for text in pool.texts]
    assert [type(event) for event in listener.events[:3]] == [ResponseStarted, SegmentBegun, ResponseAudio]
    assert all(before.end == after.start for before, after in pairwise(listener.begun))


@on_virtual_time
async def test_a_sentence_that_is_cut_ends_with_its_last_part() -> None:
    pool = FakePool()
    async with listening(session_on(pool)) as listener:
        for token in ("The old", " lighthouse", " stood", " at", " the", " end", " of the pier. And more"):
            listener._session.push(token)
            await asyncio.sleep(0.05)
    assert parts(listener)[:2] == ["The old lighthouse stood ", "at the end of the pier. "]
    assert [event.ends_sentence for event in listener.begun] == [False, True, True]


@on_virtual_time
async def test_a_mark_that_comes_after_its_words_ends_the_sentence() -> None:
    pool = FakePool()
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("Hello there ")
        await listener.until(ResponseAudio)
        await asyncio.sleep(0.5)
        session.push("!\n\nMore")
    assert parts(listener) == ["Hello there ", "!\n\n", "More"]
    assert [event.ends_sentence for event in listener.begun] == [False, True, True]


@on_virtual_time
async def test_a_segment_that_fails_is_announced_too() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([EngineCrashed("gone")] if "second" in text else [100])
    session = session_on(pool)
    session.push(THREE_SENTENCES)
    listener = await heard(session)
    assert parts(listener) == pool.texts
    failed = next(place for place, event in enumerate(listener.events) if isinstance(event, SegmentFailed))
    assert isinstance(listener.events[failed + 1], SegmentBegun)


@on_virtual_time
async def test_an_engine_that_is_fed_says_sentences_as_it_takes_them() -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool)
    async with listening(session) as listener:
        for piece in ("Hello th", "ere. And ", "more. Now", " the end"):
            session.push(piece)
            await asyncio.sleep(0.1)
    assert parts(listener) == ["Hello", " there. ", "And", " more. ", "Now", " the end"]
    assert [event.ends_sentence for event in listener.begun] == [False, True] * 3
    (stream,) = pool.streams
    assert stream.text == "Hello there. And more. Now the end"


@pytest.mark.parametrize("server_commit", [True, False])
@on_virtual_time
async def test_sentences_are_said_as_they_are_taken_also_when_all_of_the_text_is_known(
    server_commit: bool,
) -> None:
    pool = FakePool(incremental=True)
    pool.speak = lambda text: iter([100, 1.0, 100])
    session = session_on(pool, server_commit=server_commit)
    async with listening(session) as listener:
        session.push(Passage(Rewritten.of("One is here. "), (Pronunciation(0, 3, "ipa", "x"),)))
        session.push(Passage(Rewritten.of("Two is there. "), (Pronunciation(0, 3, "ipa", "x"),)))
        session.push(Pause(100))
        session.commit()
        await listener.until(ResponseAudio)
        await asyncio.sleep(0.1)
        assert parts(listener, "One is here. Two is there. ") == ["One", " is here. "]
        await listener.until(SegmentBegun, 3)
        assert 1 <= now_s() < 1.5
    assert parts(listener)[2:] == ["Two", " is there. "]


@on_virtual_time
async def test_what_an_engine_was_fed_and_has_not_taken_has_not_begun() -> None:
    pool = FakePool(incremental=True)
    pool.speak = lambda text: iter([100, 5.0])
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("One is here. ")
        session.push("Two is there. ")
        await listener.until(ResponseAudio)
        await asyncio.sleep(1)
        assert [event.start for event in listener.begun] == [0, 3]


# --- one response


@pytest.mark.parametrize("incremental", [False, True])
@on_virtual_time
async def test_a_response_that_is_kept_open_does_not_end_by_itself(incremental: bool) -> None:
    pool = FakePool(incremental=incremental)
    session = session_on(pool, one_response=True)
    async with listening(session) as listener:
        session.push("Hello there. ")
        await listener.until(ResponseAudio)
        await asyncio.sleep(100 * IDLE_S)
        session.push("And more.")
        await asyncio.sleep(100 * IDLE_S)
        assert listener.ends == []
    assert listener.order == "(.)"
    assert [ended.text for ended in listener.ends] == ["Hello there. And more."]


@pytest.mark.parametrize("incremental", [False, True])
@on_virtual_time
async def test_a_flush_speaks_what_is_there_and_the_response_goes_on(incremental: bool) -> None:
    pool = FakePool(incremental=incremental)
    session = session_on(pool, one_response=True)
    async with listening(session) as listener:
        session.flush()
        session.push("Hello the")
        session.flush()
        await listener.until(ResponseAudio)
        assert pool.texts == ["Hello the"]
        assert pool.streams[0].input_ended
        await asyncio.sleep(10 * IDLE_S)
        session.push("re and")
        session.flush()
        session.flush()
        await asyncio.sleep(10 * IDLE_S)
        assert pool.texts == ["Hello the", "re and"]
        assert listener.ends == []
        session.push(" more")
    assert listener.order == "(.)"
    assert [ended.text for ended in listener.ends] == ["Hello there and more"]
    assert pool.texts == ["Hello the", "re and", " more"]


@on_virtual_time
async def test_a_flush_behind_a_long_text_waits_for_its_turn() -> None:
    pool = FakePool()
    session = session_on(pool, one_response=True)
    session.push(THREE_SENTENCES * 20 + "Unfinished")
    session.flush()
    session.push(" business.")
    listener = await heard(session)
    assert "".join(pool.texts) == THREE_SENTENCES * 20 + "Unfinished business."
    assert pool.texts[-2].endswith("Unfinished")
    assert pool.texts[-1] == " business."
    assert listener.order == "(.)"


@on_virtual_time
async def test_a_flushed_response_without_text_ends_when_nothing_comes() -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("Hello")
        session.flush()
        await listener.until(ResponseEnded)
        assert session.waiting_characters == 0
    assert [event.ends_sentence for event in listener.begun] == [True]
