import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.pitches import spread_semitones
from saystream.conformance import check_engine
from saystream.dsp.pitch import median_pitch_hz
from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.espeak import VOICES, EspeakEngine
from saystream.errors import ConfigurationError, InvalidValue
from saystream.text.script import Pronunciation

Words = list[tuple[str, float, float, str]]
SENTENCE = "The train to the airport leaves at half past nine tomorrow morning."


@pytest.fixture(scope="module")
def engine() -> EspeakEngine:
    loaded = EspeakEngine()
    loaded.load()
    return loaded


def speak(engine: EspeakEngine, text: str, **request: Any) -> np.ndarray:
    stream = engine.open(SynthesisRequest(**{"voice": "f2", "language": "en", **request}))
    stream.push(Span(text))
    stream.end_input()
    return np.concatenate([*(chunk.samples for chunk in stream.chunks()), np.zeros(0, np.float32)])


def words(engine: EspeakEngine, text: str, **request: Any) -> Words:
    """Each with its times in ms and its phonemes."""
    stream = engine.open(
        SynthesisRequest(**{"voice": "f2", "language": "en", "marks": True, "phonemes": True, **request})
    )
    stream.push(Span(text, 1000))
    stream.end_input()
    return [
        (
            text[mark.start - 1000 : mark.end - 1000],
            mark.start_ms,
            mark.end_ms,
            "".join(each.text for each in mark.phonemes),
        )
        for chunk in stream.chunks()
        for mark in chunk.marks
    ]


def seconds(engine: EspeakEngine, text: str, **request: Any) -> float:
    return len(speak(engine, text, **request)) / engine.info.sample_rate


def trailing_silence_ms(samples: np.ndarray) -> float:
    return (len(samples) - 1 - np.flatnonzero(np.abs(samples) > 0.001)[-1]) * 1000 / 22050


def test_it_conforms() -> None:
    assert check_engine(EspeakEngine()) == []


def test_it_says_what_it_is(engine: EspeakEngine) -> None:
    info = engine.info
    assert (info.sample_rate, info.concurrency) == (22050, 1)
    assert next(iter(info.languages)) == "en"
    assert {"en", "zh", "de", "it", "pt", "es", "ja", "ko", "fr", "ru", "th"} <= set(info.languages)
    assert len(info.languages) > 80
    assert set(info.languages.values()) == {"robotic"}


def test_every_language_is_spoken(engine: EspeakEngine) -> None:
    for language in engine.info.languages:
        assert np.abs(speak(engine, "abc 123", language=language)).max() > 0.05, language


def test_the_tones_of_mandarin_are_not_read_aloud(engine: EspeakEngine) -> None:
    """An older eSpeak says "jin yi tian yi", which takes as long as when it is asked to."""
    assert seconds(engine, "今天", language="zh") < 0.7 * seconds(engine, "今一天一", language="zh")


def test_kanji_are_read(engine: EspeakEngine) -> None:
    """eSpeak alone says "Chinese letter" for each, in English."""
    kanji = seconds(engine, "会議は木曜日の午後です。", language="ja")
    assert kanji == pytest.approx(
        seconds(engine, "カイギワ モクヨービノ ゴゴデス。", language="ja"), rel=0.05
    )


def test_hangul_is_spoken_as_it_is_pronounced(engine: EspeakEngine) -> None:
    first, again = (speak(engine, text, language="ko") for text in ("먹는", "멍는"))
    assert len(first) == pytest.approx(len(again), rel=0.02)
    assert len(speak(engine, "먹 는", language="ko")) > 1.1 * len(first)


def test_languages_differ(engine: EspeakEngine) -> None:
    lengths = [seconds(engine, "25", language=language) for language in ("en", "de", "pt", "fr")]
    assert len({round(length, 2) for length in lengths}) == len(lengths)


@pytest.mark.parametrize("voice", VOICES)
def test_women_speak_higher_than_men(engine: EspeakEngine, voice: str) -> None:
    pitch = median_pitch_hz(speak(engine, SENTENCE, voice=voice), 22050)
    assert pitch is not None
    assert 170 < pitch < 240 if voice.startswith("f") else 80 < pitch < 125


@pytest.mark.parametrize("voice", ["f2", "f3", "f5", "m1", "m3"])
@pytest.mark.parametrize("pitch", [0.75, 0.9, 1.15, 1.5, 1.9])
def test_the_pitch_follows_within_a_tenth_also_beyond_the_range_of_the_library(
    engine: EspeakEngine, pitch: float, voice: str
) -> None:
    base = median_pitch_hz(speak(engine, SENTENCE, voice=voice), 22050)
    heard = median_pitch_hz(speak(engine, SENTENCE, voice=voice, pitch=pitch), 22050)
    assert base is not None and heard is not None
    assert heard / base == pytest.approx(pitch, rel=0.1)


@pytest.mark.parametrize("speed", [0.3, 0.5, 0.8, 1.25, 2.0, 3.0])
def test_the_speed_follows_also_beyond_the_range_of_the_library(engine: EspeakEngine, speed: float) -> None:
    heard = seconds(engine, SENTENCE) / seconds(engine, SENTENCE, speed=speed)
    assert heard == pytest.approx(speed, rel=0.1)


@pytest.mark.parametrize(("text", "language"), [("Hello there.", "en"), ("你好。", "zh"), ("Hello?", "en")])
def test_a_sentence_ends_in_a_pause(engine: EspeakEngine, text: str, language: str) -> None:
    assert 120 < trailing_silence_ms(speak(engine, text, language=language)) < 500


def test_a_text_cut_between_two_words_has_no_pause(engine: EspeakEngine) -> None:
    assert trailing_silence_ms(speak(engine, "Hello there")) < 50


