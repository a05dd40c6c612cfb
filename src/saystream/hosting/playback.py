"""What a session and the scheduler both know of a listener."""

from __future__ import annotations

__all__ = ["Playback"]

_BREATH_MS = 1000.0
"""Silence after which a listener no longer counts as hearing something; the gaps in a text that is still being written
are shorter."""


class Playback:
    """How much of what was sent a session's listener has yet to hear: written by the spine, read by the scheduler.

    All times are milliseconds of one monotonic clock.
    """

    __slots__ = ("_has_sounded", "_is_owed", "runs_dry_at_ms", "waits_since_ms")

    def __init__(self, now_ms: float) -> None:
        self.runs_dry_at_ms = now_ms
        """When the listener will have heard everything; before the first audio, when it began to wait."""
        self.waits_since_ms: float | None = None
        """When a silent listener's session had something to say; ``None`` while it has not, and once it sounds."""
        self._has_sounded = False
        self._is_owed = False

    def begins_to_wait(self, now_ms: float) -> None:
        """There is something to say. Calling it again, or while the listener hears something, does no harm."""
        if self.waits_since_ms is None and not self.sounds(now_ms):
            self.waits_since_ms = now_ms

    def audio_made(self) -> None:
        """There is sound for the listener, which may still be held back."""
        self._is_owed = True

    def audio_sent(self, duration_ms: float, now_ms: float) -> None:
        """If the listener had run dry, playback starts again only now."""
        self.runs_dry_at_ms = max(self.runs_dry_at_ms, now_ms) + duration_ms
        self._has_sounded = True
        self._is_owed = False
        self.waits_since_ms = None

    def interrupted(self, now_ms: float) -> None:
        """The listener threw away what it had not heard yet, as after ``response.cancel``."""
        self.runs_dry_at_ms = min(self.runs_dry_at_ms, now_ms)
        self._is_owed = False
        self.waits_since_ms = None

    def lead_ms(self, now_ms: float) -> float:
        """Audio that the listener has left; if negative, how long it has been waiting in silence."""
        return self.runs_dry_at_ms - now_ms

    def has_begun(self, now_ms: float) -> bool:
        """Whether the listener hears something, or soon will: there is sound for it, which waits for what follows."""
        return self._is_owed or self.sounds(now_ms)

    def sounds(self, now_ms: float) -> bool:
        """Whether the listener hears something, or did a moment ago and may be about to hear more."""
        return self._has_sounded and self.lead_ms(now_ms) >= -_BREATH_MS
