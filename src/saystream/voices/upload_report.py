"""What is asked of a recording, and what was found in it: what the process that reads uploads is told, and tells.

Apart from the checks themselves, because the gateway does not load what they need.
"""

from __future__ import annotations

import msgspec

__all__ = ["CheckReport", "SpeakerLimits"]


class SpeakerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the kind of voice needs."""

    min_speech_s: float
    """Without a pause."""
    max_speech_s: float | None = None
    """Of the recording, as much as is to be used; ``None``: all of it."""
    reduce_noise: bool = False
    even_volume: bool = False


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a recording that can be used."""

    speech_s: float
    longest_s: float
    """The longest speech without a pause."""
    snr_db: float
    clipped: float
    """The share of the loud samples that are at the peak."""
    speaker_distance: float
    warnings: tuple[str, ...] = ()
    """What would be better, each a sentence for the person who made the recording."""
