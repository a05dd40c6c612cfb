"""Sounds that are made like a voice, with a pitch and a pace that are known."""

from __future__ import annotations

import numpy as np

RATE = 16000


def hum(hertz: float | np.ndarray, seconds: float, *, tilt: float = -6.0, rate: int = RATE) -> np.ndarray:
    """Harmonics of ``hertz``, which may change with each sample, whose levels change by ``tilt`` dB an octave."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, round(seconds * rate))) / rate
    top = int(rate / 2 / np.max(hertz))
    sound = sum(np.sin(n * phase) * 10 ** (tilt * np.log2(n) / 20) for n in range(1, top))
    return np.asarray(0.3 * sound / np.abs(sound).max(), np.float32)


def syllables(count: int, per_s: float, hertz: float = 120.0) -> np.ndarray:
    """A hum that swells and fades ``count`` times."""
    sound = hum(hertz, count / per_s)
    swell = np.sin(np.pi * per_s * np.arange(len(sound)) / RATE) ** 2
    return np.asarray(sound * (0.02 + swell), np.float32)


def speech(seconds: float, rate: int = RATE) -> np.ndarray:
    """What a check of uploads takes for a person who speaks."""
    swell = 0.02 + np.sin(np.pi * 4 * np.arange(round(seconds * rate)) / rate) ** 2
    return np.asarray(hum(120.0, seconds, rate=rate) * swell, np.float32)
