from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import numpy as np
import pytest

from client.virtual_time import on_virtual_time
from fake_pool import SAMPLE_RATE, FakePool, Step, synthesizer_on
from saystream.audio import AudioFormat
from saystream.config import LimitSettings, RealtimeSettings, Settings
from saystream.dsp.chain import FADE_MS
from saystream.engines.base import EngineInfo
from saystream.errors import EngineCrashed, EngineUnavailable, Overloaded, ServerFault, TextTooLong
from saystream.speech.events import ResponseAudio, ResponseEnded, ResponseStarted, SpeechConfig, SpeechEvent
from saystream.speech.session import SynthesisSession
from saystream.speech.synthesizer import Synthesizer
from saystream.text.pauses import pause_after_ms

MAX_WAIT_S = 0.6
IDLE_S = 1.0
FIRST = "Hello there, dear listener. "
THREE_SENTENCES = (
    FIRST
    + "This is the second sentence of the text. Nothing comes after the third one, which is the longest."
)
"""Cut after each of them."""


def now_s() -> float:
    return asyncio.get_running_loop().time()


def settings(**limits: Any) -> Settings:
    return Settings(
        realtime=RealtimeSettings(response_idle_ms=IDLE_S * 1000, first_delta_ms=50, delta_ms=100),
        limits=LimitSettings(**limits),
    )


def session_on(pool: FakePool, *, server_commit: bool = True, **fields: Any) -> SynthesisSession:
    config = SpeechConfig("Cherry", server_commit=server_commit, **fields)
    return synthesizer_on(pool, settings()).session(config)


class Listener:
    """Reads a session's events in a task of its own, and notes when each came."""

    def __init__(self, session: SynthesisSession) -> None:
        self._session = session
        self.events: list[SpeechEvent] = []
        self.times: list[float] = []
        self._came = asyncio.Event()
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with aclosing(self._session.events()) as events:
            async for event in events:
                self.events.append(event)
                self.times.append(now_s())
                self._came.set()

    async def until(self, kind: type[SpeechEvent], count: int = 1) -> float:
        """Wait for the ``count``-th event of a kind; when it came."""
        while len(times := self.times_of(kind)) < count:
            self._came.clear()
            await self._came.wait()
        return times[count - 1]

    def times_of(self, kind: type[SpeechEvent]) -> list[float]:
        return [time for event, time in zip(self.events, self.times, strict=True) if isinstance(event, kind)]

    @property
    def ends(self) -> list[ResponseEnded]:
        return [event for event in self.events if isinstance(event, ResponseEnded)]

    @property
    def audio(self) -> list[ResponseAudio]:
        return [event for event in self.events if isinstance(event, ResponseAudio)]

    @property
    def numbers(self) -> list[int]:
        """The streams that were heard, in order; the pauses between them left out."""
        samples = np.frombuffer(b"".join(event.encoded for event in self.audio), "<i2") / 32767 * 1000
        heard = np.round(samples).astype(int)
        changes = np.flatnonzero(np.diff(heard, prepend=0))
        return [number for number in heard[changes].tolist() if number]

    @property
    def order(self) -> str:
        """``(``, ``.`` and ``)`` for the start, the audio and the end of responses; audio drawn together."""
        signs = {ResponseStarted: "(", ResponseAudio: ".", ResponseEnded: ")"}
        order = "".join(signs[type(event)] for event in self.events)
        while ".." in order:
            order = order.replace("..", ".")
        return order


@asynccontextmanager
async def listening(session: SynthesisSession) -> AsyncIterator[Listener]:
    """A listener; at the end it has heard everything."""
    listener = Listener(session)
    try:
        yield listener
        session.finish()
        await listener.task
    finally:
        listener.task.cancel()


async def heard(session: SynthesisSession) -> Listener:
    session.finish()
    listener = Listener(session)
    await listener.task
    return listener


def slowly(text: str) -> Iterator[Step]:
    """A second of audio in ten seconds."""
    for _ in range(10):
        yield 1.0
        yield 100


