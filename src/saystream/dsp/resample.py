"""Streaming sample-rate conversion over FFmpeg's swresample (PyAV)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["Resampler"]

_HALF_FILTER_SAMPLES = 16
"""Half the filter of swresample, in samples of the lower rate: what it has to see on either side of a sample."""


class Resampler:
    """float32 mono at ``source_rate`` in, at ``target_rate`` out.

    The output does not depend on how the input was cut. Measured: PyAV holds back 0.7 ms (upwards) to 2 ms (to 8 kHz),
    libsoxr 37–73 ms; PyAV keeps aliases below -99 dB (docs/topics/architecture.md).
    """

    def __init__(self, *, source_rate: int, target_rate: int) -> None:
        # One more sample, because an output may be due between two inputs.
        self.delay_ms = (_HALF_FILTER_SAMPLES + 1) * 1000 / min(source_rate, target_rate)
        self._source_rate = source_rate
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=target_rate)
        self._started = False
        # swresample begins only when it has seen both sides of the filter, twice its delay. So it is given silence
        # before the sound: an amount that makes whole samples, which are dropped.
        step = source_rate // math.gcd(source_rate, target_rate)
        both_sides = 2 * self.delay_ms * source_rate / 1000
        self._num_before = step * math.ceil(both_sides / step)
        self._num_to_drop = self._num_before * target_rate // source_rate

    def push(self, samples: Samples) -> list[Samples]:
        if not len(samples):
            return []
        before: list[Samples] = []
        if not self._started:
            self._started = True
            before = self._resampled(np.zeros(self._num_before, np.float32))
        return self._without_silence([*before, *self._resampled(samples)])

    def flush(self) -> list[Samples]:
        """What was held back. The stage cannot be used afterwards."""
        if not self._started:  # PyAV cannot flush a resampler that never saw a frame
            return []
        return self._without_silence([_samples(out) for out in self._resampler.resample(None)])

    def _resampled(self, samples: Samples) -> list[Samples]:
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, dtype=np.float32)[np.newaxis, :], format="flt", layout="mono"
        )
        frame.sample_rate = self._source_rate
        return [_samples(out) for out in self._resampler.resample(frame)]

    def _without_silence(self, stretches: list[Samples]) -> list[Samples]:
        if not self._num_to_drop:
            return stretches
        kept = []
        for samples in stretches:
            kept.append(samples[self._num_to_drop :])
            self._num_to_drop = max(0, self._num_to_drop - len(samples))
        return [samples for samples in kept if len(samples)]


def _samples(frame: av.AudioFrame) -> Samples:
    out: Samples = frame.to_ndarray()[0]
    return out
