"""The pitch of a voice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["median_pitch_hz"]


def median_pitch_hz(samples: Samples, sample_rate: int) -> float | None:
    """Median fundamental frequency of the voiced parts, found by autocorrelation between 60 and 500 Hz; ``None`` if
    less than a fifth of the audible parts is voiced."""
    length = sample_rate * 60 // 1000
    num_frames = (len(samples) - length) // (length // 2) + 1
    if num_frames < 1:
        return None
    frames = np.stack([samples[start * (length // 2) :][:length] for start in range(num_frames)]).astype(
        float
    )
    loudness = np.sqrt((frames**2).mean(axis=1))
    frames = frames[loudness > 0.2 * loudness.max()]
    window = np.hanning(length)
    correlation = _autocorrelation((frames - frames.mean(axis=1, keepdims=True)) * window)
    correlation /= np.maximum(_autocorrelation(window[np.newaxis]), 1e-3)
    shortest, longest = sample_rate // 500, sample_rate // 60
    pitches = [sample_rate / lag for row in correlation if (lag := _period(row, shortest, longest))]
    return float(np.median(pitches)) if len(pitches) > len(frames) / 5 else None


def _autocorrelation(frames: Any) -> Any:
    """For each row, scaled to 1 at lag 0."""
    length = frames.shape[1]
    rows = np.fft.irfft(np.abs(np.fft.rfft(frames, 2 * length, axis=1)) ** 2, axis=1)[:, :length]
    return rows / np.maximum(rows[:, :1], 1e-12)


def _period(correlation: Any, shortest: int, longest: int) -> int:
    """The first lag that is nearly the best: later ones are its multiples. 0 if the frame is not voiced."""
    part = correlation[shortest:longest]
    if part.max() < 0.6:
        return 0
    peaks = (part[1:-1] >= part[:-2]) & (part[1:-1] >= part[2:]) & (part[1:-1] > 0.85 * part.max())
    return int(shortest + 1 + peaks.argmax()) if peaks.any() else 0
