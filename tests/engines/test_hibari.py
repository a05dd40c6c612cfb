from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.pitches import spread_semitones
from saystream.conformance import check_engine
from saystream.dsp.pitch import median_pitch_hz
from saystream.dsp.silence import QUIETEST
from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.hibari import HibariEngine
from saystream.errors import ConfigurationError, InvalidValue
from saystream.text.script import Pronunciation

pytestmark = pytest.mark.slow

SENTENCE = "The train to the airport leaves at half past nine tomorrow morning."
MS = 24
"""Samples."""


@pytest.fixture(scope="module")
def engine() -> HibariEngine:
    loaded = HibariEngine()
    loaded.load()
    return loaded


def chunks(engine: HibariEngine, text: str, **request: Any) -> list[np.ndarray]:
    stream = engine.open(SynthesisRequest(**{"voice": "heart", "language": "en", **request}))
    stream.push(Span(text))
    stream.end_input()
    return [chunk.samples for chunk in stream.chunks()]


def speak(engine: HibariEngine, text: str, **request: Any) -> np.ndarray:
    return np.concatenate([*chunks(engine, text, **request), np.zeros(0, np.float32)])


def silence_ms(samples: np.ndarray) -> tuple[float, float]:
    """Before the first sound and after the last."""
    audible = np.flatnonzero(np.abs(samples) > QUIETEST)
    return audible[0] / MS, (len(samples) - 1 - audible[-1]) / MS


def test_it_conforms() -> None:
    assert check_engine(HibariEngine(), deterministic=True) == []


@pytest.mark.parametrize("text", [SENTENCE, "Hello.", "First,", "She", "Hmm"])
def test_the_first_sound_comes_within_thirty_milliseconds(engine: HibariEngine, text: str) -> None:
    assert silence_ms(speak(engine, text))[0] <= 30


@pytest.mark.parametrize(
    ("text", "pause_ms"),
    [("Hello there.", 300), ('"Really?"', 300), ("Hello there,", 150), ("Hello there", 40)],
)
def test_the_pause_after_a_text_is_that_of_its_punctuation(
    engine: HibariEngine, text: str, pause_ms: int
) -> None:
    assert silence_ms(speak(engine, text))[1] == pytest.approx(pause_ms, abs=1)


def test_sentences_come_one_by_one(engine: HibariEngine) -> None:
    one = sum(map(len, chunks(engine, "Hello there.")))
    stream = engine.open(SynthesisRequest(voice="heart", language="en"))
    stream.push(Span("Hello there. " * 50))
    stream.end_input()
    reading = stream.chunks()
    assert len(next(reading).samples) <= 200 * MS
    stream.cancel()
    assert list(reading) == []
    assert sum(map(len, chunks(engine, "Hello there. Hello there."))) == pytest.approx(2 * one, rel=0.1)


@pytest.mark.parametrize(
    ("speed", "tolerance"), [(0.5, 0.01), (0.8, 0.01), (1.3, 0.01), (1.5, 0.08), (2.0, 0.08)]
)
def test_speed_is_exact_until_the_model_hurries_itself(
    engine: HibariEngine, speed: float, tolerance: float
) -> None:
    base = len(speak(engine, SENTENCE))
    assert len(speak(engine, SENTENCE, speed=speed)) == pytest.approx(base / speed, rel=tolerance)


def test_pauses_hurry_too(engine: HibariEngine) -> None:
    assert silence_ms(speak(engine, "Hello there.", speed=2.0))[1] == pytest.approx(150, abs=15)


@pytest.mark.parametrize(("pitch", "formant"), [(0.6, 0.84), (0.8, 0.95), (1.4, 1.15)])
def test_a_recipe_moves_the_pitch_and_keeps_the_duration(
    engine: HibariEngine, pitch: float, formant: float
) -> None:
    base, changed = speak(engine, SENTENCE), speak(engine, SENTENCE, pitch=pitch, formant=formant)
    assert len(changed) == len(base)
    heard, before = median_pitch_hz(changed, 24000), median_pitch_hz(base, 24000)
    assert heard is not None and before is not None
    assert heard / before == pytest.approx(pitch, rel=0.05)
    assert np.abs(changed).max() < 1.0


@pytest.mark.parametrize("text", ["", "  \n", "😀", "你好，世界。", "שלום", "\x00"])
def test_what_has_no_english_reading_is_passed_over(engine: HibariEngine, text: str) -> None:
    assert len(speak(engine, text)) == 0


