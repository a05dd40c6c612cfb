"""How far the pitch of a voice moves, for engines whose model gives the pitch before the sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["intoned"]

_VOICED_HZ = 40.0
"""A lower pitch is a frame without a voice."""
_LOWEST, _HIGHEST = 0.5, 2.0
"""Relative to the median: an octave away, a voice breaks."""


def intoned(f0: Samples, ratio: float) -> Samples:
    """``f0`` (Hz, one for each frame) with its distances from its median, in semitones, ``ratio`` times as wide. Frames
    without a voice stay as they are, as do all if ``ratio`` is 1."""
    voiced = f0 > _VOICED_HZ
    if ratio == 1.0 or not voiced.any():
        return f0
    relative = np.maximum(f0, _VOICED_HZ) / np.median(f0[voiced])
    # What is farther away already stays there.
    lowest, highest = np.minimum(relative, _LOWEST), np.maximum(relative, _HIGHEST)
    changed = np.clip(relative**ratio, lowest, highest) * np.median(f0[voiced])
    return np.where(voiced, changed, f0).astype(f0.dtype)
