from __future__ import annotations

import numpy as np
import pytest

from hums import RATE, hum
from saystream.dsp.analysis.activity import speech_activity
from saystream.dsp.analysis.speakers import _distance_of_halves, speaker_distance


def speaker(hertz: float, tilt: float, seconds: float = 6.0) -> np.ndarray:
    """Syllables whose pitch and colour wander."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    dull = hum(hertz * (1 + 0.05 * np.sin(2 * np.pi * 0.9 * time_s)), seconds, tilt=tilt)
    bright = hum(hertz * (1 + 0.05 * np.sin(2 * np.pi * 1.1 * time_s)), seconds, tilt=tilt + 4)
    share = 0.5 + 0.5 * np.sin(2 * np.pi * 1.7 * time_s)
    swell = np.sin(np.pi * 4 * time_s) ** 2
    return np.asarray((share * dull + (1 - share) * bright) * (0.02 + swell), np.float32)


def distance(sound: np.ndarray) -> float:
    return speaker_distance(sound, speech_activity(sound))


@pytest.mark.parametrize("hertz, tilt", [(110, -6), (210, -12)])
def test_one_speaker_is_near_to_himself(hertz: float, tilt: float) -> None:
    assert distance(speaker(hertz, tilt, 12.0)) < 4


def test_two_speakers_are_far_apart() -> None:
    assert distance(np.concatenate([speaker(110, -6), speaker(210, -12)])) > 8


def test_too_little_speech_says_nothing() -> None:
    assert distance(speaker(110, -6, 2.0)) == 0
    assert distance(np.zeros(0, np.float32)) == 0
    assert distance(np.zeros(100, np.float32)) == 0


def test_a_machine_that_repeats_itself_is_one_speaker() -> None:
    assert _distance_of_halves(np.ones((5, 3))) == 0