# --- server_commit ---------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_text_is_one_response_and_every_segment_is_spoken_in_order() -> None:
    pool = FakePool()
    session = session_on(pool)
    session.push_text(THREE_SENTENCES)
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
        session.push_text("Hello there")
        assert await listener.until(ResponseStarted) == pytest.approx(MAX_WAIT_S)
        assert pool.texts == ["Hello "]


@on_virtual_time
async def test_text_that_comes_word_by_word_is_one_response() -> None:
    pool = FakePool()
    session = session_on(pool)
    async with listening(session) as listener:
        for word in THREE_SENTENCES.split(" "):
            session.push_text(word + " ")
            await asyncio.sleep(0.2)
    assert listener.order == "(.)"
    assert "".join(pool.texts) == THREE_SENTENCES + " "


@on_virtual_time
async def test_a_response_ends_when_no_text_comes_and_the_next_text_has_its_own() -> None:
    session = session_on(FakePool())
    async with listening(session) as listener:
        session.push_text("Hello there. And")
        started_s = await listener.until(ResponseAudio)
        ended_s = await listener.until(ResponseEnded)
        assert started_s + IDLE_S <= ended_s <= started_s + IDLE_S + 2 * MAX_WAIT_S
        session.push_text("And hello to you, too.")
    assert listener.order == "(.)(.)"
    assert [ended.text for ended in listener.ends] == ["Hello there. And", "And hello to you, too."]


@on_virtual_time
async def test_a_commit_ends_the_response_without_waiting_for_more_text() -> None:
    pool = FakePool()
    session = session_on(pool)
    async with listening(session) as listener:
        session.push_text("Hello there")
        session.commit()
        assert await listener.until(ResponseEnded) == 0
        session.push_text("More")
        session.commit()
        session.push_text("and more")
        session.commit()
    assert listener.order == "(.)(.)(.)"
    assert [ended.text for ended in listener.ends] == ["Hello there", "More", "and more"]


@on_virtual_time
async def test_text_with_nothing_to_hear_gives_no_response() -> None:
    pool = FakePool()
    session = session_on(pool)
    async with listening(session) as listener:
        for text in ("", " ", "…" * 1000, "\n🙂"):
            session.push_text(text)
            assert not session.has_work
        session.commit()
        assert session.waiting_characters == 0
        session.push_text(" !")
    assert listener.events == []
    assert pool.streams == []


@on_virtual_time
async def test_an_unfinished_sentence_waits_while_the_listener_still_has_sound() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([2000])
    session = session_on(pool)
    async with listening(session) as listener:
        session.push_text("Hello there. And now it goes")
        await listener.until(ResponseAudio)
        assert len(pool.streams) == 1
        await asyncio.sleep(1.6)
        assert len(pool.streams) == 1
        await listener.until(ResponseAudio, 22)
        assert pool.texts[:2] == ["Hello there. ", "And now it "]
        assert now_s() == pytest.approx(1.7)


@on_virtual_time
async def test_the_text_of_a_book_is_spoken_to_its_end_and_nothing_is_cut_too_early() -> None:
    pool = FakePool()
    session = session_on(pool)
    book = THREE_SENTENCES * 500
    session.push_text(book)
    session.push_text("The end")
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
        session.push_text(THREE_SENTENCES)
        await asyncio.sleep(60)
        assert listener.events == []
        assert not session.has_work
        session.push_text("\nAnd more.")
        session.commit()
        session.push_text("Second.")
        session.commit()
        await listener.until(ResponseEnded, 2)
        session.push_text("Never committed, but the session is finished.")
    assert listener.order == "(.)(.)(.)"
    assert [ended.text for ended in listener.ends] == [
        THREE_SENTENCES + "\nAnd more.",
        "Second.",
        "Never committed, but the session is finished.",
    ]


@on_virtual_time
async def test_in_commit_mode_a_commit_of_blanks_keeps_them() -> None:
    session = session_on(FakePool(), server_commit=False)
    session.push_text(" … ")
    session.commit()
    assert not session.has_work
    session.push_text("Hello")
    session.commit()
    session.push_text("  ")
    listener = await heard(session)
    assert [ended.text for ended in listener.ends] == [" … Hello"]


