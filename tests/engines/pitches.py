"""How far the pitch of a sound moves."""

from __future__ import annotations

import numpy as np

from saystream.dsp.pitch import median_pitch_hz


def spread_semitones(samples: np.ndarray, sample_rate: int) -> float:
    """Between the quartiles of the pitch of stretches of 0.1 s: a few of them may be found an octave away."""
    length = sample_rate // 10
    stretches = (samples[start : start + length] for start in range(0, len(samples) - length, length // 2))
    pitches = [hertz for stretch in stretches if (hertz := median_pitch_hz(stretch, sample_rate))]
    low, high = np.percentile(12 * np.log2(pitches), [25, 75])
    return float(high - low)
