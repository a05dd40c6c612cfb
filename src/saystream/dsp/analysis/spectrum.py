"""The long-term spectrum of speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["BANDS_HZ", "band_levels_db", "tilt_db"]

BANDS_HZ = tuple(100 * 2 ** (third / 3) for third in range(20))
"""Centres of the bands, a third of an octave apart: 100 Hz to 8 kHz."""

_FRAME_S = 0.032
_LOUD_DB = -30.0
"""Of the loudest frame: quieter ones are pauses."""
_FLOOR = 1e-10
_TILT_HZ = (300.0, 4000.0)


def band_levels_db(samples: Samples, sample_rate: int) -> NDArray[np.float64]:
    """Mean power in each of ``BANDS_HZ`` while something is said, in decibels, with a mean of 0; NaN for bands beyond
    the sample rate, and for all if nothing is said."""
    length = round(_FRAME_S * sample_rate)
    levels = np.full(len(BANDS_HZ), np.nan)
    if len(samples) < length:
        return levels
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: length // 2] * np.hanning(length)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    loudness = power.sum(axis=1)
    if loudness.max() <= _FLOOR:
        return levels
    mean = power[loudness > loudness.max() * 10 ** (_LOUD_DB / 10)].mean(axis=0)
    sums = np.concatenate([[0.0], np.cumsum(mean)])
    edges = np.array(BANDS_HZ)[:, np.newaxis] * 2 ** (np.array([-1, 1]) / 6)
    places = edges * length / sample_rate
    inside = edges[:, 1] <= sample_rate / 2
    between = np.interp(places, np.arange(len(sums)) - 0.5, sums)
    band = (between[:, 1] - between[:, 0])[inside] / np.diff(places[inside])[:, 0]
    levels[inside] = 10 * np.log10(band + _FLOOR)
    around_zero: NDArray[np.float64] = levels - np.nanmean(levels)
    return around_zero


def tilt_db(levels: NDArray[np.float64]) -> float:
    """How much the levels of ``band_levels_db`` fall or rise for each octave, between 300 Hz and 4 kHz; 0 if they are
    not known."""
    octaves = np.log2(BANDS_HZ)
    lowest, highest = np.log2(_TILT_HZ)
    known = np.isfinite(levels) & (octaves >= lowest) & (octaves <= highest)
    return float(np.polyfit(octaves[known], levels[known], 1)[0]) if known.sum() > 1 else 0.0
