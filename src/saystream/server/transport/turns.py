"""Whose bytes are handled next, where more arrive than can be handled at once."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Share", "Turns"]

_ROUND_S = 0.005
"""Spent on what has arrived in one round of the event loop. Whatever else is due, sound above all, waits no longer for
it, however many connections have sent something."""

_FORGOTTEN_S = 1.0
"""Half of what a connection has used is forgotten after this time."""


class Share:
    """How much time the bytes of one connection have taken lately."""

    __slots__ = ("_at_s", "_used_s")

    def __init__(self) -> None:
        self._used_s = 0.0
        self._at_s = 0.0

    def used_s(self, now_s: float) -> float:
        return float(self._used_s * 0.5 ** ((now_s - self._at_s) / _FORGOTTEN_S))

    def use(self, seconds: float, now_s: float) -> None:
        self._used_s = self.used_s(now_s) + seconds
        self._at_s = now_s


class Turns:
    """Gives turns to the connections of one server: at once while there is time, and otherwise in the next rounds,
    first to those that have used the least."""

    def __init__(self, clock: Callable[[], float], call_soon: Callable[[Callable[[], None]], object]) -> None:
        """``call_soon`` calls a function in the next round of the event loop."""
        self._clock = clock
        self._call_soon = call_soon
        self._waiting: list[tuple[float, int, Share, Callable[[], None]]] = []
        """A heap: what the connection had used, and the order of arrival."""
        self._numbers = count()
        self._spent_s = 0.0
        """In this round."""
        self._round_due = False
        self._in_turn = False

    @property
    def crowded(self) -> bool:
        """Some wait for their turn."""
        return bool(self._waiting)

    def take(self, share: Share, handle: Callable[[], None], *, as_if_used_s: float = 0.0) -> bool:
        """Call ``handle``, now or later. Returns whether it was called now.

        ``as_if_used_s`` is for work that leads to more of it, and may wait for what is quickly done. Called in a turn,
        it is a part of that turn if nobody waits.
        """
        if not self._waiting and (self._in_turn or self._spent_s < _ROUND_S):
            self._give(share, handle)
            called = True
        else:
            used_s = share.used_s(self._clock()) + as_if_used_s
            heapq.heappush(self._waiting, (used_s, next(self._numbers), share, handle))
            called = False
        self._schedule()
        return called

    def _next_round(self) -> None:
        self._round_due = False
        self._spent_s = 0.0
        try:
            while self._waiting and self._spent_s < _ROUND_S:
                _, _, share, handle = heapq.heappop(self._waiting)
                self._give(share, handle)
        finally:
            if self._waiting:
                self._schedule()

    def _schedule(self) -> None:
        if not self._round_due:
            self._round_due = True
            self._call_soon(self._next_round)

    def _give(self, share: Share, handle: Callable[[], None]) -> None:
        if self._in_turn:
            handle()
            return
        began_s = self._clock()
        self._in_turn = True
        try:
            handle()
        finally:
            self._in_turn = False
            ended_s = self._clock()
            share.use(ended_s - began_s, ended_s)
            self._spent_s += ended_s - began_s
