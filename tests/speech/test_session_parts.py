"""Sessions that speak passages, pauses and sounds; what is heard is measured in samples."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from client.virtual_time import on_virtual_time
from dsp.sounds import tone
from fake_pool import SAMPLE_RATE, FakePool, synthesizer_on
from saystream.audio import AudioChunk, Effects
from saystream.config import Settings
from saystream.errors import Overloaded, TextTooLong
from saystream.parameters import Markup
from saystream.speech.events import (
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    SegmentBegun,
    SpeechConfig,
    SpeechEvent,
)
from saystream.speech.session import SynthesisSession
from saystream.text.rewriting import Rewritten
from saystream.text.script import Background, Manner, Part, Passage, Pause, Pronunciation, Sound

from .sessions import IDLE_S, Listener, heard, listening, session_on, settings

DING = AudioChunk(tone(1000, SAMPLE_RATE // 2) + np.float32(0.01), SAMPLE_RATE)


def passage(text: str, **manner: Any) -> Passage:
    return Passage(Rewritten.of(text), manner=Manner(**manner))


def samples_of(events: list[SpeechEvent]) -> np.ndarray:
    encoded = b"".join(event.encoded for event in events if isinstance(event, ResponseAudio))
    return np.frombuffer(encoded, "<i2") / 32767


def stretches(listener: Listener, *, quiet: float = 1 / 2000) -> list[tuple[float, float]]:
    """Where it sounds, in ms."""
    loud = np.flatnonzero(np.abs(samples_of(listener.events)) > quiet)
    cuts = np.flatnonzero(np.diff(loud) > SAMPLE_RATE / 100)
    starts, ends = [loud[0], *loud[cuts + 1]], [*loud[cuts], loud[-1]]
    per_ms = SAMPLE_RATE / 1000
    return [(start / per_ms, (end + 1) / per_ms) for start, end in zip(starts, ends, strict=True)]


def gaps(listener: Listener) -> list[float]:
    sounds = stretches(listener)
    return [after[0] - before[1] for before, after in zip(sounds, sounds[1:], strict=False)]


def loud_pool() -> FakePool:
    """Its streams sound like a voice with silence at both ends: 500 ms of each."""

    def speak(text: str) -> Any:
        yield 300

    pool = FakePool()
    pool.speak = speak
    return pool


async def all_heard(session: SynthesisSession, *parts: str | Part) -> Listener:
    for part in parts:
        session.push(part)
    return await heard(session)


@pytest.mark.parametrize("server_commit", [True, False])
@on_virtual_time
async def test_pauses_are_heard_exactly_where_and_as_long_as_they_are(server_commit: bool) -> None:
    session = session_on(loud_pool(), server_commit=server_commit)
    listener = await all_heard(
        session, Pause(500), "Hello.", Pause(1000), "And", Pause(50), Pause(70), "more.", Pause(800)
    )
    assert listener.order == "(.)"
    sounds = stretches(listener)
    assert sounds[0][0] == pytest.approx(500, abs=1)
    assert gaps(listener) == [pytest.approx(1000, abs=1), pytest.approx(120, abs=1)]
    (ended,) = listener.ends
    assert ended.audio_ms - sounds[-1][1] == pytest.approx(800, abs=1)
    assert ended.text == "Hello.Andmore."
    assert ended.audio_ms == pytest.approx(len(samples_of(listener.events)) * 1000 / SAMPLE_RATE)


@pytest.mark.parametrize("server_commit", [True, False])
@on_virtual_time
async def test_a_text_of_pauses_alone_is_spoken(server_commit: bool) -> None:
    pool = FakePool()
    session = session_on(pool, server_commit=server_commit)
    session.push(Pause(700))
    session.push(Pause(300))
    assert session.has_work is server_commit
    assert session.waiting_characters == 2
    listener = await heard(session)
    assert pool.streams == []
    assert [type(event) for event in listener.events[:2]] == [ResponseStarted, SegmentBegun]
    assert listener.begun == [SegmentBegun(0, 0, False)]
    assert listener.ends == [ResponseEnded("completed", "", 1000.0)]
    assert not samples_of(listener.events).any()


@on_virtual_time
async def test_a_sound_is_heard_between_the_words() -> None:
    session = session_on(loud_pool())
    session.sounds["ding"] = DING
    listener = await all_heard(session, "One,", Pause(300), Sound("ding"), Pause(200), "two.")
    assert [end - start for start, end in stretches(listener)] == [
        pytest.approx(length, abs=1) for length in (300, 500, 300)
    ]
    assert gaps(listener) == [pytest.approx(300, abs=1), pytest.approx(200, abs=1)]


@on_virtual_time
async def test_a_sound_that_was_not_given_is_refused_and_nothing_changes() -> None:
    session = session_on(FakePool())
    for part in (Sound("ding"), passage("Hello", background=Background("ding"))):
        with pytest.raises(KeyError, match="ding"):
            session.push(part)
    assert session.waiting_characters == 0
    assert not session.has_work


@on_virtual_time
async def test_each_passage_is_spoken_in_its_manner_and_the_rest_as_the_session_says() -> None:
    pool = loud_pool()
    session = session_on(pool, effects=Effects(1.0, 1.0, 50))
    listener = await all_heard(
        session,
        "One.",
        passage("Two.", rate=2.0, volume=100),
        passage("Three.", rate=2.0, volume=100),
        passage("Four.", voice="Ethan"),
        passage("Five.", pitch=1.5),
    )
    lengths = [end - start for start, end in stretches(listener)]
    assert pool.texts == ["One.", "Two.Three.", "Four.", "Five."]
    assert lengths == [pytest.approx(length, abs=15) for length in (300, 150, 300, 300)]
    samples = samples_of(listener.events)
    middles = [samples[int((start + end) / 2 * SAMPLE_RATE / 1000)] for start, end in stretches(listener)]
    assert middles[:3] == [pytest.approx(level, abs=3e-4) for level in (0.001, 0.004, 0.003)]


@on_virtual_time
async def test_a_voice_effect_changes_its_passage_and_no_other() -> None:
    pool = loud_pool()
    filtered = passage("Two.", effect="hpfilter", effect_values=(1000.0,))
    listener = await all_heard(session_on(pool), "One.", filtered, Pause(500), "Three.")
    one, three = stretches(listener)[0], stretches(listener)[-1]
    assert [end - start for start, end in (one, three)] == [pytest.approx(300, abs=20)] * 2
    per_ms = SAMPLE_RATE // 1000
    between = samples_of(listener.events)[int(one[1] + 100) * per_ms : int(three[0] - 100) * per_ms]
    # What a stream of the fake pool says is a constant, of which a high-pass filter lets through the edges alone.
    assert len(between) > 500 * per_ms
    assert np.count_nonzero(np.abs(between) > 2e-4) < 10 * per_ms


@pytest.mark.parametrize(
    ("name", "values", "tail_ms"),
    [("echo", (), 300), ("robot", (), 60), ("lolita", (), 60), ("eq", (6.0,) * 8, 60)],
)
@on_virtual_time
async def test_pauses_keep_their_length_behind_every_effect(
    name: str, values: tuple[float, ...], tail_ms: float
) -> None:
    """An echo sounds into the pause; the others smear an edge by one of their windows."""
    session = session_on(loud_pool())
    session.sounds["tone"] = AudioChunk(tone(400, SAMPLE_RATE // 2), SAMPLE_RATE)
    session.push(passage("One.", effect=name, effect_values=values))
    listener = await all_heard(session, Sound("tone"), Pause(3000), Sound("tone"))
    loud = np.flatnonzero(np.abs(samples_of(listener.events)) > 0.05)
    longest_ms = float(np.diff(loud).max()) * 1000 / SAMPLE_RATE
    assert 3000 - tail_ms <= longest_ms <= 3000 + 60


@on_virtual_time
async def test_music_plays_under_its_passages_and_fades_behind_them() -> None:
    session = session_on(loud_pool())
    session.sounds["music"] = AudioChunk(np.full(100, 0.5, np.float32), SAMPLE_RATE)
    under = Background("music", volume=50)
    listener = await all_heard(
        session, passage("One.", background=under), Pause(400), passage("Two.", rate=2.0, background=under)
    )
    samples = samples_of(listener.events)
    assert len(samples) * 1000 / SAMPLE_RATE == pytest.approx(300 + 400 + 150 + 500, abs=60)
    half_a_second = SAMPLE_RATE // 2
    assert samples[:-half_a_second].min() == pytest.approx(0.25, abs=0.01)
    assert np.all(np.diff(samples[-half_a_second:]) <= 1e-4)
    assert samples[-1] == 0


@on_virtual_time
async def test_pronunciations_come_to_the_engine_with_the_words_that_they_belong_to() -> None:
    pool = FakePool()
    session = session_on(pool)
    session.push("Well. ")
    text = "We read it, and so on. Then we read more."
    places = [index for index in range(len(text)) if text.startswith("read", index)]
    pronunciations = tuple(Pronunciation(place, place + 4, "arpabet", "R EH1 D") for place in places)
    session.push(Passage(Rewritten.of(text), pronunciations))
    await heard(session)
    found = [
        (stream.text[each.start : each.end], each.phonemes)
        for stream in pool.streams
        for each in stream.pronunciations
    ]
    assert found == [("read", "R EH1 D")] * 2


# --- an engine that is fed


@on_virtual_time
async def test_an_engine_that_is_fed_gets_passages_with_their_pronunciations() -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool)
    session.push(" … ")
    session.push(Passage(Rewritten.of("Hello"), (Pronunciation(0, 5, "ipa", "x"),)))
    session.push(" you")
    await heard(session)
    (stream,) = pool.streams
    assert stream.pieces == [" … Hello", " you"]
    assert stream.pronunciations == (Pronunciation(3, 8, "ipa", "x"),)


@pytest.mark.parametrize("server_commit", [True, False])
@on_virtual_time
async def test_a_pause_or_another_manner_ends_what_an_engine_is_fed(server_commit: bool) -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool, server_commit=server_commit)
    listener = await all_heard(
        session, "Hello ", "you.", Pause(1000), "Then", passage(" more", rate=0.5), " end"
    )
    assert pool.texts == ["Hello you.", "Then", " more", " end"]
    assert all(stream.input_ended for stream in pool.streams)
    assert gaps(listener)[0] == pytest.approx(1000, abs=1)
    assert [ended.text for ended in listener.ends] == ["Hello you.Then more end"]


# --- life


@on_virtual_time
async def test_a_pause_joins_an_open_response_that_has_nothing_to_say() -> None:
    session = session_on(FakePool(), one_response=True)
    async with listening(session) as listener:
        session.push("Hello there. ")
        await listener.until(ResponseAudio)
        await asyncio.sleep(10 * IDLE_S)
        so_far = len(listener.audio)
        session.push(Pause(3000))
        await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert sum(event.duration_ms for event in listener.audio[so_far:]) == pytest.approx(3000, abs=100)
        session.push("More.")
    assert listener.order == "(.)"


@on_virtual_time
async def test_the_stream_behind_a_pause_is_opened_while_the_one_before_is_sent() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([100, 1.0, 100])
    session = session_on(pool, server_commit=False)
    for part in ("One.", Pause(500), Pause(500), "Two.", Pause(100), "Three."):
        session.push(part)
    session.commit()
    async with listening(session) as listener:
        await listener.until(ResponseAudio)
        assert pool.texts == ["One.", "Two."]
    assert pool.texts == ["One.", "Two.", "Three."]


@on_virtual_time
async def test_a_clear_drops_pauses_and_what_was_opened_behind_them() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([100, 1.0, 100])
    session = session_on(pool)
    async with listening(session) as listener:
        for part in ("One is here. ", Pause(5000), "Two is there. ", Pause(5000)):
            session.push(part)
        await listener.until(ResponseAudio)
        assert len(pool.streams) == 2
        session.clear()
        assert pool.streams[1].cancelled
        session.push("Three.")
    (ended,) = listener.ends
    assert ended.text == "One is here. Three."
    assert ended.audio_ms < 1000


@on_virtual_time
async def test_a_cancel_during_a_pause_ends_the_response_at_once() -> None:
    session = session_on(FakePool())
    session.push(Pause(10_000))
    session.push("Never.")
    audio_ms = 0.0
    session.finish()
    async for event in session.events():
        if isinstance(event, ResponseAudio):
            audio_ms += event.duration_ms
            session.cancel()
    assert audio_ms < 200


@on_virtual_time
async def test_another_configuration_keeps_all_parts() -> None:
    pool = loud_pool()
    session = session_on(pool)
    for part in ("One", " is here.", Pause(1000), passage("Two.", rate=2.0), "Three."):
        session.push(part)
    session.configure(SpeechConfig("Cherry", server_commit=False))
    assert session.waiting_characters == len("One is here.Two.Three.") + 1
    session.configure(SpeechConfig("Cherry"))
    listener = await heard(session)
    assert pool.texts == ["One is here.", "Two.", "Three."]
    assert [end - start for start, end in stretches(listener)] == [
        pytest.approx(length, abs=15) for length in (300, 150, 300)
    ]


@on_virtual_time
async def test_parts_over_the_limit_are_refused() -> None:
    session = synthesizer_on(FakePool(), settings(max_buffered_characters=5)).session(
        SpeechConfig("Cherry", server_commit=False)
    )
    for _ in range(5):
        session.push(Pause(10))
    for part in (Pause(10), passage("x"), "x"):
        with pytest.raises(TextTooLong, match="1 characters do not fit: 5 of at most 5"):
            session.push(part)


@on_virtual_time
async def test_parts_of_a_whole_text_are_one_response() -> None:
    pool = loud_pool()
    parts: list[Part] = [passage("One."), Pause(700), Sound("ding"), passage("Two.")]
    events = [
        event async for event in synthesizer_on(pool).speak(SpeechConfig("Cherry"), parts, {"ding": DING})
    ]
    assert pool.texts == ["One.", "Two."]
    assert isinstance(events[-1], ResponseEnded)
    assert events[-1].text == "One.Two."
    assert events[-1].audio_ms == pytest.approx(300 + 700 + 500 + 300, abs=60)


# --- pauses in plain text


def with_inline_pauses(
    pool: FakePool, *, server_commit: bool = True, markup: Markup = "auto"
) -> SynthesisSession:
    own = Settings(inline_pauses=True, realtime=settings().realtime)
    config = SpeechConfig("Cherry", server_commit=server_commit, markup=markup)
    return synthesizer_on(pool, own).session(config)


@pytest.mark.parametrize("server_commit", [True, False])
@pytest.mark.parametrize("size", [1, 5, 1000])
@on_virtual_time
async def test_pauses_in_plain_text_are_heard_also_when_they_come_in_pieces(
    size: int, server_commit: bool
) -> None:
    pool = loud_pool()
    session = with_inline_pauses(pool, server_commit=server_commit)
    text = 'One.<break time="1s"/>Two, if a < b.[pause:400ms]Three.'
    listener = await all_heard(session, *(text[start : start + size] for start in range(0, len(text), size)))
    assert "".join(pool.texts) == "One.Two, if a < b.Three."
    assert gaps(listener)[0] == pytest.approx(1000, abs=1)
    assert gaps(listener)[-1] == pytest.approx(400, abs=1)
    assert [ended.text for ended in listener.ends] == ["One.Two, if a < b.Three."]


@on_virtual_time
async def test_without_the_setting_and_in_passages_a_tag_is_text() -> None:
    pool = FakePool()
    await all_heard(session_on(pool, markup="read"), "One [pause:1s] two.")
    await all_heard(with_inline_pauses(pool), passage("Three [pause:1s] four."))
    assert "".join(pool.texts) == "One [pause:1s] two.Three [pause:1s] four."


@pytest.mark.parametrize("speak", [SynthesisSession.flush, SynthesisSession.commit, SynthesisSession.finish])
@on_virtual_time
async def test_what_might_have_been_a_tag_is_spoken_when_nothing_more_comes(
    speak: Callable[[SynthesisSession], None],
) -> None:
    pool = FakePool()
    session = with_inline_pauses(pool)
    session.push("a <")
    assert session.waiting_characters == 3
    speak(session)
    await heard(session)
    assert "".join(pool.texts) == "a <"


@on_virtual_time
async def test_what_might_be_a_tag_is_dropped_with_its_text() -> None:
    pool = FakePool()
    session = with_inline_pauses(pool)
    session.push("Hello [pau")
    session.clear()
    session.push("More [pau")
    session.cancel()
    session.push("se:1s]")
    await heard(session)
    assert "".join(pool.texts) == "se:1s]"


@on_virtual_time
async def test_a_tag_belongs_to_the_open_response_and_not_to_one_that_is_cancelled_before_it() -> None:
    pool = FakePool()
    session = with_inline_pauses(pool)
    session.push("Hello.")
    session.commit()
    session.push("More [pau")
    session.cancel()
    session.push("se:1s] end")
    await heard(session)
    assert "".join(pool.texts) == "More  end"


@on_virtual_time
async def test_a_tag_in_text_that_an_engine_refuses_can_come_again() -> None:
    pool = FakePool(incremental=True)
    session = with_inline_pauses(pool, markup="read")
    session.push("<br")
    pool.refusals.append(Overloaded("busy"))
    with pytest.raises(Overloaded):
        session.push("Hello <bre")
    session.push("eak/>Hello")
    await heard(session)
    assert "".join(pool.texts) == "Hello"
