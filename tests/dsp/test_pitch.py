from __future__ import annotations

import numpy as np
import pytest

from saystream.dsp.pitch import median_pitch_hz


@pytest.mark.parametrize("pitch_hz", [80, 120, 220, 400])
def test_the_pitch_of_pulses_is_found(pitch_hz: int) -> None:
    pulses = np.diff(np.floor(np.arange(24001) * pitch_hz / 24000)).astype(np.float32)
    assert median_pitch_hz(pulses, 24000) == pytest.approx(pitch_hz, rel=0.02)


def test_noise_silence_and_a_click_have_no_pitch() -> None:
    noise = np.random.default_rng(3).standard_normal(24000).astype(np.float32)
    assert median_pitch_hz(noise, 24000) is None
    assert median_pitch_hz(np.zeros(24000, np.float32), 24000) is None
    assert median_pitch_hz(noise[:100], 24000) is None


def test_the_pitch_of_a_sound_of_any_length_is_found() -> None:
    """Half a frame of 60 ms is no whole number of samples at 22,050 Hz."""
    sound = np.sin(np.arange(3000) * 2 * np.pi * 200 / 22050).astype(np.float32)
    for length in range(1983, 1990):
        assert median_pitch_hz(sound[:length], 22050) == pytest.approx(200, rel=0.02)
