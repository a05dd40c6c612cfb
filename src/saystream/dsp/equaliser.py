"""Gives a voice another colour: a gain for each third of an octave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saystream.dsp.analysis.spectrum import BANDS_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["Equaliser"]

_LENGTH_MS = 16
"""Of the filter: long enough to tell the lowest bands from each other by and large, short enough to ring unheard."""


class Equaliser:
    """A filter of linear phase. Exactly as many samples come out as go in, none of them later than they went in."""

    def __init__(self, sample_rate: int, gains_db: Sequence[float]) -> None:
        """``gains_db`` are those of ``BANDS_HZ``; between them, the gain changes evenly over the octaves."""
        self._half = sample_rate * _LENGTH_MS // 2000
        self.delay_ms = self._half * 1000 / sample_rate
        self._filter = _impulse_response(sample_rate, gains_db, self._half)
        # The first sample stands in the middle of the filter.
        self._pending = np.zeros(self._half, np.float32)

    def push(self, samples: Samples) -> list[Samples]:
        pending = np.concatenate([self._pending, samples])
        count = len(pending) - len(self._filter) + 1
        if count <= 0:
            self._pending = pending
            return []
        self._pending = pending[count:]
        return [np.convolve(pending, self._filter, mode="valid").astype(np.float32)]

    def flush(self) -> list[Samples]:
        return self.push(np.zeros(self._half, np.float32))


def _impulse_response(sample_rate: int, gains_db: Sequence[float], half: int) -> NDArray[np.float64]:
    size = 8 * half
    octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1 / sample_rate), 1.0))
    gain = 10 ** (np.interp(octaves, np.log2(BANDS_HZ), gains_db) / 20)
    response = np.roll(np.fft.irfft(gain, size), half)[: 2 * half + 1]
    windowed: NDArray[np.float64] = response * np.hanning(2 * half + 3)[1:-1]
    return windowed
