from __future__ import annotations

import numpy as np
import pytest

from hums import RATE, speech
from saystream.dsp.cleaning import evened, with_less_noise

PAUSE = np.zeros(RATE, np.float32)
RECORDING = np.concatenate([PAUSE, speech(4.0), PAUSE])
SPEECH = [(1.0, 5.0)]


def level_db(samples: np.ndarray) -> float:
    return float(20 * np.log10(samples.std()))


def test_noise_becomes_much_quieter_and_speech_stays() -> None:
    noisy = RECORDING + np.random.default_rng(1).normal(0, 0.01, len(RECORDING)).astype(np.float32)
    clean = with_less_noise(noisy, RATE, SPEECH)
    assert clean.dtype == np.float32 and len(clean) == len(noisy)
    assert level_db(clean[: RATE // 2]) < level_db(noisy[: RATE // 2]) - 12
    inside = slice(2 * RATE, 4 * RATE)
    assert level_db(clean[inside]) == pytest.approx(level_db(RECORDING[inside]), abs=0.5)
    assert np.corrcoef(clean[inside], RECORDING[inside])[0, 1] > 0.99


def test_a_clean_recording_comes_back_as_it_was() -> None:
    assert np.abs(with_less_noise(RECORDING, RATE, SPEECH) - RECORDING).max() < 1e-4


def test_without_anything_beside_the_speech_nothing_changes() -> None:
    assert with_less_noise(RECORDING, RATE, [(0.0, 6.0)]) is RECORDING


@pytest.mark.parametrize("gain", [0.05, 1.0, 3.0])
def test_speech_gets_the_same_level_whatever_it_had(gain: float) -> None:
    even = evened(RECORDING * np.float32(gain), RATE, SPEECH)
    assert level_db(even[RATE : 5 * RATE]) == pytest.approx(-20, abs=0.1)


def test_peaks_are_not_cut_off() -> None:
    clicking = RECORDING.copy()
    clicking[0] = 0.9
    even = evened(clicking * np.float32(0.1), RATE, SPEECH)
    assert np.abs(even).max() == pytest.approx(0.95, abs=0.01)


def test_silence_stays_silent() -> None:
    assert evened(PAUSE, RATE, [(0.0, 1.0)]) is PAUSE
    assert evened(PAUSE, RATE, []) is PAUSE
