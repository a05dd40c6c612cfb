from __future__ import annotations

import numpy as np
import pytest

from hums import hum
from saystream.dsp.analysis.spectrum import BANDS_HZ, band_levels_db, tilt_db


@pytest.mark.parametrize("tilt", [-12.0, -6.0, 0.0])
def test_the_slope_of_a_voice_is_measured(tilt: float) -> None:
    levels = band_levels_db(hum(100, 1.0, tilt=tilt, rate=24000), 24000)
    assert np.isfinite(levels).all()
    assert levels.mean() == pytest.approx(0, abs=1e-6)
    assert tilt_db(levels) == pytest.approx(tilt, abs=1.0)


def test_bands_beyond_the_sample_rate_are_not_known() -> None:
    levels = band_levels_db(hum(100, 1.0, rate=8000), 8000)
    known = np.isfinite(levels)
    assert known[0]
    assert not known[-1]
    assert max(np.array(BANDS_HZ)[known]) < 4000


def test_pauses_do_not_count() -> None:
    voice = hum(100, 1.0, rate=24000)
    hiss = np.random.default_rng(1).normal(0, 1e-4, 48000).astype(np.float32)
    with_pause = band_levels_db(np.concatenate([voice, hiss]), 24000)
    np.testing.assert_allclose(with_pause, band_levels_db(voice, 24000), atol=0.5)


@pytest.mark.parametrize("samples", [np.zeros(100, np.float32), np.zeros(24000, np.float32)])
def test_of_silence_nothing_is_known(samples: np.ndarray) -> None:
    levels = band_levels_db(samples, 24000)
    assert np.isnan(levels).all()
    assert tilt_db(levels) == 0
