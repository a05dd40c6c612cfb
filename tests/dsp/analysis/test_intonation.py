from __future__ import annotations

import numpy as np
import pytest

from hums import RATE, hum
from saystream.dsp.analysis.intonation import FRAME_S, intonation_hz


@pytest.mark.parametrize("hertz", [75, 110, 200, 333, 450])
def test_the_pitch_of_a_steady_voice_is_found(hertz: float) -> None:
    contour = intonation_hz(hum(hertz, 0.6), RATE)
    assert (contour > 0).all()
    np.testing.assert_allclose(contour, hertz, rtol=0.01)


def test_a_pitch_that_rises_is_followed() -> None:
    rising = np.geomspace(100, 200, RATE)
    contour = intonation_hz(hum(rising, 1.0), RATE)
    expected = np.geomspace(100, 200, 100)[2:-2][: len(contour)]
    np.testing.assert_allclose(contour[: len(expected)], expected, rtol=0.03)


def test_noise_and_silence_have_no_pitch_and_a_voice_between_them_has() -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, RATE // 2).astype(np.float32)
    silence = np.zeros(RATE // 2, np.float32)
    contour = intonation_hz(np.concatenate([noise, hum(150, 0.5), silence]), RATE)
    at = round(0.5 / FRAME_S)
    assert (contour[: at - 5] == 0).mean() > 0.9
    assert (contour[at : 2 * at - 5] > 0).all()
    assert (contour[2 * at :] == 0).all()


def test_a_sound_shorter_than_a_frame_has_no_contour() -> None:
    assert len(intonation_hz(hum(150, 0.04), RATE)) == 0


def test_digital_silence_has_no_pitch() -> None:
    contour = intonation_hz(np.zeros(RATE, np.float32), RATE)
    assert len(contour) > 90
    assert not contour.any()
