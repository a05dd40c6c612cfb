from __future__ import annotations

import numpy as np
import pytest

from hums import RATE, hum, syllables
from saystream.dsp.analysis.activity import ANALYSIS_RATE, quantile, speech_activity

SPEECH = syllables(16, 4.0)


def pause(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def noise(like: np.ndarray, level: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, level, len(like)).astype(np.float32)


def test_speech_is_found_between_silences() -> None:
    found = speech_activity(np.concatenate([pause(1), SPEECH, pause(1.5)]))
    ((start, end),) = found.stretches
    assert [start, end] == pytest.approx([100, 500], abs=15)
    assert found.speech_s == found.longest_s == pytest.approx(4, abs=0.3)
    assert found.contour[found.voiced].mean() == pytest.approx(120, abs=2)
    assert found.snr_db > 70


def test_a_short_pause_joins_and_a_long_one_parts() -> None:
    short = speech_activity(np.concatenate([SPEECH, pause(0.6), SPEECH]))
    assert len(short.stretches) == 2 and len(short.runs) == 1
    assert short.longest_s == pytest.approx(8.6, abs=0.3)
    parted = speech_activity(np.concatenate([SPEECH, pause(1.2), SPEECH]))
    assert len(parted.runs) == 2
    assert parted.longest_s == pytest.approx(4, abs=0.3)
    assert parted.speech_s == pytest.approx(8, abs=0.5)


def test_a_pulse_is_no_stretch_of_speech() -> None:
    pulse = hum(120, 0.1)[: round(0.09 * RATE)]
    found = speech_activity(np.concatenate([SPEECH, pause(1), pulse, pause(1)]))
    assert len(found.stretches) == 1


@pytest.mark.parametrize("level", [0.1, 0.03, 0.01])
def test_the_noise_beside_the_speech_is_measured(level: float) -> None:
    sound = np.concatenate([pause(1), SPEECH, pause(1)])
    found = speech_activity(sound + noise(sound, level))
    loudness = SPEECH.std() / level
    assert found.snr_db == pytest.approx(20 * np.log10(loudness), abs=4)


def test_without_any_rest_the_quietest_parts_are_the_noise() -> None:
    found = speech_activity(SPEECH + noise(SPEECH, 0.001))
    assert 20 < found.snr_db < 60


@pytest.mark.parametrize("sound", [noise(SPEECH, 0.1), hum(220, 4.0), pause(4), pause(0.01), pause(0)])
def test_nobody_speaks_in_noise_a_tone_or_silence(sound: np.ndarray) -> None:
    found = speech_activity(sound)
    assert (found.stretches, found.speech_s, found.longest_s, found.snr_db) == ((), 0, 0, -20)


def test_a_recording_of_more_than_one_block_is_as_if_it_were_one() -> None:
    assert ANALYSIS_RATE == RATE
    long = speech_activity(np.tile(SPEECH, 6))
    assert len(long.runs) == 1
    assert long.speech_s == pytest.approx(24, abs=0.5)


def test_a_quantile_is_one_of_the_values() -> None:
    values = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    assert [quantile(values, share) for share in (0.0, 0.5, 1.0)] == [1, 3, 5]