# --- pace ------------------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_never_more_than_one_segment_is_prepared_ahead() -> None:
    pool = FakePool()
    session = session_on(pool, server_commit=False)
    for _ in range(5):
        session.push_text(THREE_SENTENCES)
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
    session.push_text(THREE_SENTENCES * 10)
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
    session.push_text("One.")
    session.commit()
    session.push_text("Two.")
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
    session.push_text("Hello.")
    listener = await heard(session)
    assert [event.late_ms for event in listener.audio] == pytest.approx([0, 0, 150])


@on_virtual_time
async def test_silence_because_no_text_came_is_not_lateness() -> None:
    session = session_on(FakePool())
    async with listening(session) as listener:
        session.push_text("Hello there. ")
        await asyncio.sleep(0.9)
        session.push_text("And there it goes on.")
    assert [event.late_ms for event in listener.audio] == [0] * len(listener.audio)


# --- clear and cancel ------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_clear_drops_text_that_was_not_committed() -> None:
    session = session_on(FakePool(), server_commit=False)
    session.push_text("Committed.")
    session.commit()
    session.push_text("Dropped.")
    session.clear()
    assert session.waiting_characters == len("Committed.")
    session.push_text("Kept.")
    listener = await heard(session)
    assert [ended.text for ended in listener.ends] == ["Committed.", "Kept."]


@on_virtual_time
async def test_a_clear_drops_what_no_response_speaks_yet() -> None:
    pool = FakePool()
    session = session_on(pool)
    session.push_text(THREE_SENTENCES)
    session.clear()
    assert session.waiting_characters == 0
    assert not session.has_work
    async with listening(session) as listener:
        await asyncio.sleep(60)
        assert listener.events == []
        session.push_text("Instead of that.")
    assert [ended.text for ended in listener.ends] == ["Instead of that."]


@on_virtual_time
async def test_a_clear_while_it_speaks_keeps_what_is_being_sent() -> None:
    pool = FakePool()
    pool.speak = slowly
    session = session_on(pool)
    async with listening(session) as listener:
        session.push_text(THREE_SENTENCES)
        await listener.until(ResponseAudio)
        session.clear()
        sending, prefetched = pool.streams
        assert (sending.cancelled, prefetched.cancelled) == (False, True)
        session.push_text("Instead of that.")
    assert listener.order == "(.)"
    assert listener.numbers == [1, 3]
    assert listener.ends[0].text == sending.text + "Instead of that."


@on_virtual_time
async def test_a_clear_drops_the_response_that_would_come_next() -> None:
    pool = FakePool()
    pool.speak = slowly
    session = session_on(pool)
    async with listening(session) as listener:
        session.push_text("Hello there.")
        session.commit()
        session.push_text("Never said. At all.")
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
        session.push_text(THREE_SENTENCES)
        await listener.until(ResponseAudio, 3)
        assert session.text_joins
        session.cancel()
        assert not session.text_joins
        assert pool.unsent == 0
        ended_s = await listener.until(ResponseEnded)
        assert ended_s == now_s()
        assert len(listener.audio) == 3
        session.push_text("Hello again.")
    assert listener.order == "(.)(.)"
    cancelled, completed = listener.ends
    assert cancelled.status == "cancelled"
    assert cancelled.text == pool.texts[0] + pool.texts[1]
    assert (completed.status, completed.text) == ("completed", "Hello again.")
    assert listener.numbers == [1, 3]
    assert listener.audio[3].late_ms == 0


@on_virtual_time
async def test_a_cancel_also_ends_what_was_made_of_one_chunk_but_for_a_fade() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([1000])
    session = session_on(pool)
    session.push_text(THREE_SENTENCES)
    session.finish()
    kinds: list[type[SpeechEvent]] = []
    durations_ms: list[float] = []
    async for event in session.events():
        kinds.append(type(event))
        if isinstance(event, ResponseAudio):
            session.cancel()
            durations_ms.append(event.duration_ms)
    assert kinds == [ResponseStarted, ResponseAudio, ResponseAudio, ResponseEnded]
    assert durations_ms[1:] == [FADE_MS]


