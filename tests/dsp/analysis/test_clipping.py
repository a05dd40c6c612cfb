from __future__ import annotations

import numpy as np
import pytest

from hums import syllables
from saystream.dsp.analysis.clipping import clipped_share


def voice() -> np.ndarray:
    """As loud at its peaks as speech is: they are far above the rest."""
    return syllables(16, 4.0) / np.float32(0.4)


def test_a_voice_is_at_its_peak_for_moments() -> None:
    assert clipped_share(voice()) < 0.05


@pytest.mark.parametrize("gain", [3.0, 6.0])
def test_what_is_cut_off_stays_at_its_peak(gain: float) -> None:
    assert clipped_share(np.clip(voice() * gain, -0.8, 0.8)) > 0.15


def test_a_click_does_not_hide_it() -> None:
    cut_off = np.clip(voice() * 6, -0.5, 0.5)
    cut_off[1000] = 1.0
    assert clipped_share(cut_off) > 0.15


def test_what_is_quiet_or_not_there_is_not_cut_off() -> None:
    assert clipped_share(np.full(1000, 0.05, np.float32)) == 0
    assert clipped_share(np.zeros(0, np.float32)) == 0
