"""Which of an engine's open streams compute next, where more are open than can compute at once. Pure: the caller
passes in the time.

A stream asks for a turn before each chunk. The rule is that of ``scheduler.py``: the stream whose listener runs dry
first goes first, and one whose listener has heard nothing goes before those who sound if these can wait for one chunk.
"""

from __future__ import annotations

from saystream.hosting.playback import Playback

__all__ = ["Turn", "Turns"]

_PATIENCE_MS = 10_000.0
"""A stream that is this old and whose listener is silent goes first, whatever becomes of the others."""

_WEIGHT = 0.05
"""Of one chunk in how long a turn takes. Small: between two windows an engine may give pieces that take no time."""


class Turn:
    """The place of one stream. It computes while ``taken`` is set."""

    __slots__ = ("_taken_ms", "opened_ms", "playback", "taken")

    def __init__(self, now_ms: float, lead_ms: float | None = None) -> None:
        """``lead_ms`` is the sound that its listener hears before that of this stream; ``None`` for one who has heard
        nothing and waits for it."""
        self.taken = False
        self.playback = Playback(now_ms)
        """What was sent of the stream is to be told to it."""
        if lead_ms is not None:
            self.playback.audio_sent(max(0.0, lead_ms), now_ms)
        self.opened_ms = now_ms
        self._taken_ms = now_ms

    def begin(self, now_ms: float) -> None:
        self.taken = True
        self._taken_ms = now_ms

    def end(self, now_ms: float) -> float:
        """How long it took."""
        self.taken = False
        return now_ms - self._taken_ms


class Turns:
    """At most ``count`` turns are taken at once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = count
        self._waiting: list[Turn] = []
        self._longest_ms = 0.0
        """How long a turn takes: a mean that follows a longer one at once."""

    def ask(self, turn: Turn, now_ms: float) -> None:
        """Its stream wants to compute. A turn that it has taken ends, and begins again if no other is more urgent."""
        self._end(turn, now_ms)
        self._waiting.append(turn)
        self._hand_out(now_ms)

    def leave(self, turn: Turn, now_ms: float) -> None:
        """Its stream does not want to compute for now."""
        self._end(turn, now_ms)
        if turn in self._waiting:
            self._waiting.remove(turn)
        self._hand_out(now_ms)

    def _end(self, turn: Turn, now_ms: float) -> None:
        if turn.taken:
            took_ms = turn.end(now_ms)
            self._longest_ms = max(took_ms, self._longest_ms + _WEIGHT * (took_ms - self._longest_ms))
            self._free += 1

    def _hand_out(self, now_ms: float) -> None:
        while self._free and self._waiting:
            turn = self._most_urgent(now_ms)
            self._waiting.remove(turn)
            self._free -= 1
            turn.begin(now_ms)

    def _most_urgent(self, now_ms: float) -> Turn:
        silent = [turn for turn in self._waiting if not turn.playback.sounds(now_ms)]
        sounding = [turn for turn in self._waiting if turn.playback.sounds(now_ms)]
        sounding.sort(key=lambda turn: turn.playback.runs_dry_at_ms)
        if not silent:
            return sounding[0]
        newcomer = min(silent, key=lambda turn: turn.opened_ms)
        if now_ms - newcomer.opened_ms >= _PATIENCE_MS or self._can_wait(sounding, now_ms):
            return newcomer
        return sounding[0]

    def _can_wait(self, sounding: list[Turn], now_ms: float) -> bool:
        """Whether none of them runs dry if each computes one turn later."""
        return all(
            turn.playback.lead_ms(now_ms) >= (2 + place // self._count) * self._longest_ms
            for place, turn in enumerate(sounding)
        )