@on_virtual_time
async def test_a_cancel_for_a_listener_who_has_missed_audio_ends_without_a_fade() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([1000])
    session = session_on(pool)
    session.push_text(THREE_SENTENCES)
    session.finish()
    kinds: list[type[SpeechEvent]] = []
    async for event in session.events():
        kinds.append(type(event))
        if isinstance(event, ResponseAudio):
            session.cancel(fades_out=False)
    assert kinds == [ResponseStarted, ResponseAudio, ResponseEnded]


@on_virtual_time
async def test_a_clear_while_text_waits_for_its_end_leaves_nothing_to_wait_for() -> None:
    session = session_on(FakePool())
    async with listening(session) as listener:
        session.push_text("Hello")
        await asyncio.sleep(MAX_WAIT_S / 2)
        session.clear()
        await asyncio.sleep(2 * MAX_WAIT_S)
    assert listener.events == []


@on_virtual_time
async def test_a_cancel_drops_text_that_was_not_yet_cut() -> None:
    pool = FakePool()
    session = session_on(pool)
    async with listening(session) as listener:
        session.push_text("Hello")
        session.cancel()
        await listener.until(ResponseEnded)
    assert listener.order == "()"
    assert [(ended.status, ended.text) for ended in listener.ends] == [("cancelled", "")]
    assert pool.streams == []


@on_virtual_time
async def test_each_cancel_ends_one_response() -> None:
    session = session_on(FakePool(), server_commit=False)
    for text in ("One.", "Two.", "Three."):
        session.push_text(text)
        session.commit()
    session.push_text("Not committed.")
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
    session.push_text("Hello.")
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
        session.push_text("Hello there. ")
        await listener.until(ResponseAudio)
        await asyncio.sleep(IDLE_S / 2)
        num_deltas = len(listener.audio)
        session.cancel()
    assert len(listener.audio) == num_deltas + 1
    assert 0 < listener.audio[-1].duration_ms < 1
    assert listener.audio[-1].encoded.endswith(bytes(2))


# --- limits and configuration ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("server_commit", [True, False])
@on_virtual_time
async def test_text_over_the_limit_is_refused_whole_and_the_session_goes_on(server_commit: bool) -> None:
    pool = FakePool()
    session = synthesizer_on(pool, settings(max_buffered_characters=60)).session(
        SpeechConfig("Cherry", server_commit=server_commit)
    )
    session.push_text("Hello there. How are you?")
    with pytest.raises(TextTooLong, match="36 characters do not fit: 25 of at most 60") as refused:
        session.push_text("x" * 36)
    assert refused.value.param == "text"
    assert session.waiting_characters == 25
    session.push_text("x" * 35)
    async with listening(session) as listener:
        session.commit()
        await listener.until(ResponseEnded)
        session.push_text("y" * 60)
    assert "".join(pool.texts) == "Hello there. How are you?" + "x" * 35 + "y" * 60


@pytest.mark.parametrize("server_commit", [True, False])
@on_virtual_time
async def test_another_configuration_keeps_the_text(server_commit: bool) -> None:
    pool = FakePool()
    session = session_on(pool, server_commit=not server_commit)
    async with listening(session) as listener:
        session.push_text(THREE_SENTENCES)
        session.push_text(" And")
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
    session.push_text(text)
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
            session.push_text(text)
            session.commit()
    assert [stream.request.language for stream in pool.streams] == ["de", "de", "en", "en", "zh", "en"]


@on_virtual_time
async def test_the_first_words_are_spoken_in_the_language_of_the_text_behind_them() -> None:
    pool = FakePool()
    session = session_on(pool)
    session.push_text("Claro. Podemos empezar mañana por la mañana si le parece bien.")
    await heard(session)
    assert [stream.request.language for stream in pool.streams] == ["es", "es"]


@on_virtual_time
async def test_a_language_that_no_engine_speaks_is_not_guessed() -> None:
    pool = FakePool()
    session = synthesizer_on(pool, settings(), "en", "fr").session(SpeechConfig("Cherry"))
    session.push_text("Das ist doch wirklich ein schöner Tag.")
    await heard(session)
    assert [stream.request.language for stream in pool.streams] == ["en"]


