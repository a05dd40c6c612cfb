"""What a session and the scheduler know of a listener together."""

from __future__ import annotations

__all__ = ["Playback"]

_BREATH_MS = 1000.0
"""Silence after which a listener no longer counts as hearing something: a text that is still being written has
shorter gaps."""


class Playback:
    """How far one session's listener is ahead of what was sent: written by the spine, read by the scheduler.

    All times are milliseconds of one monotonic clock.
    """

    __slots__ = ("_has_sounded", "runs_dry_at_ms")

    def __init__(self, now_ms: float) -> None:
        self.runs_dry_at_ms = now_ms
        """When the listener has heard everything; before the first audio, when it began to wait."""
        self._has_sounded = False

    def audio_sent(self, duration_ms: float, now_ms: float) -> None:
        """A listener that had run dry starts to play again only now."""
        self.runs_dry_at_ms = max(self.runs_dry_at_ms, now_ms) + duration_ms
        self._has_sounded = True

    def interrupted(self, now_ms: float) -> None:
        """The listener threw away what it had not heard yet, as after ``response.cancel``."""
        self.runs_dry_at_ms = min(self.runs_dry_at_ms, now_ms)

    def lead_ms(self, now_ms: float) -> float:
        """Audio that the listener has left; negative: how long it has been waiting in silence."""
        return self.runs_dry_at_ms - now_ms

    def sounds(self, now_ms: float) -> bool:
        """Whether the listener hears something, or did a moment ago and may be about to hear more."""
        return self._has_sounded and self.lead_ms(now_ms) >= -_BREATH_MS
