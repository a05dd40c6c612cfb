"""Music under the voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saystream.dsp.filters import FilterChain
from saystream.dsp.loudness import PEAK_LIMIT

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["FADE_OUT_MS", "LOUDEST", "Mix"]

FADE_OUT_MS = 500
"""The music goes on for so long after the voice, and fades."""

LOUDEST = 100
"""The volume at which the music is as loud as in its file."""

_LIMITER_MS = 5


class Mix:
    """Adds ``samples``, repeated without end, to a voice, and lets them fade out behind it.

    What is louder than -1 dBFS together is limited, not clipped. Below that nothing is changed.
    """

    delay_ms = float(_LIMITER_MS)

    def __init__(self, sample_rate: int, samples: Samples, volume: int) -> None:
        """``samples`` have this sample rate, too; ``volume`` goes from 0, silence, to ``LOUDEST``. Without samples the
        voice is alone."""
        self._music = samples * np.float32(volume / LOUDEST)
        self._position = 0
        self.num_fading = sample_rate * FADE_OUT_MS // 1000
        """Samples that come out behind the voice."""
        limits = f"limit={PEAK_LIMIT}:attack={_LIMITER_MS}:release=50:level=false:latency=true"
        self._limiter = FilterChain(sample_rate, [("alimiter", limits)])

    def push(self, samples: Samples) -> list[Samples]:
        return self._limiter.push(samples + self._next(len(samples))) if len(samples) else []

    def flush(self) -> list[Samples]:
        """The fading end, half a second. The stage cannot be used afterwards."""
        fade = np.linspace(1, 0, self.num_fading, dtype=np.float32)
        return [*self._limiter.push(self._next(self.num_fading) * fade), *self._limiter.flush()]

    def _next(self, num_samples: int) -> Samples:
        if not len(self._music):
            return np.zeros(num_samples, np.float32)
        places = np.arange(self._position, self._position + num_samples) % len(self._music)
        self._position = (self._position + num_samples) % len(self._music)
        return self._music[places]
