"""What must not be cut: formulas, and what else a caller names."""

from __future__ import annotations

from itertools import islice

from saystream.text.formulas import formulas, open_at

__all__ = ["Unbroken"]

_SIGNS = frozenset("$\\")
"""Every formula begins with one."""


class Unbroken:
    """The ranges of one stretch of text, from just after the last cut. The text grows; each answer is for what is there
    then, so it does not depend on how it came."""

    def __init__(self, characters: list[str]) -> None:
        """``characters`` are those of the text: more are added to the list itself."""
        self._characters = characters
        self._named: list[tuple[int, int]] = []
        self._has_signs = False
        self._num_seen = 0
        self._num_read = 0
        """Of the text of which these are the formulas:"""
        self._formulas: list[tuple[int, int]] = []
        self._open: int | None = None

    def add(self, start: int, end: int) -> None:
        """A range to be kept whole; it may lie in text still to come."""
        self._named.append((start, end))

    @property
    def open_start(self) -> int | None:
        """Where the first thing begins that is not complete."""
        length = len(self._characters)
        begun = [start for start, end in self._named if start < length < end]
        self._read()
        if self._open is not None:
            begun.append(self._open)
        return min(begun, default=None)

    def around(self, position: int) -> tuple[int, int] | None:
        """The range in which ``position`` lies, not at one of its ends; to the end of the text if it is incomplete."""
        start = self.open_start
        if start is not None and position > start:
            return start, len(self._characters)
        ranges = (*self._named, *self._formulas)
        found = [(start, end) for start, end in ranges if start < position < end]
        return (min(start for start, _ in found), max(end for _, end in found)) if found else None

    def before(self, position: int) -> int:
        """``position``, or the beginning of the range in which it lies."""
        found = self.around(position)
        return position if found is None else found[0]

    def _read(self) -> None:
        """Find the formulas in the text as it is now."""
        length = len(self._characters)
        if not self._has_signs:
            self._has_signs = not _SIGNS.isdisjoint(islice(self._characters, self._num_seen, None))
            self._num_seen = length
        if self._has_signs and self._num_read != length:
            text = "".join(self._characters)
            self._formulas = [(formula.start, formula.end) for formula in formulas(text)]
            self._open = open_at(text)
            self._num_read = length
