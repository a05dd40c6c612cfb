"""How fast somebody speaks.

The method is that of De Jong and Wempe (2009): a syllable is a voiced peak of loudness between two dips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saystream.dsp.analysis.intonation import FRAME_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["syllables_per_s"]

_WINDOW_FRAMES = 5
_DIP_DB = 2.0
_LOUD_DB = -25.0
"""Of the loudest part: what is quieter is a pause."""
_LEAST_PAUSE_FRAMES = 30
_FLOOR = 1e-12


def syllables_per_s(samples: Samples, sample_rate: int, contour: NDArray[np.float64]) -> float:
    """Syllables for each second of speech without its pauses; ``contour`` is what ``intonation_hz`` found. 0 if nothing
    is said."""
    if not len(contour):
        return 0.0
    level = _levels_db(samples, sample_rate)[: len(contour)]
    loud = level > level.max() + _LOUD_DB
    speaking_s = FRAME_S * (len(level) - _pause_frames(loud))
    peaks = [peak for peak in _peaks(level) if loud[peak] and contour[peak] > 0]
    return len(peaks) / speaking_s


def _levels_db(samples: Samples, sample_rate: int) -> NDArray[np.float64]:
    """For each frame, smooth enough that a syllable is one peak."""
    hop = round(FRAME_S * sample_rate)
    count = len(samples) // hop
    power = (samples[: count * hop].astype(np.float64).reshape(count, hop) ** 2).mean(axis=1)
    window = np.hanning(_WINDOW_FRAMES + 2)
    return 10 * np.log10(np.convolve(power, window / window.sum(), mode="same")[:count] + _FLOOR)


def _pause_frames(loud: NDArray[np.bool_]) -> int:
    """How many quiet frames belong to stretches that are too long for a consonant."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], loud, [True]]).astype(int)))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= _LEAST_PAUSE_FRAMES].sum())


def _peaks(level: NDArray[np.float64]) -> list[int]:
    """Frames that are louder than the dips before and after them by ``_DIP_DB``."""
    peaks: list[int] = []
    highest, lowest = 0, 0
    rising = True
    for frame, here in enumerate(level):
        if rising and here > level[highest]:
            highest = frame
        elif not rising and here < level[lowest]:
            lowest = frame
        if rising and here < level[highest] - _DIP_DB:
            peaks.append(highest)
            rising, lowest = False, frame
        elif not rising and here > level[lowest] + _DIP_DB:
            rising, highest = True, frame
    return peaks
