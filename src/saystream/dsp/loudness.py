"""Volume, and the limiter that keeps a raised volume from clipping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saystream.dsp.filters import FilterChain

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["PEAK_LIMIT", "UNITY_VOLUME", "Gain", "Volume", "gain"]

UNITY_VOLUME = 50

PEAK_LIMIT = 10 ** (-1 / 20)
"""-1 dBFS: what a codec adds to a peak stays below full scale."""

_LOOKAHEAD_MS = 5
_RELEASE_MS = 50
"""Long compared with a period of a low voice, so that the gain does not follow the wave itself."""


def gain(volume: int) -> float:
    """The factor for a ``volume`` of 0…100: a straight line from silence through 1 at 50 to 2 (+6 dB) at 100."""
    return volume / UNITY_VOLUME


class Gain:
    """Amplitude times a factor; above 1 a look-ahead limiter holds peaks at -1 dBFS.

    As many samples come out as go in. Below the limit the limiter changes nothing.
    """

    def __init__(self, sample_rate: int, factor: float) -> None:
        self._factor = np.float32(factor)
        self._limiter: FilterChain | None = None
        self.delay_ms = 0.0
        if factor > 1:
            # `level=false`: by default FFmpeg raises the result to full scale again.
            settings = f"limit={PEAK_LIMIT}:attack={_LOOKAHEAD_MS}:release={_RELEASE_MS}"
            self._limiter = FilterChain(sample_rate, [("alimiter", f"{settings}:level=false:latency=true")])
            self.delay_ms = float(_LOOKAHEAD_MS)

    def push(self, samples: Samples) -> list[Samples]:
        if not len(samples):
            return []
        louder = samples * self._factor
        return [louder] if self._limiter is None else self._limiter.push(louder)

    def flush(self) -> list[Samples]:
        return [] if self._limiter is None else self._limiter.flush()


class Volume(Gain):
    """Amplitude times ``gain(volume)``, with the limiter of ``Gain``."""

    def __init__(self, sample_rate: int, volume: int) -> None:
        super().__init__(sample_rate, gain(volume))
