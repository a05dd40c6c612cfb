"""A session: from pieces of text to responses, its pace and its configuration."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from client.virtual_time import on_virtual_time
from fake_pool import FakePool, synthesizer_on
from saystream.errors import TextTooLong
from saystream.speech.events import ResponseAudio, ResponseEnded, ResponseStarted, SpeechConfig
from saystream.text.description import described
from saystream.text.pauses import pause_after_ms
from saystream.voices.instructed import pauses_of

from .sessions import IDLE_S, MAX_WAIT_S, THREE_SENTENCES, heard, listening, now_s, session_on, settings

# --- server_commit ---------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_text_is_one_response_and_every_segment_is_spoken_in_order() -> None:
    pool = FakePool()
    session = session_on(pool)
    session.push(THREE_SENTENCES)
    listener = await heard(session)
    assert listener.order == "(.)"
    assert "".join(pool.texts) == THREE_SENTENCES
    assert len(pool.texts) > 1
    assert listener.numbers == [stream.number for stream in pool.streams]
    (ended,) = listener.ends
    assert (ended.status, ended.text, ended.fault) == ("completed", THREE_SENTENCES, None)
    assert ended.audio_ms == pytest.approx(sum(event.duration_ms for event in listener.audio))
    pauses_ms = sum(map(pause_after_ms, pool.texts[:-1]))
    assert ended.audio_ms == pytest.approx(200 * len(pool.texts) + pauses_ms)


@on_virtual_time
async def test_text_without_an_end_of_sentence_is_spoken_after_its_maximum_wait() -> None:
    pool = FakePool()
    async with listening(session_on(pool)) as listener:
        session = listener._session
        session.push("Hello there")
        assert await listener.until(ResponseStarted) == pytest.approx(MAX_WAIT_S)
        assert pool.texts == ["Hello "]


@on_virtual_time
async def test_text_that_comes_word_by_word_is_one_response() -> None:
    pool = FakePool()
    session = session_on(pool)
    async with listening(session) as listener:
        for word in THREE_SENTENCES.split(" "):
            session.push(word + " ")
            await asyncio.sleep(0.2)
    assert listener.order == "(.)"
    assert "".join(pool.texts) == THREE_SENTENCES + " "


@on_virtual_time
async def test_text_that_drips_is_spoken_where_a_phrase_begins() -> None:
    pool = FakePool()
    async with listening(session_on(pool)) as listener:
        for token in ("The old", " lighthouse", " stood", " at", " the", " end", " of the pier."):
            listener._session.push(token)
            await asyncio.sleep(0.05)
        assert await listener.until(ResponseStarted) == pytest.approx(0.2)
    assert pool.texts == ["The old lighthouse stood ", "at the end of the pier."]
    assert [stream.continues for stream in pool.streams] == [True, False]


@on_virtual_time
async def test_a_response_waits_for_its_sentence_while_the_last_one_is_still_heard() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([1000])
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("Hello there.")
        session.commit()
        await listener.until(ResponseEnded)
        for token in ("The old", " lighthouse", " stood", " at", " the", " end", " of the pier. And"):
            session.push(token)
            await asyncio.sleep(0.05)
    assert pool.texts == ["Hello there.", "The old lighthouse stood at the end of the pier. ", "And"]


@on_virtual_time
async def test_a_response_ends_when_no_text_comes_and_the_next_text_has_its_own() -> None:
    session = session_on(FakePool())
    async with listening(session) as listener:
        session.push("Hello there. And")
        started_s = await listener.until(ResponseAudio)
        ended_s = await listener.until(ResponseEnded)
        assert started_s + IDLE_S <= ended_s <= started_s + IDLE_S + 2 * MAX_WAIT_S
        session.push("And hello to you, too.")
    assert listener.order == "(.)(.)"
    assert [ended.text for ended in listener.ends] == ["Hello there. And", "And hello to you, too."]


@on_virtual_time
async def test_a_commit_ends_the_response_without_waiting_for_more_text() -> None:
    pool = FakePool()
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("Hello there")
        session.commit()
        assert await listener.until(ResponseEnded) == 0
        session.push("More")
        session.commit()
        session.push("and more")
        session.commit()
    assert listener.order == "(.)(.)(.)"
    assert [ended.text for ended in listener.ends] == ["Hello there", "More", "and more"]


@on_virtual_time
async def test_text_with_nothing_to_hear_gives_no_response() -> None:
    pool = FakePool()
    session = session_on(pool)
    async with listening(session) as listener:
        for text in ("", " ", "…" * 1000, "\n🙂"):
            session.push(text)
            assert not session.has_work
        session.commit()
        assert session.waiting_characters == 0
        session.push(" !")
    assert listener.events == []
    assert pool.streams == []


@on_virtual_time
async def test_an_unfinished_sentence_waits_while_the_listener_still_has_sound() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([2000])
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("Hello there. And now it goes")
        await listener.until(ResponseAudio)
        assert len(pool.streams) == 1
        await asyncio.sleep(1.6)
        assert len(pool.streams) == 1
        await listener.until(ResponseAudio, 23)
        assert pool.texts[:2] == ["Hello there. ", "And now it "]
        assert now_s() == pytest.approx(1.7)


@on_virtual_time
async def test_the_text_of_a_book_is_spoken_to_its_end_and_nothing_is_cut_too_early() -> None:
    pool = FakePool()
    session = session_on(pool)
    book = THREE_SENTENCES * 500
    session.push(book)
    session.push("The end")
    assert session.waiting_characters == len(book) + len("The end")
    listener = await heard(session)
    assert listener.order == "(.)"
    assert "".join(pool.texts) == book + "The end"
    assert session.waiting_characters == 0


# --- commit ----------------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_in_commit_mode_each_commit_is_a_response_and_nothing_else_is() -> None:
    pool = FakePool()
    session = session_on(pool, server_commit=False)
    async with listening(session) as listener:
        session.push(THREE_SENTENCES)
        await asyncio.sleep(60)
        assert listener.events == []
        assert not session.has_work
        session.push("\nAnd more.")
        session.commit()
        session.push("Second.")
        session.commit()
        await listener.until(ResponseEnded, 2)
        session.push("Never committed, but the session is finished.")
    assert listener.order == "(.)(.)(.)"
    assert [ended.text for ended in listener.ends] == [
        THREE_SENTENCES + "\nAnd more.",
        "Second.",
        "Never committed, but the session is finished.",
    ]


@on_virtual_time
async def test_in_commit_mode_a_commit_of_blanks_keeps_them() -> None:
    session = session_on(FakePool(), server_commit=False)
    session.push(" … ")
    session.commit()
    assert not session.has_work
    session.push("Hello")
    session.commit()
    session.push("  ")
    listener = await heard(session)
    assert [ended.text for ended in listener.ends] == [" … Hello"]


# --- pace ------------------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_never_more_than_one_segment_is_prepared_ahead() -> None:
    pool = FakePool()
    session = session_on(pool, server_commit=False)
    for _ in range(5):
        session.push(THREE_SENTENCES)
        session.commit()
    session.finish()
    most = 0
    async for _ in session.events():
        most = max(most, pool.unsent)
    assert most == 2
    assert "".join(pool.texts) == THREE_SENTENCES * 5


@on_virtual_time
async def test_nothing_is_prepared_while_events_are_not_read() -> None:
    pool = FakePool()
    session = session_on(pool)
    session.push(THREE_SENTENCES * 10)
    assert pool.streams == []
    async with aclosing(session.events()) as events:
        await anext(events)
        await asyncio.sleep(60)
        assert pool.streams == []
        await anext(events)
        await asyncio.sleep(60)
        assert len(pool.streams) == 2
    session.close()
    assert pool.unsent == 0


@on_virtual_time
async def test_the_first_segment_of_the_next_response_is_prepared_while_this_one_is_sent() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([100, 1.0, 100])
    session = session_on(pool, server_commit=False)
    session.push("One.")
    session.commit()
    session.push("Two.")
    session.commit()
    async with listening(session) as listener:
        await listener.until(ResponseAudio)
        assert pool.texts == ["One.", "Two."]
    assert listener.numbers == [1, 2]


@on_virtual_time
async def test_a_gap_that_the_engine_made_is_lateness() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([100, 0.25, 100])
    session = session_on(pool)
    session.push("Hello.")
    listener = await heard(session)
    assert [event.late_ms for event in listener.audio] == pytest.approx([0, 0, 160, 0])


@on_virtual_time
async def test_silence_because_no_text_came_is_not_lateness() -> None:
    session = session_on(FakePool())
    async with listening(session) as listener:
        session.push("Hello there. ")
        await asyncio.sleep(0.9)
        session.push("And there it goes on.")
    assert [event.late_ms for event in listener.audio] == [0] * len(listener.audio)


# --- limits and configuration ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("server_commit", [True, False])
@on_virtual_time
async def test_text_over_the_limit_is_refused_whole_and_the_session_goes_on(server_commit: bool) -> None:
    pool = FakePool()
    session = synthesizer_on(pool, settings(max_buffered_characters=60)).session(
        SpeechConfig("Cherry", server_commit=server_commit)
    )
    session.push("Hello there. How are you?")
    with pytest.raises(TextTooLong, match="36 characters do not fit: 25 of at most 60") as refused:
        session.push("x" * 36)
    assert refused.value.param == "text"
    assert session.waiting_characters == 25
    session.push("x" * 35)
    async with listening(session) as listener:
        session.commit()
        await listener.until(ResponseEnded)
        session.push("y" * 60)
    assert "".join(pool.texts) == "Hello there. How are you?" + "x" * 35 + "y" * 60


@pytest.mark.parametrize("server_commit", [True, False])
@on_virtual_time
async def test_another_configuration_keeps_the_text(server_commit: bool) -> None:
    pool = FakePool()
    session = session_on(pool, server_commit=not server_commit)
    async with listening(session) as listener:
        session.push(THREE_SENTENCES)
        session.push(" And")
        session.configure(SpeechConfig("Cherry", "German", server_commit=server_commit))
        assert session.waiting_characters == len(THREE_SENTENCES) + len(" And")
    assert listener.order == "(.)"
    assert "".join(pool.texts) == THREE_SENTENCES + " And"
    assert {stream.request.language for stream in pool.streams} == {"de"}


@pytest.mark.parametrize(
    ("language_type", "text", "language"),
    [
        ("Auto", "Hello there.", "en"),
        ("Auto", "你好，世界。", "zh"),
        ("German", "Guten Tag.", "de"),
        ("Chinese", "Hello there.", "en"),
        ("Japanese", "東京。", "ja"),
    ],
)
@on_virtual_time
async def test_the_script_decides_the_language_where_the_declared_one_cannot(
    language_type: str, text: str, language: str
) -> None:
    pool = FakePool()
    session = session_on(pool, language_type=language_type)
    session.push(text)
    await heard(session)
    assert {stream.request.language for stream in pool.streams} == {language}


@on_virtual_time
async def test_a_session_stays_in_its_language_where_a_text_does_not_tell() -> None:
    pool = FakePool()
    session = session_on(pool, server_commit=False)
    async with listening(session):
        for text in (
            "Das ist doch ein schöner Tag.",
            "OK.",
            "It is a really nice day.",
            "OK.",
            "你好。",
            "OK.",
        ):
            session.push(text)
            session.commit()
    assert [stream.request.language for stream in pool.streams] == ["de", "de", "en", "en", "zh", "en"]


@on_virtual_time
async def test_the_first_words_are_spoken_in_the_language_of_the_text_behind_them() -> None:
    pool = FakePool()
    session = session_on(pool)
    session.push("Claro. Podemos empezar mañana por la mañana si le parece bien.")
    await heard(session)
    assert [stream.request.language for stream in pool.streams] == ["es", "es"]


@on_virtual_time
async def test_a_language_that_no_engine_speaks_is_not_guessed() -> None:
    pool = FakePool()
    session = synthesizer_on(pool, settings(), "en", "fr").session(SpeechConfig("Cherry"))
    session.push("Das ist doch wirklich ein schöner Tag.")
    await heard(session)
    assert [stream.request.language for stream in pool.streams] == ["en"]


@pytest.mark.parametrize("normalize_text", [True, False])
@on_virtual_time
async def test_the_engine_is_told_whether_to_read_numbers_as_words(normalize_text: bool) -> None:
    pool = FakePool()
    session = session_on(pool, normalize_text=normalize_text)
    session.push("It is 5 km.")
    listener = await heard(session)
    assert [stream.request.normalize_text for stream in pool.streams] == [normalize_text]
    # The text itself goes as it was written: what is counted never depends on how it is read.
    assert pool.texts == ["It is 5 km."]
    assert [event.text for event in listener.events if isinstance(event, ResponseEnded)] == ["It is 5 km."]


@on_virtual_time
async def test_the_pauses_between_sentences_are_as_long_as_the_instructions_say() -> None:
    pool = FakePool()
    session = session_on(pool)
    session.configure(SpeechConfig("Cherry", instructions="long pauses"))
    session.push(THREE_SENTENCES)
    (ended,) = (await heard(session)).ends
    usual_ms = sum(map(pause_after_ms, pool.texts[:-1]))
    pauses_ms = ended.audio_ms - 200 * len(pool.texts)
    assert pauses_ms == pytest.approx(pauses_of(described("long pauses")) * usual_ms)
    assert pauses_ms > 1.5 * usual_ms
