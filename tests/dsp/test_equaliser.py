from __future__ import annotations

import numpy as np
import pytest

from saystream.dsp.analysis.spectrum import BANDS_HZ
from saystream.dsp.equaliser import Equaliser
from saystream.dsp.stage import flush_all, push_all

RATE = 24000


def equalised(samples: np.ndarray, gains: np.ndarray, *sizes: int) -> np.ndarray:
    stage = Equaliser(RATE, gains.tolist())
    pieces = np.split(samples, np.cumsum(sizes)) if sizes else [samples]
    return np.concatenate([*push_all([stage], pieces), *flush_all([stage])])


def sine(hertz: float) -> np.ndarray:
    return np.asarray(0.5 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE), np.float32)


@pytest.mark.parametrize(("hertz", "gain_db"), [(400.0, -9.0), (3200.0, 6.0), (1600.0, 0.0)])
def test_each_band_has_its_gain(hertz: float, gain_db: float) -> None:
    octaves = np.log2(BANDS_HZ)
    gains = np.interp(octaves, np.log2([400, 800, 1600, 2000, 3200]), [-9, -4, 0, 0, 6])
    middle = slice(RATE // 4, 3 * RATE // 4)
    before, after = sine(hertz)[middle], equalised(sine(hertz), gains)[middle]
    assert 20 * np.log10(after.std() / before.std()) == pytest.approx(gain_db, abs=0.7)


def test_without_gains_a_sound_stays_as_it_is_and_where_it_is() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 5000).astype(np.float32)
    np.testing.assert_allclose(equalised(noise, np.zeros(len(BANDS_HZ))), noise, atol=1e-5)


def test_it_does_not_matter_how_the_sound_was_cut() -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, 5000).astype(np.float32)
    gains = np.linspace(-6, 6, len(BANDS_HZ))
    whole = equalised(noise, gains)
    assert len(whole) == len(noise)
    np.testing.assert_allclose(equalised(noise, gains, 1, 30, 7, 2000), whole, atol=1e-6)


def test_a_sound_that_is_shorter_than_the_filter_comes_out_at_the_end() -> None:
    assert len(equalised(sine(400)[:20], np.zeros(len(BANDS_HZ)))) == 20
