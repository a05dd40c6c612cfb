"""Which of an engine's open streams compute next, where more are open than can compute at once. Pure: the caller
passes in the time.

A stream asks for a turn before each chunk. The rule is that of ``scheduler.py``: the stream whose listener runs dry
first goes first, and one whose listener has heard nothing goes before those who sound if these can wait for one chunk.
A stream whose chunks can be made side by side asks for further turns as long as its listener has little sound left.
"""

from __future__ import annotations

from saystream.hosting.playback import Playback

__all__ = ["Turn", "Turns"]

_PATIENCE_MS = 10_000.0
"""A stream that is this old and whose listener is silent goes first, whatever becomes of the others."""

_WEIGHT = 0.05
"""Of one chunk in how long a turn takes. Small: between two windows an engine may give pieces that take no time."""

_LITTLE_TURNS = 4
"""Sound that lasts less than so many turns is little. So a fast engine soon leaves its cores to newcomers."""


class Turn:
    """The place of one stream. It computes while ``taken`` is set."""

    __slots__ = ("_of_stream", "_taken_ms", "opened_ms", "playback", "taken", "used_ms")

    def __init__(self, now_ms: float, lead_ms: float | None = None) -> None:
        """``lead_ms`` is the sound that its listener hears before that of this stream; ``None`` for one who has heard
        nothing and waits for it."""
        self.taken = False
        self.playback = Playback(now_ms)
        """What was sent of the stream is to be told to it."""
        if lead_ms is not None:
            self.playback.audio_sent(max(0.0, lead_ms), now_ms)
        self.opened_ms = now_ms
        self.used_ms = 0.0
        """How long it was taken until now."""
        self._taken_ms = now_ms
        self._of_stream = [self]

    def further(self) -> Turn:
        """One more for the same stream."""
        turn = Turn(self.opened_ms)
        turn.playback = self.playback
        turn._of_stream = self._of_stream
        self._of_stream.append(turn)
        return turn

    @property
    def stream_used_ms(self) -> float:
        """How long the turns of its stream were taken until now, all together."""
        return sum(turn.used_ms for turn in self._of_stream)

    @property
    def stream_taken(self) -> int:
        """Turns of its stream that are taken."""
        return sum(turn.taken for turn in self._of_stream)

    def begin(self, now_ms: float) -> None:
        self.taken = True
        self._taken_ms = now_ms

    def end(self, now_ms: float) -> float:
        """How long it took."""
        self.taken = False
        took_ms = now_ms - self._taken_ms
        self.used_ms += took_ms
        return took_ms


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
        if turn not in self._waiting:
            self._waiting.append(turn)
        self._hand_out(now_ms)

    def ask_further(self, turn: Turn, now_ms: float) -> bool:
        """Ask for a further turn if its listener has little sound left. Whether it did."""
        little = turn.playback.lead_ms(now_ms) < _LITTLE_TURNS * self._longest_ms
        if little:
            self.ask(turn, now_ms)
        return little

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
        sounding.sort(key=self._needed_ms)
        if not silent:
            return sounding[0]
        newcomer = min(silent, key=lambda turn: turn.opened_ms)
        if now_ms - newcomer.opened_ms >= _PATIENCE_MS or self._can_wait(sounding, now_ms):
            return newcomer
        return sounding[0]

    def _needed_ms(self, turn: Turn) -> float:
        """When its listener needs what it will make: after what its stream is making now, of which a turn is taken to
        last as long as it takes."""
        return turn.playback.runs_dry_at_ms + turn.stream_taken * self._longest_ms

    def _can_wait(self, sounding: list[Turn], now_ms: float) -> bool:
        """Whether none of them runs dry if each computes one turn later."""
        return all(
            turn.playback.lead_ms(now_ms) >= (2 + place // self._count) * self._longest_ms
            for place, turn in enumerate(sounding)
        )
