"""With a model that hums, in the place of the real one; ``test_real_voice.py`` has that."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hums import RATE, hum
from saystream.audio import Mark
from saystream.conformance import check_engine
from saystream.dsp.pitch import median_pitch_hz
from saystream.dsp.silence import LEADING_MS, QUIETEST, TRAILING_MS
from saystream.engines.base import EngineStream, Recording, Span, SynthesisRequest
from saystream.engines.kokoro.engine import KokoroEngine
from saystream.engines.kokoro.model import Reading, WholeModel
from saystream.errors import ConfigurationError, EngineUnavailable, InvalidValue, ModelMissing
from saystream.models import load_manifest
from saystream.text.words import word_spans

from .tiny_model import VOICES

SENTENCE = "The train to the airport leaves at half past nine tomorrow morning."
MS = 24
"""Samples."""


@pytest.fixture(scope="module")
def engine(tiny_kokoro: Path) -> KokoroEngine:
    loaded = KokoroEngine(folder=str(tiny_kokoro), threads=1, concurrency=2)
    loaded.load()
    return loaded


def stream_of(engine: KokoroEngine, text: str, **request: Any) -> EngineStream:
    stream = engine.open(SynthesisRequest(**{"voice": "af_heart", "language": "en", **request}))
    stream.push(Span(text))
    stream.end_input()
    return stream


def speak(engine: KokoroEngine, text: str, **request: Any) -> np.ndarray:
    return np.concatenate(
        [*(chunk.samples for chunk in stream_of(engine, text, **request).chunks()), np.zeros(0, np.float32)]
    )


def silence_ms(samples: np.ndarray) -> tuple[float, float]:
    """Before the first sound and after the last."""
    audible = np.flatnonzero(np.abs(samples) > QUIETEST)
    return audible[0] / MS, (len(samples) - 1 - audible[-1]) / MS


def test_it_conforms(tiny_kokoro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KokoroEngine, "_encoder", lambda self: None)
    assert check_engine(KokoroEngine(folder=str(tiny_kokoro), threads=1), deterministic=True) == []


def test_it_speaks_eleven_languages_with_the_voices_that_it_finds(engine: KokoroEngine) -> None:
    assert list(engine.info.languages.items()) == list(load_manifest().model("kokoro").qualities.items())
    assert engine.info.voices == tuple(VOICES)
    assert not engine.info.normalizes_text


def test_it_says_how_fast_it_is_here_and_by_what(engine: KokoroEngine) -> None:
    assert engine.info.realtime_factor is not None and engine.info.realtime_factor > 0
    assert engine.info.runtime == "ONNX Runtime, fp32, whole passes"


EARLY_MS = 37.5
"""What is said sounds so much before the frames of its symbols."""


def marks_of(engine: KokoroEngine, text: str, **request: Any) -> list[Mark]:
    """Each with the chunk in which its word begins, or before."""
    marks: list[Mark] = []
    begun_ms = 0.0
    for chunk in stream_of(engine, text, marks=True, **request).chunks():
        assert all(mark.start_ms >= begun_ms for mark in chunk.marks)
        begun_ms += len(chunk.samples) / MS
        marks += chunk.marks
    assert all(mark.end_ms <= begun_ms for mark in marks)
    return marks


@pytest.mark.parametrize("speed", [0.5, 1.0, 1.25, 2.0])
def test_each_word_is_marked_where_its_symbols_are_heard(engine: KokoroEngine, speed: float) -> None:
    text = "The train leaves."  # ðə tɹˈAn lˈivz.
    each_ms = 50 / speed
    model_speed = min(max(speed, 0.8), 1.25)
    early_ms = EARLY_MS / speed
    lead_ms = LEADING_MS / (speed / model_speed)
    places = [("The", 0, 2), ("train", 2, 8), ("leaves", 8, 14)]
    marks = marks_of(engine, text, speed=speed)
    assert [text[mark.start : mark.end] for mark in marks] == [word for word, *_ in places]
    for mark, (_, start, end) in zip(marks, places, strict=True):
        assert mark.start_ms == pytest.approx(lead_ms + start * each_ms - early_ms, abs=0.1)
        assert mark.end_ms == pytest.approx(lead_ms + end * each_ms - early_ms, abs=0.1)


def test_every_word_of_several_passes_is_marked_in_its_place(engine: KokoroEngine) -> None:
    text = f"{SENTENCE} {SENTENCE} {SENTENCE}"
    samples = speak(engine, text)
    marks = marks_of(engine, text)
    assert [(mark.start, mark.end) for mark in marks] == list(word_spans(text))
    assert [mark.start_ms for mark in marks] == sorted(mark.start_ms for mark in marks)
    quiet = np.abs(samples) < QUIETEST
    for mark in marks:
        start, end = round((mark.start_ms + EARLY_MS) * MS), round((mark.end_ms + EARLY_MS) * MS)
        assert quiet[start:end].mean() < 0.5


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("zh", "今天用API，好吗？", ["今", "天", "用", "API", "好", "吗"]),
        ("ja", "東京の天気です。", ["東京", "の", "天気", "です"]),
        ("fr", "«Oui, l'aéroport!»", ["Oui", "l'aéroport"]),
    ],
)
def test_marks_name_the_words_of_every_language(
    engine: KokoroEngine, language: str, text: str, words: list[str]
) -> None:
    assert [text[mark.start : mark.end] for mark in marks_of(engine, text, language=language)] == words


def test_nobody_gets_marks_who_wants_none(engine: KokoroEngine) -> None:
    assert not any(chunk.marks for chunk in stream_of(engine, SENTENCE).chunks())


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", SENTENCE),
        ("zh", "去机场的火车明天早上九点半出发。"),
        ("ja", "空港行きの電車は、明日の朝九時半に出ます。"),
        ("es", "El tren al aeropuerto sale mañana a las nueve y media."),
        ("fr", "Le train pour l'aéroport part demain à neuf heures et demie."),
        ("it", "Il treno per l'aeroporto parte domani alle nove e mezza."),
        ("pt", "O trem para o aeroporto sai amanhã às nove e meia."),
        ("de", "Der Zug zum Flughafen fährt morgen um halb zehn."),
        ("ko", "공항으로 가는 기차는 내일 아침 아홉 시 반에 출발합니다."),
        ("ru", "Поезд в аэропорт отправляется завтра в половине десятого."),
        ("hi", "हवाई अड्डे की ट्रेन कल सुबह साढ़े नौ बजे निकलती है।"),
    ],
)
def test_a_sentence_of_each_language_is_spoken(engine: KokoroEngine, language: str, text: str) -> None:
    assert 1.5 < len(speak(engine, text, language=language)) / 24000 < 6


def test_little_of_the_models_silence_around_a_text_is_left(engine: KokoroEngine) -> None:
    before, after = silence_ms(speak(engine, "Hello there."))
    assert before <= LEADING_MS
    assert after <= TRAILING_MS + 11  # the hum itself may end near zero


@pytest.mark.parametrize(("mark", "pause_ms"), [(".", 300), (",", 150)])
def test_the_silence_between_two_passes_is_that_of_the_punctuation(
    engine: KokoroEngine, mark: str, pause_ms: int
) -> None:
    clause = "the keeper climbed two hundred steps to light the lamp"
    both, one = (len(speak(engine, text)) for text in (f"{clause}{mark} {clause}.", f"{clause}."))
    assert (both - 2 * one) / MS == pytest.approx(pause_ms - TRAILING_MS, abs=70)


def test_a_mix_of_voices_lies_between_them(engine: KokoroEngine) -> None:
    pitches = [
        median_pitch_hz(speak(engine, SENTENCE, voice=voice), 24000)
        for voice in ("am_adam", "am_adam:0.5+af_heart:0.5", "af_heart")
    ]
    assert pitches == pytest.approx([120, 160, 200], rel=0.01)


def test_a_speaker_is_matched_in_pitch_and_spoken(
    engine: KokoroEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KokoroEngine, "_encoder", lambda self: None)
    enrolled = engine.enroll(Recording(hum(170.0, 2.0), RATE))
    assert enrolled.similarity is None
    pitch_hz = median_pitch_hz(speak(engine, SENTENCE, voice="", material=enrolled.material), 24000)
    assert pitch_hz == pytest.approx(170, rel=0.05)
    with pytest.raises(InvalidValue, match="material"):
        speak(engine, SENTENCE, material=b"anything else")


def test_without_the_ears_of_campplus_a_speaker_is_matched_by_measures(
    engine: KokoroEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAYSTREAM_MODELS_DIR", str(tmp_path))
    assert engine.enroll(Recording(hum(170.0, 2.0), RATE)).similarity is None
    assert "saystream models pull campplus" in capsys.readouterr().err


def test_a_british_voice_speaks_british_english(engine: KokoroEngine) -> None:
    """An "r" before a consonant is silent there, and each symbol of this model lasts as long."""
    text = "The car park is on the northern corner."
    assert len(speak(engine, text, voice="bf_emma")) != len(speak(engine, text, voice="af_heart"))
    assert len(speak(engine, text, voice="bf_emma:0.4+af_heart:0.6")) == len(speak(engine, text))


def test_a_voice_of_another_language_is_helped_with_english_words(engine: KokoroEngine) -> None:
    plain, mixed = "我们今天使用新的服务器。", "我们今天使用新的server。"
    for voice, plain_hz, mixed_hz in (("zf_xiaoxiao", 240, 220), ("af_heart", 200, 200)):
        for text, pitch_hz in ((plain, plain_hz), (mixed, mixed_hz)):
            sound = speak(engine, text, voice=voice, language="zh")
            assert median_pitch_hz(sound, 24000) == pytest.approx(pitch_hz, rel=0.01)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_speed_beyond_what_the_model_does_well_is_left_to_the_stages(
    engine: KokoroEngine, speed: float
) -> None:
    base = len(speak(engine, SENTENCE))
    assert len(speak(engine, SENTENCE, speed=speed)) == pytest.approx(base / speed, rel=0.02)


def test_the_first_clause_of_a_long_text_comes_before_the_rest_is_made(
    engine: KokoroEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[Any] = []
    read_pass = engine._model.read

    def noted_pass(symbols: Any, *rest: Any, **more: Any) -> Reading:
        passes.append(symbols)
        return read_pass(symbols, *rest, **more)

    monkeypatch.setattr(engine._model, "read", noted_pass)
    text = "When the evening came, " + "the keeper climbed two hundred steps to light the lamp, " * 20
    chunks = stream_of(engine, text).chunks()
    assert len(next(chunks).samples) <= 200 * MS
    assert len(passes) == 1 and passes[0].endswith("kˈAm,")
    assert len(list(chunks)) > 10
    assert len(passes) > 3


def test_a_cancel_ends_a_stream_that_was_never_given_its_text(engine: KokoroEngine) -> None:
    stream = engine.open(SynthesisRequest("af_heart", "en"))
    stream.push(Span("Hello"))
    stream.cancel()
    assert list(stream.chunks()) == []


@pytest.mark.parametrize("text", ["", "  \n", "😀", "…!?", "\x00"])
def test_what_has_no_reading_gives_no_sound(engine: KokoroEngine, text: str) -> None:
    assert len(speak(engine, text)) == 0


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=60),
    language=st.sampled_from(["en", "zh", "ja", "fr"]),
)
def test_any_text_gives_audio_or_nothing(engine: KokoroEngine, text: str, language: str) -> None:
    assert np.isfinite(speak(engine, text, language=language)).all()


@pytest.mark.parametrize(
    "request_", [{"voice": "nobody"}, {"voice": "af_heart:0"}, {"language": "th"}], ids=str
)
def test_a_voice_or_a_language_that_it_has_not_is_refused(
    engine: KokoroEngine, request_: dict[str, str]
) -> None:
    with pytest.raises(InvalidValue, match=next(iter(request_))):
        speak(engine, "Hello.", **request_)


@pytest.mark.parametrize(
    "option", [{"threads": -1}, {"concurrency": -1}, {"precision": "int8"}, {"voice": "emma"}], ids=str
)
def test_an_option_that_cannot_be_is_refused_by_name(option: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        KokoroEngine(**option)


def test_without_weights_it_says_which_command_gets_them() -> None:
    with pytest.raises(ModelMissing, match="saystream models pull kokoro"):
        KokoroEngine().load()


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=str(tmp_path)):
        KokoroEngine(folder=str(tmp_path)).load()


def test_a_language_whose_reader_is_not_installed_is_left_out_and_named(
    tiny_kokoro: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "saystream.engines.kokoro.japanese", raising=False)
    monkeypatch.setitem(sys.modules, "pyopenjtalk", None)
    engine = KokoroEngine(folder=str(tiny_kokoro), threads=1)
    engine.load()
    assert "ja" not in engine.info.languages
    assert "zh" in engine.info.languages
    assert "'pyopenjtalk' is not installed" in capsys.readouterr().err


def test_readers_of_other_languages_are_made_when_it_can_speak_the_first(
    tiny_kokoro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    others_made = threading.Event()
    engine = KokoroEngine(folder=str(tiny_kokoro), threads=1)

    def prepare(language: str) -> None:
        if made:
            assert engine.info.realtime_factor is not None
        made.append(language)
        if made == list(engine.info.languages):
            others_made.set()

    monkeypatch.setattr(engine._reader, "check", lambda language: None)
    monkeypatch.setattr(engine._reader, "prepare", prepare)
    engine.load()
    assert others_made.wait(60)


def test_a_reader_that_cannot_be_made_is_named_and_fails_its_texts_alone(
    tiny_kokoro: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pyopenjtalk.run_frontend", lambda *_, **__: [][0])
    engine = KokoroEngine(folder=str(tiny_kokoro), threads=1)
    engine.load()
    engine._prepare(["en", "ja"])
    assert "Kokoro cannot read 'ja': IndexError.\n" in capsys.readouterr().err
    with pytest.raises(EngineUnavailable, match="cannot read 'ja'"):
        speak(engine, "はい。", language="ja")
    assert len(speak(engine, "Yes."))


@pytest.mark.parametrize(("factor", "open_streams"), [(0.3, 16), (0.01, 32), (None, 2)])
def test_with_windows_more_streams_are_open_than_compute_as_its_speed_allows(
    tiny_kokoro: Path, monkeypatch: pytest.MonkeyPatch, factor: float | None, open_streams: int
) -> None:
    monkeypatch.setattr("saystream.engines.kokoro.engine.StreamingModel", WholeModel)
    monkeypatch.setattr(KokoroEngine, "_measured_factor", lambda self, request: factor)
    engine = KokoroEngine(folder=str(tiny_kokoro), threads=1, concurrency=2)
    engine.load()
    assert (engine.info.parallel, engine.info.concurrency) == (2, open_streams)


def test_it_runs_as_many_passes_at_once_as_the_cores_allow(
    tiny_kokoro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cores, threads, passes in ((1, 2, 1), (2, 2, 1), (8, 2, 4), (8, 3, 2)):
        monkeypatch.setattr("saystream.engines.kokoro.engine.num_cores", lambda cores=cores: cores)
        engine = KokoroEngine(folder=str(tiny_kokoro), threads=threads)
        engine.load()
        assert engine.info.concurrency == passes
