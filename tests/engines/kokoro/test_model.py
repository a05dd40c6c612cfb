from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from saystream.dsp.pitch import median_pitch_hz
from saystream.engines.kokoro.model import MAX_SYMBOLS, Interrupt, KokoroModel
from saystream.errors import EngineUnavailable

from .tiny_model import EDGE_SAMPLES, SYMBOL_SAMPLES, write_tiny_kokoro


@pytest.fixture(scope="module")
def model(tiny_kokoro: Path) -> KokoroModel:
    return KokoroModel(tiny_kokoro, threads=1)


def test_the_voices_are_the_files(model: KokoroModel) -> None:
    assert model.voices == ("af_heart", "am_adam", "bf_emma", "zf_xiaoxiao")


@pytest.mark.parametrize("length", [1, 2, 100, MAX_SYMBOLS])
def test_each_symbol_and_both_edges_are_spoken(model: KokoroModel, length: int) -> None:
    sound = model.speak("a" * length, {"af_heart": 1.0})
    assert sound.dtype == np.float32
    assert len(sound) == length * SYMBOL_SAMPLES + 2 * EDGE_SAMPLES


def test_speed_is_the_models_own(model: KokoroModel) -> None:
    assert len(model.speak("a" * 20, {"af_heart": 1.0}, speed=2.0)) == 10 * SYMBOL_SAMPLES + EDGE_SAMPLES


def test_a_mix_has_the_weighted_mean_of_the_styles(model: KokoroModel) -> None:
    sound = model.speak("a" * 20, {"af_heart": 0.75, "am_adam": 0.25})
    assert median_pitch_hz(sound, 24000) == pytest.approx(180, rel=0.01)


def test_what_is_no_symbol_is_a_bug_of_the_caller(model: KokoroModel) -> None:
    with pytest.raises(KeyError):
        model.speak("漢", {"af_heart": 1.0})


def test_an_interrupted_pass_gives_nothing(model: KokoroModel) -> None:
    interrupt = Interrupt()
    interrupt()
    assert len(model.speak("a", {"af_heart": 1.0}, interrupt=interrupt)) == 0
    assert len(model.speak("a", {"af_heart": 1.0}, interrupt=Interrupt())) > 0


def test_several_threads_may_speak_at_once(model: KokoroModel) -> None:
    alone = [model.speak("a" * length, {"af_heart": 1.0}) for length in (30, 60, 90)]
    together: dict[int, np.ndarray] = {}

    def speak(number: int, length: int) -> None:
        together[number] = model.speak("a" * length, {"af_heart": 1.0})

    threads = [threading.Thread(target=speak, args=each) for each in enumerate((30, 60, 90))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, sound in enumerate(alone):
        np.testing.assert_array_equal(together[number], sound)


def test_a_folder_without_a_model_or_without_voices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"model\.onnx and voices"):
        KokoroModel(tmp_path, threads=1)
    folder = write_tiny_kokoro(tmp_path / "kokoro", voices={})
    with pytest.raises(EngineUnavailable, match=r"model\.onnx and voices"):
        KokoroModel(folder, threads=1)


def test_a_file_that_is_no_model_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = write_tiny_kokoro(tmp_path / "kokoro")
    (folder / "model.onnx").write_bytes(b"no model")
    with pytest.raises(EngineUnavailable, match=r"model\.onnx is not a Kokoro model"):
        KokoroModel(folder, threads=1)


def test_a_voice_that_was_cut_off_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = write_tiny_kokoro(tmp_path / "kokoro")
    voice = folder / "voices" / "am_adam.bin"
    voice.write_bytes(voice.read_bytes()[:-4])
    with pytest.raises(
        EngineUnavailable, match=r"am_adam\.bin is not a Kokoro voice: it must be 522240 bytes"
    ):
        KokoroModel(folder, threads=1)


def test_the_timbre_can_be_another_than_the_rest(model: KokoroModel) -> None:
    """The hum takes the mean of the whole style for its pitch, of which the timbre is half."""
    sound = model.speak("a" * 20, {"am_adam": 1.0}, timbre={"af_heart": 1.0})
    assert median_pitch_hz(sound, 24000) == pytest.approx(160, rel=0.01)
