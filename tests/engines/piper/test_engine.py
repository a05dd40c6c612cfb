from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.conformance import check_engine
from saystream.dsp.pitch import median_pitch_hz
from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.piper import PiperEngine
from saystream.engines.piper.voice import PiperVoice
from saystream.engines.registry import load_engine_class
from saystream.errors import ConfigurationError, EngineUnavailable, InvalidValue, ModelMissing
from saystream.text.script import Pronunciation

from .tiny_voice import make_voice

SENTENCES = {
    "en": "The train to the airport leaves at half past nine tomorrow morning.",
    "de": "Der Zug zum Flughafen fährt morgen früh um halb zehn ab.",
    "ko": "공항으로 가는 기차는 내일 아침 아홉 시 반에 출발합니다.",
}


@pytest.fixture(scope="module")
def engine(folder: Path) -> PiperEngine:
    loaded = PiperEngine(folder=str(folder), noise_scale=0, noise_w=0)
    loaded.load()
    return loaded


def speak(engine: PiperEngine, text: str, voice: str, language: str = "en", **request: Any) -> np.ndarray:
    stream = engine.open(SynthesisRequest(voice, language, **request))
    stream.push(Span(text))
    stream.end_input()
    return np.concatenate([*(chunk.samples for chunk in stream.chunks()), np.zeros(0, np.float32)])


def pitch(engine: PiperEngine, voice: str, language: str) -> float:
    heard = median_pitch_hz(speak(engine, SENTENCES[language], voice, language), engine.info.sample_rate)
    assert heard is not None
    return heard


def test_it_conforms_and_repeats_itself_without_noise(folder: Path) -> None:
    assert check_engine(PiperEngine(folder=str(folder), noise_scale=0, noise_w=0), deterministic=True) == []


def test_it_conforms_with_the_noise_of_its_voices(tiny: Path) -> None:
    assert check_engine(PiperEngine(folder=str(tiny.parent))) == []


def test_a_request_with_a_seed_always_sounds_the_same(tiny: Path) -> None:
    engine = PiperEngine(folder=str(tiny.parent))
    engine.load()
    first, again = (speak(engine, SENTENCES["en"], "female", seed=7) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.timeout(900)
def test_the_real_voice_conforms_and_sounds_like_its_character(piper_folder: Path) -> None:
    """Takes 20 s on two quiet cores. Without noise, with which a sentence varies by more than the check allows."""
    engine = PiperEngine(folder=str(piper_folder), noise_scale=0, noise_w=0, threads=2, concurrency=1)
    assert (
        check_engine(engine, sentence="The train leaves at half past nine today.", deterministic=True) == []
    )
    assert engine.info.voices == ("female", "male", "en_US-joe-medium")
    assert pitch(engine, "male", "en") == pytest.approx(90, rel=0.1)
    assert pitch(engine, "female", "en") == pytest.approx(200, rel=0.1)


def test_it_registers_by_entry_point() -> None:
    assert load_engine_class("piper") is PiperEngine


def test_it_says_what_its_files_are(engine: PiperEngine) -> None:
    assert tuple(engine.info.languages) == ("en", "de", "ko")
    assert set(engine.info.languages.values()) == {"native"}
    assert (engine.info.sample_rate, engine.info.normalizes_text) == (22050, False)
    assert engine.info.voices == (
        "female",
        "male",
        "de_DE-tiny-low",
        "en_GB-several-medium",
        "en_GB-several-medium#p0",
        "en_GB-several-medium#p1",
        "en_GB-several-medium#p2",
        "en_US-tiny-medium",
        "ko_KR-tiny-medium",
    )


@pytest.mark.parametrize(
    ("voice", "language", "pitch_hz"),
    [
        ("en_US-tiny-medium", "en", 120),
        ("en_GB-several-medium", "en", 210),
        ("en_GB-several-medium#p0", "en", 150),
        ("en_GB-several-medium#p2", "en", 300),
        ("de_DE-tiny-low", "de", 190),
        # In another language the file that is nearest, and its pitch moved where it is far.
        ("en_US-tiny-medium", "ko", 130),
        ("en_GB-several-medium", "de", 190),
        ("en_US-tiny-medium", "de", 120),
        ("ko_KR-tiny-medium", "en", 120),
        # Of a language with both the nearer, else the one that there is, moved.
        ("female", "en", 210),
        ("male", "en", 120),
        ("female", "de", 190),
        ("male", "de", 115),
        ("female", "ko", 200),
        ("male", "ko", 130),
    ],
)
def test_a_voice_sounds_as_high_in_every_language(
    engine: PiperEngine, voice: str, language: str, pitch_hz: float
) -> None:
    assert pitch(engine, voice, language) == pytest.approx(pitch_hz, rel=0.06)


def test_a_voice_of_a_lower_rate_is_brought_to_the_rate_of_the_engine(
    engine: PiperEngine, folder: Path
) -> None:
    alone = PiperEngine(folder=str(folder), voices=["de_DE-tiny-low"], noise_scale=0, noise_w=0)
    alone.load()
    assert (alone.info.sample_rate, alone.info.languages) == (16000, {"de": "native"})
    low = speak(alone, SENTENCES["de"], "de_DE-tiny-low", "de")
    high = speak(engine, SENTENCES["de"], "de_DE-tiny-low", "de")
    assert len(high) / 22050 == pytest.approx(len(low) / 16000, abs=0.001)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.3, 2.0])
