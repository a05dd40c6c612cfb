"""The harmonic source of Kokoro in NumPy, for any stretch of a sound.

A sum of nine harmonics of F0 whose phase counts from the beginning of the text, analysed by a short Fourier transform
of 20 samples, four of which overlap. Its phases need the precision of double floats: in bfloat16 they are noise, and
the voice is ruined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from saystream.engines.kokoro.constants import FRAME_SAMPLES, SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples
    from saystream.engines.kokoro.constants import Constants

__all__ = ["HarmonicSource"]

_WINDOW = 20
_HOP = 5
_BINS = 11
_SHORTEST = _WINDOW + 2


class HarmonicSource:
    """The source of one text, whose pitch is ``f0`` (Hz, 80 frames a second, of 300 samples each)."""

    def __init__(self, f0: Samples, constants: Constants) -> None:
        self._constants = constants
        hertz = np.asarray(f0, np.float64).reshape(-1)
        self._num_frames = len(hertz)
        self._num_samples = FRAME_SAMPLES * len(hertz)
        self._voiced = hertz > constants.voiced_above_hz
        self._cycles = np.cumsum(hertz / SAMPLE_RATE) * FRAME_SAMPLES
        """At the centre of each frame."""
        # The export takes each harmonic's step modulo 1 before it interpolates: a negative F0 adds a whole cycle.
        self._extra_cycles = np.cumsum(hertz < 0) * float(FRAME_SAMPLES)
        self._voiced_before = np.concatenate([[0], np.cumsum(self._voiced)])
        turns = np.arange(_WINDOW)[:, None] * np.arange(_BINS)[None] * (2 * np.pi / _WINDOW)
        window = constants.analysis_window[:, None]
        self._transform = np.concatenate([np.cos(turns) * window, -np.sin(turns) * window], 1).astype(
            np.float32
        )

    def features(self, start: int, end: int) -> Samples:
        """Magnitudes and phases at the steps of 5 samples from ``start`` to before ``end``, shape (1, 22, steps).

        The sound is mirrored at both of its ends.
        """
        first, last = _HOP * start - _WINDOW // 2, _HOP * (end - 1) + _WINDOW // 2
        windows = np.lib.stride_tricks.sliding_window_view(self._mirrored(first, last), _WINDOW)[::_HOP]
        spectrum = windows @ self._transform
        real, imaginary = spectrum[:, :_BINS], spectrum[:, _BINS:]
        phases = np.arctan2(imaginary, real)
        # These two bins are real; the rounding of the export makes their phases +pi and -pi.
        phases[:, 0] = np.abs(phases[:, 0])
        phases[:, -1] = -np.abs(phases[:, -1])
        features = np.concatenate([np.hypot(real, imaginary), phases], axis=1)
        features[self._is_unvoiced(start, end)] = self._constants.unvoiced
        return np.ascontiguousarray(features.T[np.newaxis], np.float32)

    def _is_unvoiced(self, start: int, end: int) -> NDArray[np.bool_]:
        steps = _HOP * np.arange(start, end)
        first = np.clip(steps - _WINDOW // 2, 0, self._num_samples - 1) // FRAME_SAMPLES
        last = np.clip(steps + _WINDOW // 2 - 1, 0, self._num_samples - 1) // FRAME_SAMPLES
        unvoiced: NDArray[np.bool_] = self._voiced_before[last + 1] == self._voiced_before[first]
        return unvoiced

    def _mirrored(self, first: int, last: int) -> Samples:
        """Samples from ``first`` to before ``last``, which may lie beyond the ends."""
        if first >= 0 and last <= self._num_samples:
            return self._wave(first, last)
        start = max(0, min(first, self._num_samples) - _SHORTEST)
        end = min(self._num_samples, max(last, 0) + _SHORTEST)
        places = np.abs(np.arange(first, last))
        places = np.where(places >= self._num_samples, 2 * (self._num_samples - 1) - places, places)
        mirrored: Samples = self._wave(start, end)[places - start]
        return mirrored

    def _wave(self, start: int, end: int) -> Samples:
        places = np.arange(start, end)
        position = np.clip((places + 0.5) / FRAME_SAMPLES - 0.5, 0, self._num_frames - 1)
        before = position.astype(np.int64)
        after = np.minimum(before + 1, self._num_frames - 1)
        share = position - before

        def phase(cycles: NDArray[np.floating[Any]]) -> Samples:
            at = cycles[before] * (1 - share) + cycles[after] * share
            turned: Samples = ((at - np.floor(at)) * 2 * np.pi).astype(np.float32)
            return turned

        base, extra = phase(self._cycles), phase(self._extra_cycles)
        # Each harmonic from the two before it: sin(n+1)x = 2 cos x sin nx - sin(n-1)x.
        factor = 2 * np.cos(base)
        previous, current = np.sin(extra), np.sin(base + extra)
        first_weight, *weights = self._constants.harmonics
        total = first_weight * current
        for weight in weights:
            previous, current = current, factor * current - previous
            total += weight * current
        loud = np.where(
            self._voiced[places // FRAME_SAMPLES], self._constants.sine_amplitude * total, np.float32(0)
        )
        wave: Samples = np.tanh(loud + self._constants.harmonics_bias).astype(np.float32)
        return wave