@pytest.mark.parametrize("text", ["¹", "x² and 10³", "①②"])
def test_superscript_and_circled_digits_are_read_as_digits(engine: HibariEngine, text: str) -> None:
    """The package takes them for digits and raises ValueError."""
    assert len(speak(engine, text)) > 0


@pytest.mark.parametrize("text", ["7" * 500, "1,000." * 100, "ab1" * 100, "word " * 300, "A" * 1000])
def test_text_without_a_place_to_cut_is_cut_nevertheless(engine: HibariEngine, text: str) -> None:
    """Uncut, the first raises in the package and the others take time that grows faster than the text."""
    stream = engine.open(SynthesisRequest(voice="heart", language="en"))
    stream.push(Span(text))
    stream.end_input()
    assert len(next(stream.chunks()).samples) > 0


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=80))
def test_any_text_gives_audio_or_nothing(engine: HibariEngine, text: str) -> None:
    sound = speak(engine, text)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()


def test_an_unknown_voice_is_refused(engine: HibariEngine) -> None:
    with pytest.raises(InvalidValue, match="'heart'"):
        chunks(engine, "Hello.", voice="emma")


@pytest.mark.parametrize("option", [{"threads": 0}, {"concurrency": 0}, {"voice": "emma"}], ids=str)
def test_an_option_that_cannot_be_is_refused_by_name(option: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        HibariEngine(**option)


def test_a_word_is_said_as_it_is_told(engine: HibariEngine) -> None:
    """As it says a word that is read like that."""
    request = SynthesisRequest("heart", "en")
    told = Span("We xyz here. Now.", pronunciations=(Pronunciation(3, 6, "arpabet", "L IH1 V"),))
    said, read = (
        np.concatenate([chunk.samples for chunk in engine.synthesize(span, request)])
        for span in (told, Span("We live here. Now."))
    )
    assert np.array_equal(said, read)


@pytest.mark.parametrize("request_fields", [{}, {"speed": 1.2}, {"speed": 1.5, "pitch": 1.3}])
def test_each_word_has_a_mark_where_it_sounds(engine: HibariEngine, request_fields: dict[str, Any]) -> None:
    text = "It\u2019s half past 9:15,  naïve 😀 Mr. Smith: $3.50. Hello, 你好 hello there!"
    stream = engine.open(
        SynthesisRequest(
            **{"voice": "heart", "language": "en", "marks": True, "phonemes": True, **request_fields}
        )
    )
    stream.push(Span(text, 100))
    stream.end_input()
    spoken = list(stream.chunks())
    marks = [mark for chunk in spoken for mark in chunk.marks]
    assert [text[mark.start - 100 : mark.end - 100] for mark in marks] == [
        *("It\u2019s", "half", "past", "9:15", "naïve", "Mr", "Smith", "3.50", "Hello", "hello", "there"),
    ]
    assert all(mark.phonemes for mark in marks)
    times = [ms for mark in marks for ms in (mark.start_ms, mark.end_ms)]
    assert times == sorted(times)
    sound = np.concatenate([chunk.samples for chunk in spoken])
    heard = np.flatnonzero(np.abs(sound) > 0.002) / MS
    assert times[0] == pytest.approx(heard[0], abs=80)
    assert times[-1] == pytest.approx(heard[-1], abs=120)


def test_marks_come_only_if_asked_for(engine: HibariEngine) -> None:
    stream = engine.open(SynthesisRequest("heart", "en"))
    stream.push(Span(SENTENCE))
    stream.end_input()
    assert not any(chunk.marks for chunk in stream.chunks())


def test_a_long_sentence_has_all_its_marks(engine: HibariEngine) -> None:
    text = ", ".join(["the old train to the airport leaves"] * 30) + " " + "a" * 900 + "."
    stream = engine.open(SynthesisRequest("heart", "en", marks=True))
    stream.push(Span(text))
    stream.end_input()
    marks = [mark for chunk in stream.chunks() for mark in chunk.marks]
    assert [text[mark.start : mark.end] for mark in marks][:-1] == text.replace(",", "").split()[:-1]
    assert text[marks[-1].start : marks[-1].end].startswith("aaa")


def test_intonation_makes_the_pitch_move_more_or_less(engine: HibariEngine) -> None:
    flat, usual, lively = (
        spread_semitones(speak(engine, SENTENCE, intonation=ratio), 24000) for ratio in (0.4, 1.0, 1.6)
    )
    assert flat < 0.8 * usual < usual < lively