@pytest.mark.parametrize("normalize_text", [True, False])
@on_virtual_time
async def test_the_engine_is_told_whether_to_read_numbers_as_words(normalize_text: bool) -> None:
    pool = FakePool()
    session = session_on(pool, normalize_text=normalize_text)
    session.push_text("It is 5 km.")
    listener = await heard(session)
    assert [stream.request.normalize_text for stream in pool.streams] == [normalize_text]
    # The text itself goes as it was written: what is counted never depends on how it is read.
    assert pool.texts == ["It is 5 km."]
    assert [event.text for event in listener.events if isinstance(event, ResponseEnded)] == ["It is 5 km."]


# --- faults ----------------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_fault_ends_the_response_and_the_events() -> None:
    pool = FakePool()
    fault = EngineCrashed("gone")
    pool.speak = lambda text: iter([100, fault])
    session = session_on(pool)
    session.push_text(THREE_SENTENCES)
    session.commit()
    session.push_text("Another.")
    listener = await heard(session)
    assert listener.order == "(.)"
    (ended,) = listener.ends
    assert (ended.status, ended.fault, ended.audio_ms) == ("failed", fault, pytest.approx(100))
    session.close()
    assert all(stream.cancelled for stream in pool.streams)


@on_virtual_time
async def test_a_full_queue_ends_the_response_whose_turn_it_is() -> None:
    pool = FakePool()
    busy = Overloaded("busy")
    pool.refusals.append(busy)
    session = session_on(pool)
    session.push_text("Hello.")
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
    session.push_text(THREE_SENTENCES)
    listener = await heard(session)
    assert not pool.refusals
    assert listener.ends[0].status == "completed"
    assert "".join(pool.texts) == THREE_SENTENCES


@on_virtual_time
async def test_a_language_that_nobody_speaks_is_a_fault() -> None:
    session = synthesizer_on(FakePool(), settings(), "en").session(
        SpeechConfig("Cherry", server_commit=False)
    )
    session.push_text("你好。")
    with pytest.raises(EngineUnavailable, match="Chinese"):
        session.commit()


@on_virtual_time
async def test_a_closed_session_frees_its_engine() -> None:
    pool = FakePool()
    pool.speak = slowly
    session = session_on(pool)
    session.push_text(THREE_SENTENCES)
    listener = Listener(session)
    await listener.until(ResponseAudio)
    listener.task.cancel()
    session.close()
    session.close()
    assert len(pool.streams) == 2
    assert pool.unsent == 0


# --- engines that take text while they speak -------------------------------------------------------------------------


@on_virtual_time
async def test_an_incremental_engine_gets_the_pieces_as_they_come() -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool)
    pieces = [" ", "Hel", "lo. And", " so ", "on"]
    async with listening(session) as listener:
        for piece in pieces:
            session.push_text(piece)
            await asyncio.sleep(0.1)
        (stream,) = pool.streams
        assert stream.pieces == [" Hel", "lo. And", " so ", "on"]
        assert not stream.input_ended
        assert len(listener.audio) > 4
        session.commit()
        assert stream.input_ended
        await listener.until(ResponseEnded)
        session.push_text("Next")
    assert [ended.text for ended in listener.ends] == ["".join(pieces), "Next"]
    assert len(pool.streams) == 2


@on_virtual_time
async def test_text_fed_to_an_engine_counts_as_waiting_until_it_is_spoken() -> None:
    pool = FakePool(incremental=True)
    pool.speak = slowly
    session = synthesizer_on(pool, settings(max_buffered_characters=60)).session(SpeechConfig("Cherry"))
    async with listening(session) as listener:
        session.push_text("x" * 30)
        await listener.until(ResponseAudio)
        assert session.waiting_characters == 0
        session.push_text("y" * 60)
        with pytest.raises(TextTooLong, match="1 characters do not fit: 60 of at most 60"):
            session.push_text("z")
        session.cancel()
        await listener.until(ResponseEnded)
        session.push_text("z" * 60)


