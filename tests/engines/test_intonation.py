from __future__ import annotations

import numpy as np
import pytest

from saystream.engines.intonation import intoned

F0 = np.array([0, 180, 200, 220, 0, 200, 260, 20], np.float32)
VOICED = F0 > 40


def semitones(f0: np.ndarray) -> np.ndarray:
    return np.asarray(12 * np.log2(f0[VOICED] / np.median(F0[VOICED])))


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0, 1.7])
def test_distances_from_the_median_are_as_wide_as_asked(ratio: float) -> None:
    changed = intoned(F0, ratio)
    np.testing.assert_allclose(semitones(changed), ratio * semitones(F0), atol=1e-3)
    np.testing.assert_array_equal(changed[~VOICED], F0[~VOICED])
    assert changed.dtype == F0.dtype


def test_no_frame_gets_farther_than_an_octave_and_one_that_is_farther_stays() -> None:
    f0 = np.array([100, 100, 100, 190, 60, 230, 45], np.float32)
    changed = intoned(f0, 2.0)
    assert changed.tolist() == pytest.approx([100, 100, 100, 200, 50, 230, 45])


@pytest.mark.parametrize("f0", [np.zeros(5, np.float32), np.zeros(0, np.float32)])
def test_without_a_voice_nothing_changes(f0: np.ndarray) -> None:
    assert intoned(f0, 1.5) is f0