def test_the_speed_is_exact(engine: PiperEngine, speed: float) -> None:
    usual = len(speak(engine, SENTENCES["en"], "male"))
    assert len(speak(engine, SENTENCES["en"], "male", speed=speed)) == pytest.approx(usual / speed, rel=0.01)


def test_a_voice_that_is_moved_already_can_be_moved_to_the_end_of_the_range_and_no_further(
    engine: PiperEngine,
) -> None:
    assert len(speak(engine, "Hello.", "female", "ko", pitch=2.4)) > 0
    assert len(speak(engine, "Hello.", "male", "de", pitch=0.45)) > 0


def test_audio_comes_in_pieces(engine: PiperEngine) -> None:
    stream = engine.open(SynthesisRequest("male", "en"))
    stream.push(Span(SENTENCES["en"]))
    stream.end_input()
    assert max(len(chunk.samples) for chunk in stream.chunks()) <= 22050 // 5


@pytest.mark.parametrize(
    "fields",
    [{"voice": "nobody"}, {"voice": "en_GB-several-medium#p9"}, {"voice": "male#p0"}, {"language": "fr"}],
    ids=str,
)
def test_an_unknown_voice_or_language_is_refused(engine: PiperEngine, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(fields))):
        speak(engine, "Hello.", **({"voice": "male", "language": "en"} | fields))


@settings(max_examples=40, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=80),
    language=st.sampled_from(["en", "de", "ko"]),
)
def test_any_text_gives_audio_or_nothing(engine: PiperEngine, text: str, language: str) -> None:
    sound = speak(engine, text, "female", language)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()