def test_control_characters_are_no_commands(engine: EspeakEngine) -> None:
    """With a control-A the library would take "80S" for a change of its speed."""
    assert seconds(engine, "\x0180S Hello there.") == pytest.approx(
        seconds(engine, " 80S Hello there."), rel=0.05
    )


def test_what_follows_a_nul_is_spoken(engine: EspeakEngine) -> None:
    assert seconds(engine, "Hello\x00there.") == pytest.approx(seconds(engine, "Hello there."), rel=0.05)


def test_a_cancelled_or_abandoned_stream_leaves_the_library_free(engine: EspeakEngine) -> None:
    for give_up in ("cancel", "abandon"):
        stream = engine.open(SynthesisRequest(voice="f2", language="en"))
        stream.push(Span("Hello there. " * 500))
        stream.end_input()
        chunks = stream.chunks()
        next(chunks)
        if give_up == "cancel":
            stream.cancel()
            assert list(chunks) == []
        else:
            del chunks
        assert all(thread.name != "espeak" for thread in threading.enumerate())
        assert seconds(engine, "Hello.") > 0.5


@settings(max_examples=40, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=80),
    language=st.sampled_from(["en", "zh", "ja"]),
)
def test_any_text_gives_audio_or_nothing(engine: EspeakEngine, text: str, language: str) -> None:
    sound = speak(engine, text, language=language)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()


@pytest.mark.parametrize("request_fields", [{"voice": "nobody"}, {"language": "xx"}], ids=str)
def test_an_unknown_voice_or_language_is_refused(
    engine: EspeakEngine, request_fields: dict[str, str]
) -> None:
    with pytest.raises(InvalidValue, match=next(iter(request_fields))):
        speak(engine, "Hello.", **request_fields)


def test_there_are_no_options() -> None:
    with pytest.raises(ConfigurationError, match="voice"):
        EspeakEngine(voice="f2")


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", SENTENCE, SENTENCE.rstrip(".").split()),
        (
            "en",
            " One  of the\x00two 😀 costs $35.50 naïvely. ",
            ["One", "of", "the", "two", "costs", "35.50", "naïvely"],
        ),
        ("en", "word " + "a" * 60 + " word", ["word", "a" * 60, "word"]),
        ("zh", "今天，你好。", ["今", "天", "你", "好"]),
        ("ko", "먹는 것이 옷이", ["먹는", "것이", "옷이"]),
        ("ja", "会議は木曜日の午後です。", ["会議", "は", "木曜日", "の", "午後", "です"]),
        ("ja", "2024年ABC", ["2024", "年", "ABC"]),
    ],
)
def test_each_word_has_a_mark_in_the_text_as_written(
    engine: EspeakEngine, language: str, text: str, expected: list[str]
) -> None:
    said = words(engine, text, language=language)
    assert [word for word, *_ in said] == expected
    assert all(phonemes for *_, phonemes in said)
    times = [ms for _, start_ms, end_ms, _ in said for ms in (start_ms, end_ms)]
    assert times == sorted(times)
    assert times[-1] < seconds(engine, text, language=language) * 1000 + 10


@pytest.mark.parametrize("request_fields", [{}, {"speed": 3.0}, {"speed": 0.4, "pitch": 2.0, "formant": 1.3}])
def test_a_pause_is_where_the_marks_say(engine: EspeakEngine, request_fields: dict[str, float]) -> None:
    text = "Hello, hello."
    (_, _, pause_ms, first), (_, again_ms, end_ms, _) = words(engine, text, **request_fields)
    sound = np.abs(speak(engine, text, **request_fields))
    loud = np.flatnonzero(sound > 0.02) * 1000 / engine.info.sample_rate
    assert first == "həlˈoʊ"
    for ms, expected in (
        (pause_ms, loud[loud < (pause_ms + again_ms) / 2].max()),
        (again_ms, loud[loud > (pause_ms + again_ms) / 2].min()),
        (end_ms, loud.max()),
    ):
        assert ms == pytest.approx(expected, abs=60)


def test_phonemes_come_only_if_asked_for(engine: EspeakEngine) -> None:
    assert {phonemes for *_, phonemes in words(engine, SENTENCE, phonemes=False)} == {""}
    assert words(engine, SENTENCE, marks=False) == []


def test_a_word_is_said_as_it_is_told(engine: EspeakEngine) -> None:
    """It takes as long as a word that is read like that; the library's noise is different each time."""
    told = Span("We xyz here.", pronunciations=(Pronunciation(3, 6, "arpabet", "S IY1"),))
    request = SynthesisRequest("f2", "en")
    said, read = (
        np.concatenate([chunk.samples for chunk in engine.synthesize(span, request)])
        for span in (told, Span("We see here."))
    )
    assert len(said) == pytest.approx(len(read), abs=50)
    assert len(said) < 0.9 * len(speak(engine, "We xyz here."))


def test_told_syllables_are_marked_character_by_character(engine: EspeakEngine) -> None:
    text = "好天气。"
    span = Span(text, pronunciations=(Pronunciation(1, 3, "pinyin", "tian1 qi4"),))
    chunks = list(engine.synthesize(span, SynthesisRequest("f2", "zh", marks=True)))
    assert [text[mark.start : mark.end] for chunk in chunks for mark in chunk.marks] == ["好", "天", "气"]


def test_intonation_makes_the_pitch_move_more_or_less(engine: EspeakEngine) -> None:
    flat, usual, lively = (
        spread_semitones(speak(engine, SENTENCE, intonation=ratio), 22050) for ratio in (0.4, 1.0, 1.6)
    )
    assert flat < 0.8 * usual < usual < lively
