"""What must not be cut: formulas, and what else a caller names.

A formula stands between ``$`` and ``$``, ``$$`` and ``$$``, ``\\(`` and ``\\)``, or ``\\[`` and ``\\]``. One that is
not complete may become one, so nothing behind its beginning is cut; but a single dollar sign is more often money. It
begins a formula only where no space follows it, ends one only where none is before it, and what it began is none where
a sentence or line ends, or if an amount and then a word follow.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

__all__ = ["Unbroken"]

_LONGEST_INLINE = 200
_LONGEST = 500
"""Code points of a formula that may still be incomplete."""

_ENDS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}

_AMOUNT = re.compile(
    r"\d[\d.,]*(?:[\s;:!?)]\W*[^\W\d_](?:[^\W\d_]|\s[^\W\d_])|\s*[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3])"
)
_LONGEST_AMOUNT = 24


class Unbroken:
    """Watches one stretch of text, from just after the last cut, character by character."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        """Of the ranges that are complete, in order."""
        self._length = 0
        self._opening = ""
        """What began the formula that is not complete; a single ``$`` may become a double one."""
        self._content = ""
        self._escaped = False
        """The next character has a backslash before it that is not one itself."""

    @property
    def open_start(self) -> int | None:
        """Where something begins that is not complete."""
        if self._opening:
            return self._length - len(self._content) - len(self._opening)
        number = bisect_right(self._starts, self._length - 1) - 1
        return self._starts[number] if number >= 0 and self._ends[number] > self._length else None

    def add(self, start: int, end: int) -> None:
        """A range to be kept whole, behind all others; it may lie in text still to come."""
        self._starts.append(start)
        self._ends.append(end)

    def step(self, character: str) -> None:
        """The next character."""
        escaped, self._escaped = self._escaped, character == "\\" and not self._escaped
        self._length += 1
        if self._opening:
            self._step_inside(character, escaped=escaped)
        elif character == "$" and not escaped:
            self._opening = "$"
        elif character in "([" and escaped:
            self._opening = "\\" + character

    def end_sentence(self) -> None:
        """A sentence has ended: a single dollar sign before was money."""
        if self._opening == "$":
            self._abandon()

    def around(self, position: int) -> tuple[int, int] | None:
        """The range in which ``position`` lies, not at one of its ends; to the end of the text if it is incomplete."""
        start = self.open_start
        if start is not None and position > start:
            return start, self._length
        number = bisect_right(self._starts, position - 1) - 1
        if number >= 0 and position < self._ends[number]:
            return self._starts[number], self._ends[number]
        return None

    def before(self, position: int) -> int:
        """``position``, or the beginning of the range in which it lies."""
        found = self.around(position)
        return position if found is None else found[0]

    def _step_inside(self, character: str, *, escaped: bool) -> None:
        if self._opening == "$" and not self._content:
            if character == "$":
                self._opening = "$$"
                return
            if character.isspace():
                self._abandon()
                return
        self._content += character
        if self._opening == "$":
            self._step_inline(character, escaped=escaped)
        elif self._content.endswith(_ENDS[self._opening]):
            self._complete()
        elif len(self._content) > _LONGEST:
            self._abandon()

    def _step_inline(self, character: str, *, escaped: bool) -> None:
        content = self._content
        if character == "$" and not escaped:
            if content[-2].isspace():  # the one before was money, this may begin something
                self._abandon()
                self._opening = "$"
            else:
                self._complete()
        elif (
            character == "\n"
            or len(content) > _LONGEST_INLINE
            or (len(content) <= _LONGEST_AMOUNT and _AMOUNT.match(content))
        ):
            self._abandon()

    def _complete(self) -> None:
        start = self._length - len(self._content) - len(self._opening)
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, self._length)
        # What else begins in it is part of it.
        end = max([self._length, *self._ends[first:last]])
        self._starts[first:last], self._ends[first:last] = [start], [end]
        self._abandon()

    def _abandon(self) -> None:
        self._opening = self._content = ""
