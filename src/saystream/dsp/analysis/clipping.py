"""Whether a recording was cut off at its loudest, because the microphone was set too high."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saystream.dsp.analysis.activity import quantile

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["clipped_share"]

_NEAR_PEAK = 0.97
_LEAST_PEAK = 0.1
"""What is quieter was not cut off by anything."""


def clipped_share(samples: Samples) -> float:
    """The share of the loud samples, those above half of the peak, that are at the peak. From 0 to 1.

    Speech reaches its peak for moments: below 0.05. What was cut off stays there, also after an encoder has rounded its
    edges, which is why flat tops are not looked for.
    """
    if not len(samples):
        return 0.0
    magnitude = np.abs(samples)
    # A single click does not hide the rest.
    peak = quantile(magnitude, 0.9999)
    if peak < _LEAST_PEAK:
        return 0.0
    loud = magnitude[magnitude > peak / 2]
    return float((loud > _NEAR_PEAK * peak).mean())
