import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.conformance import check_engine
from saystream.dsp.pitch import median_pitch_hz
from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.registry import load_engine_class
from saystream.engines.supertonic import SupertonicEngine
from saystream.errors import ConfigurationError, EngineUnavailable, InvalidValue, ModelMissing

from .tiny_supertonic import SAMPLE_RATE, VOICES, make_model

SENTENCE = "The train to the airport leaves at half past nine tomorrow morning."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("supertonic"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> SupertonicEngine:
    loaded = SupertonicEngine(folder=str(folder), steps=5, threads=1)
    loaded.load()
    return loaded


def speak(
    engine: SupertonicEngine, text: str, voice: str = "F1", language: str = "en", **request: Any
) -> np.ndarray:
    stream = engine.open(SynthesisRequest(voice, language, **request))
    stream.push(Span(text))
    stream.end_input()
    return np.concatenate([*(chunk.samples for chunk in stream.chunks()), np.zeros(0, np.float32)])


def test_it_conforms(folder: Path) -> None:
    assert check_engine(SupertonicEngine(folder=str(folder), steps=5)) == []


def test_it_registers_by_entry_point() -> None:
    assert load_engine_class("supertonic") is SupertonicEngine


def test_it_says_what_it_is(engine: SupertonicEngine) -> None:
    info = engine.info
    assert (info.sample_rate, info.normalizes_text) == (44_100, False)
    assert info.voices == ("F1", "F2", "M1", "M2")
    assert len(info.languages) == 31
    assert set(info.languages.values()) == {"native"}
    assert {"de", "ru", "ko"} <= set(info.languages)
    assert "zh" not in info.languages


@pytest.mark.parametrize("voice", VOICES)
def test_a_voice_is_its_own_in_every_language(engine: SupertonicEngine, voice: str) -> None:
    for text, language in [(SENTENCE, "en"), ("Der Zug fährt morgen früh um halb zehn ab.", "de")]:
        assert median_pitch_hz(speak(engine, text, voice, language), SAMPLE_RATE) == pytest.approx(
            VOICES[voice], rel=0.03
        )


class Noting(SupertonicEngine):
    """Notes what the model starts from."""

    noises: list[np.ndarray]

    def _noise(self, duration_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        noise, mask = super()._noise(duration_s)
        self.noises.append(noise)
        return noise, mask


def test_the_same_seed_begins_with_the_same_noise_and_another_with_another(folder: Path) -> None:
    engine = Noting(folder=str(folder), steps=5, threads=1)
    engine.noises = []
    engine.load()
    engine.noises.clear()
    for seed in (7, 7, 8, None, None):
        speak(engine, "Hello.", seed=seed)
    first, again, *others = engine.noises
    np.testing.assert_array_equal(first, again)
    assert all(not np.array_equal(noise, first) for noise in others)
    assert not np.array_equal(others[1], others[2])
    assert 0.5 < first.std() < 1.5


def test_the_language_is_told_to_the_model(engine: SupertonicEngine) -> None:
    """It is in tags around the text, whose letters are heard in the loudness of this model."""
    texts = {language: speak(engine, "1 2 3 4 5", language=language) for language in ("en", "ru", "ko")}
    assert len({sound.tobytes() for sound in texts.values()}) == 3


@pytest.mark.parametrize("speed", [0.5, 0.7, 1.0, 1.4, 1.9, 2.5])
def test_the_speed_follows_also_beyond_the_range_of_the_model(engine: SupertonicEngine, speed: float) -> None:
    heard = len(speak(engine, SENTENCE)) / len(speak(engine, SENTENCE, speed=speed))
    assert heard == pytest.approx(speed, rel=0.01)


def test_the_noise_that_fills_the_last_frame_is_cut(engine: SupertonicEngine) -> None:
    """A frame is 3072 samples; the length of the text is not."""
    assert len(speak(engine, SENTENCE)) % 3072 != 0


@pytest.mark.parametrize(("language", "limit"), [("en", 300), ("ko", 120), ("ja", 120)])
def test_a_long_text_is_spoken_part_by_part_and_whole(
    engine: SupertonicEngine, language: str, limit: int
) -> None:
    text = "a " * limit + "and then. " + "b " * limit
    alone = sum(
        len(speak(engine, part, language=language)) for part in ("a " * limit, "and then.", "b " * limit)
    )
    stream = engine.open(SynthesisRequest("F1", language))
    stream.push(Span(text))
    stream.end_input()
    assert sum(len(chunk.samples) for chunk in stream.chunks()) == pytest.approx(alone, rel=0.05)


@pytest.mark.parametrize("text", ["x" * 2000, "word " * 400, "one, two " * 300, "ab. " * 500])
def test_a_text_without_an_end_comes_in_pieces(engine: SupertonicEngine, text: str) -> None:
    stream = engine.open(SynthesisRequest("M1", "en"))
    stream.push(Span(text))
    stream.end_input()
    chunks = stream.chunks()
    assert 0 < len(next(chunks).samples) <= SAMPLE_RATE // 5
    stream.cancel()
    assert list(chunks) == []


@pytest.mark.parametrize("text", ["", " \n", "…?! -- ,;", "😀", "你好", "\x00", "\ud800"])
def test_what_the_model_has_no_number_for_is_passed_over(engine: SupertonicEngine, text: str) -> None:
    assert len(speak(engine, text)) == 0


def test_what_is_left_out_is_told_once_for_each_script_and_never_letter_by_letter(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = SupertonicEngine(folder=str(folder), steps=5)
    engine.load()
    for text in ("Hello 你好.", "Hello 世界.", "𐎀"):
        speak(engine, text)
    assert sorted(capfd.readouterr().err.splitlines()) == [
        "Supertonic has no number for some characters of the kind CJK; they are left out.",
        "Supertonic has no number for some characters of the kind UGARITIC; they are left out.",
    ]


@settings(max_examples=30, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=80),
    language=st.sampled_from(["en", "ko", "ru"]),
)
def test_any_text_gives_audio_or_nothing(engine: SupertonicEngine, text: str, language: str) -> None:
    sound = speak(engine, text, language=language)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()


@pytest.mark.parametrize("fields", [{"voice": "F9"}, {"language": "zh"}], ids=str)
def test_an_unknown_voice_or_language_is_refused(engine: SupertonicEngine, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(fields))):
        speak(engine, "Hello.", **fields)


@pytest.mark.parametrize(
    "option", [{"steps": 4}, {"steps": 13}, {"threads": 0}, {"concurrency": 0}, {"voice": "F1"}], ids=str
)
def test_an_option_that_cannot_be_is_refused_by_name(option: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        SupertonicEngine(**option)


def test_without_weights_it_downloads_nothing_and_says_which_command_gets_them() -> None:
    with pytest.raises(ModelMissing, match="saystream models pull supertonic-3$") as missing:
        SupertonicEngine().load()
    assert {"de", "ru", "ko"} <= set(missing.value.languages)


@pytest.mark.parametrize(
    "file",
    [
        "onnx/vocoder.onnx",
        "onnx/tts.json",
        "onnx/unicode_indexer.json",
        "voice_styles",
        "voice_styles/F1.json",
    ],
)
@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_folder_that_is_not_complete_is_refused_by_its_name(tmp_path: Path, file: str, fault: str) -> None:
    path = make_model(tmp_path, {"F1": 200.0}) / file
    for part in [path] if path.is_file() else list(path.iterdir()):
        if fault == "missing":
            part.unlink()
        else:
            part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with pytest.raises(EngineUnavailable, match=f"{tmp_path} holds no Supertonic model"):
        SupertonicEngine(folder=str(tmp_path)).load()


def test_its_import_and_its_loading_are_silent_and_ask_nobody(folder: Path) -> None:
    program = f"""
import socket
def refuse(*_):
    raise AssertionError("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
from saystream.engines.supertonic import SupertonicEngine
SupertonicEngine(folder={str(folder)!r}).load()
import sys
assert "huggingface_hub" not in sys.modules
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