@on_virtual_time
async def test_a_fed_response_ends_when_nothing_came_for_a_while() -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool)
    async with listening(session) as listener:
        session.push_text("Hello")
        await asyncio.sleep(0.7)
        session.push_text(" there")
        assert await listener.until(ResponseEnded) == pytest.approx(0.7 + IDLE_S)
        session.push_text("Again")
        assert await listener.until(ResponseEnded, 2) == pytest.approx(0.7 + 2 * IDLE_S)
    assert [ended.text for ended in listener.ends] == ["Hello there", "Again"]


@on_virtual_time
async def test_in_commit_mode_an_incremental_engine_gets_the_whole_text_and_the_buffer_is_left_alone() -> (
    None
):
    pool = FakePool(incremental=True)
    session = session_on(pool, server_commit=False)
    async with listening(session) as listener:
        session.push_text(THREE_SENTENCES)
        session.commit()
        session.push_text("Not yet.")
        await listener.until(ResponseEnded)
        await asyncio.sleep(10 * IDLE_S)
        assert pool.texts == [THREE_SENTENCES]
        session.push_text(" Now.")
        session.commit()
    assert pool.texts == [THREE_SENTENCES, "Not yet. Now."]


@on_virtual_time
async def test_a_closed_session_frees_the_engine_that_it_fed() -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool)
    session.push_text("Hello")
    listener = Listener(session)
    await listener.until(ResponseAudio)
    listener.task.cancel()
    session.close()
    await asyncio.sleep(2 * IDLE_S)
    assert pool.streams[0].cancelled
    assert not pool.streams[0].input_ended


@on_virtual_time
async def test_a_fed_response_can_be_cancelled_and_cleared() -> None:
    pool = FakePool(incremental=True)
    pool.speak = slowly
    session = session_on(pool)
    async with listening(session) as listener:
        session.push_text("Hello")
        await listener.until(ResponseAudio)
        session.clear()
        assert not pool.streams[0].cancelled
        session.cancel()
        assert pool.streams[0].cancelled
        await listener.until(ResponseEnded)
        session.push_text("Again")
        session.clear()
        assert pool.streams[1].cancelled
    assert [ended.status for ended in listener.ends] == ["cancelled"]


# --- the process's part ----------------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_whole_text_is_spoken_as_one_response() -> None:
    pool = FakePool()
    spoken = synthesizer_on(pool).speak(SpeechConfig("Cherry"), THREE_SENTENCES)
    kinds = [type(event) async for event in spoken]
    assert kinds.count(ResponseStarted) == kinds.count(ResponseEnded) == 1
    assert "".join(pool.texts) == THREE_SENTENCES


@on_virtual_time
async def test_a_whole_text_that_nobody_listens_to_any_more_frees_its_engine() -> None:
    pool = FakePool()
    async with aclosing(synthesizer_on(pool).speak(SpeechConfig("Cherry"), THREE_SENTENCES)) as spoken:  # type: ignore[type-var]
        await anext(spoken)
        await anext(spoken)
    assert len(pool.streams) == 2
    assert pool.unsent == 0


async def test_a_synthesizer_runs_on_the_engines_that_are_installed() -> None:
    async with Synthesizer.running(Settings(engine="tone")) as synthesizer:
        assert isinstance(synthesizer.pool.engine("tone"), EngineInfo)
        events = [event async for event in synthesizer.speak(SpeechConfig("Cherry"), "Hello there.")]
    audio = b"".join(event.encoded for event in events if isinstance(event, ResponseAudio))
    assert len(audio) % (SAMPLE_RATE // 20 * 2) == 0
    assert isinstance(events[-1], ResponseEnded)


@pytest.mark.parametrize(("languages", "started"), [({"en"}, {"hibari"}), ({"en", "zh"}, {"hibari", "tone"})])
async def test_only_the_engines_are_started_that_known_languages_need(languages: set[str], started: set[str]):
    order = Settings(engine_order=("hibari", "tone"))
    async with Synthesizer.running(order, languages=languages) as synthesizer:
        assert {load.engine for load in synthesizer.pool.load()} == started


async def test_a_synthesizer_without_any_engine_does_not_start() -> None:
    with pytest.raises(EngineUnavailable, match="no-such-engine"):
        async with Synthesizer.running(Settings(engine="no-such-engine")):
            raise AssertionError("it started")
