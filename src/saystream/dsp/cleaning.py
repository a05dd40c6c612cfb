"""What is done to a recording of a speaker on request: less noise, and an even volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["evened", "with_less_noise"]

_WINDOW_S = 0.032
_BLOCK_FRAMES = 256
_LEAST_NOISE_FRAMES = 8
_OVERESTIMATE = 4.0
"""Of the noise: what is left of it would sound like birds."""
_LEAST_GAIN = 0.1
_SPEECH_LEVEL = 0.1
_PEAK = 0.95
_SMALLEST = 1e-12

Stretch = tuple[float, float]
"""Start and end, in seconds."""


def with_less_noise(samples: Samples, sample_rate: int, speech: Sequence[Stretch]) -> Samples:
    """``samples`` with steady noise lowered by up to 20 dB, by spectral subtraction (Boll, 1979). What sounds beside
    ``speech`` is the noise; where there is too little beside it, nothing changes."""
    window, hop = _window(sample_rate)
    padded = np.concatenate([np.zeros(hop), samples, np.zeros(2 * len(window))])
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::hop]
    middle_s = np.arange(len(frames)) * hop / sample_rate
    beside = np.ones(len(frames), bool)
    for start, end in speech:
        beside &= (middle_s < start - _WINDOW_S) | (middle_s > end + _WINDOW_S)
    beside &= middle_s < len(samples) / sample_rate
    if beside.sum() < _LEAST_NOISE_FRAMES:
        return samples
    noise = np.mean([_power(frames[index] * window) for index in np.flatnonzero(beside)], axis=0)
    out = np.zeros(len(padded))
    for first in range(0, len(frames), _BLOCK_FRAMES):
        spectra = np.fft.rfft(frames[first : first + _BLOCK_FRAMES] * window, axis=1)
        kept = 1 - _OVERESTIMATE * noise / (np.abs(spectra) ** 2 + _SMALLEST)
        gain = np.sqrt(np.maximum(kept, _LEAST_GAIN**2))
        for index, frame in enumerate(np.fft.irfft(spectra * gain, len(window), axis=1) * window, first):
            out[index * hop : index * hop + len(window)] += frame
    return np.asarray(out[hop : hop + len(samples)], np.float32)


def evened(samples: Samples, sample_rate: int, speech: Sequence[Stretch]) -> Samples:
    """``samples`` made louder or quieter as a whole, so that ``speech`` has a root mean square of -20 dB below full
    scale, unless that would cut off its peaks."""
    parts = [samples[round(start * sample_rate) : round(end * sample_rate)] for start, end in speech]
    power = np.mean(np.square(np.concatenate([*parts, np.zeros(1, np.float32)]), dtype=np.float64))
    peak = float(np.abs(samples).max(initial=0.0))
    if power <= _SMALLEST:
        return samples
    gain = min(_SPEECH_LEVEL / float(np.sqrt(power)), _PEAK / peak)
    return np.asarray(samples * np.float32(gain), np.float32)


def _window(sample_rate: int) -> tuple[NDArray[np.float64], int]:
    """A window whose square adds up to 1 with half of its length between two, and that half."""
    hop = max(1, round(_WINDOW_S * sample_rate / 2))
    return np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop)), hop


def _power(frame: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(np.fft.rfft(frame)) ** 2
