"""The fundamental frequency of speech over time.

The method is Boersma's (1993): the autocorrelation of a windowed frame, divided by that of its window, has a peak at
each possible period; the path through the frames that is strong and jumps little is the contour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["FRAME_S", "HIGHEST_HZ", "LOWEST_HZ", "intonation_hz"]

FRAME_S = 0.01
"""Between two values of a contour."""

LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0

_WINDOW_S = 3 / LOWEST_HZ
_TOP_HZ = 4000.0
"""Above, there is more noise than voice."""
_CANDIDATES = 5
_QUIET = 0.03
"""Of the loudest frame: quieter ones are less likely to be voiced."""
_VOICED = 0.45
_OCTAVE_COST = 0.02
"""What a candidate loses for each octave below the highest: a period is also a period twice as long."""
_JUMP_COST = 0.35
"""For each octave between two frames…"""
_CHANGE_COST = 0.14
"""…and between voiced and unvoiced."""
_SMALLEST = 1e-12


def intonation_hz(samples: Samples, sample_rate: int) -> NDArray[np.float64]:
    """The contour, one value for each ``FRAME_S``; 0 where there is no voice, none if ``samples`` are shorter than a
    frame of 50 ms."""
    length = round(_WINDOW_S * sample_rate)
    hop = round(FRAME_S * sample_rate)
    if len(samples) < length:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), length)[::hop]
    frames = frames - frames.mean(axis=1, keepdims=True)
    window = np.hanning(length)
    correlation = _autocorrelation(frames * window, sample_rate) / np.maximum(
        _autocorrelation(window[np.newaxis], sample_rate), 1e-3
    )
    hertz, strength = _candidates(correlation, sample_rate)
    peaks = np.abs(frames).max(axis=1)
    loudness = peaks / max(float(peaks.max()), _SMALLEST)
    silence = _VOICED + np.maximum(0.0, 2 - loudness / _QUIET / (1 + _VOICED))
    return _best_path(np.column_stack([np.zeros(len(hertz)), hertz]), np.column_stack([silence, strength]))


def _autocorrelation(frames: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """For each row, up to the longest period, scaled to 1 at lag 0."""
    size = 1 << (2 * frames.shape[1] - 1).bit_length()
    power = np.abs(np.fft.rfft(frames, size, axis=1)) ** 2
    power[:, round(_TOP_HZ * size / sample_rate) :] = 0.0
    lags = np.fft.irfft(power, axis=1)[:, : round(sample_rate / LOWEST_HZ) + 2]
    return lags / np.maximum(lags[:, :1], _SMALLEST)


def _candidates(
    correlation: NDArray[np.float64], sample_rate: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The frequencies and strengths of the highest peaks, each of shape ``(num_frames, _CANDIDATES)``; where there are
    fewer, a strength far below any other."""
    shortest = int(sample_rate / HIGHEST_HZ)
    before, here, after = (
        correlation[:, shortest - 1 + shift : correlation.shape[1] - 2 + shift] for shift in range(3)
    )
    lag = np.arange(here.shape[1]) + shortest
    curve = np.minimum(before - 2 * here + after, -_SMALLEST)
    offset = 0.5 * (before - after) / curve
    is_peak = (here >= before) & (here > after) & (here > 0)
    height = np.minimum(here - 0.25 * (before - after) * offset, 1.0)
    octaves = np.log2(HIGHEST_HZ * lag / sample_rate)
    score = np.where(is_peak, height - _OCTAVE_COST * octaves, -9.0)
    chosen = np.argsort(-score, axis=1)[:, :_CANDIDATES]
    offsets = np.take_along_axis(np.where(is_peak, offset, 0.0), chosen, axis=1)
    return sample_rate / (lag[chosen] + offsets), np.take_along_axis(score, chosen, axis=1)


def _best_path(hertz: NDArray[np.float64], strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """One of the candidates of each frame: those whose strengths less the costs between them add up to most."""
    voiced = hertz > 0
    octave = np.log2(np.where(voiced, hertz, 1.0))
    total = strength[0]
    came_from = np.zeros(hertz.shape, np.intp)
    for frame in range(1, len(hertz)):
        jump = _JUMP_COST * np.abs(octave[frame][:, np.newaxis] - octave[frame - 1])
        both = voiced[frame][:, np.newaxis] & voiced[frame - 1]
        change = voiced[frame][:, np.newaxis] != voiced[frame - 1]
        reached = total - np.where(both, jump, np.where(change, _CHANGE_COST, 0.0))
        came_from[frame] = reached.argmax(axis=1)
        total = strength[frame] + reached.max(axis=1)
    path = np.zeros(len(hertz), np.intp)
    path[-1] = total.argmax()
    for frame in range(len(hertz) - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return hertz[np.arange(len(hertz)), path]
