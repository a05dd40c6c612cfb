"""What one peer may do in a second."""

from __future__ import annotations

__all__ = ["BURST_S", "Budget"]

BURST_S = 5.0
"""A peer that was quiet may spend the budget of this many seconds at once."""


class Budget:
    """A token bucket that can go into debt: what has arrived was already taken, and is paid for by waiting."""

    __slots__ = ("_left", "_per_second", "_updated_s")

    def __init__(self, per_second: float, now_s: float) -> None:
        self._per_second = per_second
        self._left = per_second * BURST_S
        self._updated_s = now_s

    def spend(self, amount: float, now_s: float) -> float:
        """Take ``amount``. Returns how many seconds must pass before nothing is owed; 0 if nothing is."""
        earned = (now_s - self._updated_s) * self._per_second
        self._left = min(self._per_second * BURST_S, self._left + earned) - amount
        self._updated_s = now_s
        return max(0.0, -self._left / self._per_second)
