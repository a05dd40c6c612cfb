from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saystream.dsp.pitch import median_pitch_hz
from saystream.engines.kokoro.model import WholeModel
from saystream.engines.kokoro.runtime import Interrupt, Interrupted
from saystream.engines.kokoro.styles import MAX_SYMBOLS, Styles

from .tiny_model import EDGE_SAMPLES, SYMBOL_SAMPLES, write_tiny_kokoro


@pytest.fixture(scope="module")
def model(tiny_kokoro: Path) -> WholeModel:
    return WholeModel(tiny_kokoro / "model.onnx", Styles(tiny_kokoro / "voices"), threads=1)


def speak(model: WholeModel, symbols: str, **options: Any) -> np.ndarray:
    (step,) = model.read(symbols, options.pop("voice", {"af_heart": 1.0}), **options).steps
    return step()


@pytest.mark.parametrize("length", [1, 2, 100, MAX_SYMBOLS])
def test_each_symbol_and_both_edges_are_spoken(model: WholeModel, length: int) -> None:
    sound = speak(model, "a" * length)
    assert sound.dtype == np.float32
    assert len(sound) == length * SYMBOL_SAMPLES + 2 * EDGE_SAMPLES


def test_speed_is_the_models_own(model: WholeModel) -> None:
    assert len(speak(model, "a" * 20, speed=2.0)) == 10 * SYMBOL_SAMPLES + EDGE_SAMPLES


def test_the_sound_is_that_of_the_style(model: WholeModel) -> None:
    """The hum takes the mean of the whole style for its pitch, of which the timbre is half."""
    mixed = speak(model, "a" * 20, voice={"af_heart": 0.75, "am_adam": 0.25})
    assert median_pitch_hz(mixed, 24000) == pytest.approx(180, rel=0.01)
    other_timbre = speak(model, "a" * 20, voice={"am_adam": 1.0}, timbre={"af_heart": 1.0})
    assert median_pitch_hz(other_timbre, 24000) == pytest.approx(160, rel=0.01)


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_it_tells_when_each_symbol_is_heard(model: WholeModel, speed: float) -> None:
    reading = model.read("abc", {"af_heart": 1.0}, speed=speed)
    early_ms = 37.5 / speed
    assert reading.bounds_ms == pytest.approx(
        [(500 + 50 * place) / speed - early_ms for place in range(4)], abs=0.1
    )
    assert reading.bounds_ms is not None
    assert reading.bounds_ms[-1] < len(reading.steps[0]()) / 24


def test_an_export_that_does_not_know_the_times_tells_none(tmp_path: Path) -> None:
    folder = write_tiny_kokoro(tmp_path, timed=False)
    model = WholeModel(folder / "model.onnx", Styles(folder / "voices"), threads=1)
    assert model.read("abc", {"af_heart": 1.0}).bounds_ms is None


def test_what_is_no_symbol_is_a_bug_of_the_caller(model: WholeModel) -> None:
    with pytest.raises(KeyError):
        speak(model, "漢")


def test_a_pass_can_be_interrupted(model: WholeModel) -> None:
    interrupt = Interrupt()
    interrupt()
    with pytest.raises(Interrupted):
        speak(model, "a", interrupt=interrupt)
    assert len(speak(model, "a", interrupt=Interrupt())) > 0


def test_several_threads_may_speak_at_once(model: WholeModel) -> None:
    alone = [speak(model, "a" * length) for length in (30, 60, 90)]
    together: dict[int, np.ndarray] = {}

    def speak_numbered(number: int, length: int) -> None:
        together[number] = speak(model, "a" * length)

    threads = [threading.Thread(target=speak_numbered, args=each) for each in enumerate((30, 60, 90))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, sound in enumerate(alone):
        np.testing.assert_array_equal(together[number], sound)