@pytest.mark.parametrize(
    "option",
    [{"threads": 0}, {"concurrency": 0}, {"noise_scale": -1}, {"noise_w": "much"}, {"voice": "joe"}],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused_by_name(option: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        PiperEngine(**option)


def test_without_a_voice_it_says_which_command_gets_one() -> None:
    with pytest.raises(ModelMissing, match=r"saystream models pull piper-en-us-joe$") as missing:
        PiperEngine().load()
    assert missing.value.languages == {"en": "native"}


def test_an_empty_folder_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="no file ends in .onnx"):
        PiperEngine(folder=str(tmp_path)).load()


def test_a_voice_that_is_not_there_is_refused_with_those_that_are(folder: Path) -> None:
    with pytest.raises(EngineUnavailable, match="no Piper voice fr_FR-x. There are: de_DE-tiny-low, en_GB-"):
        PiperEngine(folder=str(folder), voices=["fr_FR-x"]).load()


def test_one_bad_voice_of_several_is_told_of_and_left_out(
    tmp_path: Path, tiny: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_voice(tmp_path, "zh_CN-pinyin-medium", phoneme_type="pinyin")
    with pytest.raises(EngineUnavailable, match="'pinyin'; known are"):
        PiperEngine(folder=str(tmp_path)).load()
    for suffix in ("", ".json"):
        copy(tiny.with_name(tiny.name + suffix), tmp_path)
    capfd.readouterr()
    engine = PiperEngine(folder=str(tmp_path))
    engine.load()
    assert engine.info.voices == ("female", "male", "en_US-tiny-medium")
    assert "'pinyin'; known are" in capfd.readouterr().err


def test_voices_of_phonemes_take_pronunciations(tmp_path: Path) -> None:
    make_voice(tmp_path)
    make_voice(tmp_path, "de_DE-tiny-medium")
    make_voice(tmp_path, "uk_UA-tiny-medium", phoneme_type="text")
    engine = PiperEngine(folder=str(tmp_path), noise_scale=0, noise_w=0)
    engine.load()
    assert engine.info.alphabets == {"en": ("arpabet", "ipa"), "de": ("ipa",)}
    told = Span("We xyz.", pronunciations=(Pronunciation(3, 6, "arpabet", "S IY1"),))
    request = SynthesisRequest("female", "en", seed=1)
    said, read = (
        np.concatenate([chunk.samples for chunk in engine.synthesize(span, request)])
        for span in (told, Span("We see."))
    )
    assert np.array_equal(said, read)


def chunks_with_marks(
    engine: PiperEngine, text: str, voice: str, language: str = "en", **request: Any
) -> Any:
    stream = engine.open(SynthesisRequest(voice, language, marks=True, **request))
    stream.push(Span(text, 100))
    stream.end_input()
    return list(stream.chunks())


def marks_within_sound(
    engine: PiperEngine, text: str, voice: str, language: str = "en", **request: Any
) -> Any:
    """What is marked, once it is checked that the times are in order and those of the sound."""
    chunks = chunks_with_marks(engine, text, voice, language, **request)
    sound = np.concatenate([chunk.samples for chunk in chunks])
    marks = [mark for chunk in chunks for mark in chunk.marks]
    times = [ms for mark in marks for ms in (mark.start_ms, mark.end_ms)]
    heard = np.flatnonzero(np.abs(sound) > 0.005) * 1000 / engine.info.sample_rate
    assert times == sorted(times)
    assert times[0] == pytest.approx(heard[0], abs=80)
    assert times[-1] <= len(sound) * 1000 / engine.info.sample_rate + 1
    return [text[mark.start - 100 : mark.end - 100] for mark in marks], times, marks


TEXT = "Half of the train, at nine: we paid $35.50 for it. Well-known? Yes!"
WORDS = ["Half", "of", "the", "train", "at", "nine", "we", "paid", "$35.50", "for", "it", "Well-known", "Yes"]


@pytest.mark.parametrize("request_fields", [{}, {"speed": 1.5, "pitch": 1.3}, {"speed": 0.7}])
def test_each_word_has_a_mark_where_it_sounds(engine: PiperEngine, request_fields: dict[str, Any]) -> None:
    words, times, marks = marks_within_sound(
        engine, TEXT, "en_US-tiny-medium", phonemes=True, **request_fields
    )
    assert words == WORDS
    assert all(mark.phonemes for mark in marks)
    usual = [time / request_fields.get("speed", 1) for time in marks_within_sound(engine, TEXT, "male")[1]]
    assert times == pytest.approx(usual)


def test_a_voice_of_a_lower_rate_has_the_same_times(engine: PiperEngine) -> None:
    words, _, _ = marks_within_sound(engine, "Der Zug fährt. Um halb zehn, ab.", "de_DE-tiny-low", "de")
    assert words == ["Der", "Zug", "fährt", "Um", "halb", "zehn", "ab"]


def test_the_last_word_ends_where_nothing_is_heard_any_more(
    engine: PiperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PiperVoice._spoken

    def fading(*arguments: Any, **options: Any) -> Any:
        sound, ends_ms = whole(*arguments, **options)
        return np.where(np.arange(len(sound)) < len(sound) * 3 / 4, sound, np.float32(0)), ends_ms

    monkeypatch.setattr(PiperVoice, "_spoken", fading)
    chunks = chunks_with_marks(engine, "Nine trains", "en_US-tiny-medium")
    duration_ms = sum(len(chunk.samples) for chunk in chunks) * 1000 / engine.info.sample_rate
    assert max(mark.end_ms for chunk in chunks for mark in chunk.marks) <= duration_ms * 3 / 4 + 1


def test_marks_come_only_if_asked_for(engine: PiperEngine) -> None:
    stream = engine.open(SynthesisRequest("male", "en"))
    stream.push(Span(TEXT))
    stream.end_input()
    assert engine.info.marks
    assert not any(chunk.marks for chunk in stream.chunks())


def test_there_are_no_marks_if_one_of_the_voices_does_not_know(tmp_path: Path) -> None:
    make_voice(tmp_path)
    make_voice(tmp_path, "de_DE-tiny-low", tells_times=False)
    engine = PiperEngine(folder=str(tmp_path))
    engine.load()
    assert not engine.info.marks
    assert not any(chunk.marks for chunk in chunks_with_marks(engine, TEXT, "male"))
    assert len(speak(engine, SENTENCES["de"], "male", "de")) > 0


@pytest.mark.parametrize("speed", [1.0, 1.4])
def test_the_real_voice_knows_when_its_words_sound(piper_folder: Path, speed: float) -> None:
    engine = PiperEngine(folder=str(piper_folder), noise_scale=0, noise_w=0)
    engine.load()
    words, times, marks = marks_within_sound(engine, TEXT, "male", speed=speed)
    assert words == WORDS
    sound = np.concatenate([chunk.samples for chunk in chunks_with_marks(engine, TEXT, "male", speed=speed)])
    heard = np.flatnonzero(np.abs(sound) > 0.01) * 1000 / engine.info.sample_rate
    assert times[-1] == pytest.approx(heard[-1], abs=150)
    at = next(mark.start_ms for mark in marks if mark.start == 100 + TEXT.index("at nine"))
    begins = heard[1:][np.diff(heard) > 60]
    assert min(abs(begins - at)) < 60
