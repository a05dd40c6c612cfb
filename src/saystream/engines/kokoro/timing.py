"""When each word of a pass is heard, by how long the model says that each symbol lasts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from saystream.audio import Mark

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.text.rewriting import Rewritten

__all__ = ["WordMarks", "bounds"]

_EARLY_FRAMES = 1.5
"""The sound of a symbol comes this much before its frames, which are 25 ms long: measured in ten English sentences
against an aligner."""


def bounds(durations: NDArray[Any]) -> NDArray[np.float64]:
    """Where each symbol begins, and at last where the last one ends, in frames from the beginning of the first edge.
    ``durations`` are those of the symbols and of the two edges."""
    return np.maximum(np.cumsum(durations)[:-1] - _EARLY_FRAMES, 0)


class WordMarks:
    """The marks of the words of a text, pass after pass."""

    def __init__(self, offset: int) -> None:
        """``offset`` is the place of the text in its response."""
        self._offset = offset
        self._end = 0
        """Of what was marked so far."""
        self._marks: list[Mark] = []

    def timed(self, symbols: Rewritten, bounds_ms: NDArray[np.float64]) -> None:
        """The next pass says ``symbols`` at these times: when each begins, and at last when the last one ends, in ms
        from its first sample. A word that passes cut in two is marked once, in the first."""
        for word in symbols.stretches():
            if word.written_start >= self._end:
                self._end = word.written_end
                first = len(symbols.text[: word.start].rstrip(" "))  # in the space before it, it has begun
                start_ms, end_ms = float(bounds_ms[first]), float(bounds_ms[word.end])
                start, end = (self._offset + place for place in (word.written_start, word.written_end))
                self._marks.append(Mark(start, end, start_ms, end_ms))

    def take(self) -> tuple[Mark, ...]:
        """Those of the pass, once."""
        marks = tuple(self._marks)
        self._marks.clear()
        return marks
