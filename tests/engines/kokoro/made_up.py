"""Numbers in the place of those that ``saystream models pull`` reads from the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from saystream.engines.kokoro.norms import CHANNELS


def write_constants(path: Path) -> Path:
    chance = np.random.default_rng(11)

    def some(*shape: int) -> np.ndarray:
        return (0.1 * chance.normal(size=shape)).astype(np.float32)

    np.savez(
        path,
        scale=some(CHANNELS, 128),
        scale_bias=some(CHANNELS),
        shift=some(CHANNELS, 128),
        shift_bias=some(CHANNELS),
        snake_slopes=np.ones(CHANNELS, np.float32),
        synthesis=some(22, 20),
        synthesis_gain=np.ones(1, np.float32),
        analysis_window=np.hanning(21)[:20].astype(np.float32),
        harmonics=np.full(9, 0.1, np.float32),
        harmonics_bias=np.zeros(1, np.float32),
        sine_amplitude=np.full(1, 0.1, np.float32),
        voiced_above_hz=np.full(1, 10.0, np.float32),
        unvoiced=some(22),
    )
    return path
