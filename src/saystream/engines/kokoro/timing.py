"""When each word of a pass is heard, by how long the model says that each symbol lasts. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np

from saystream.audio import Mark, PhonemeMark
from saystream.engines.kokoro.syllables import parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.text.rewriting import Rewritten

__all__ = ["WordMarks", "bounds"]

_STRESS = frozenset("ˈˌ")

_EARLY_FRAMES = 1.5
"""The sound of a symbol comes this much before its frames, which are 25 ms long: measured in ten English sentences
against an aligner."""


def bounds(durations: NDArray[Any]) -> NDArray[np.float64]:
    """Where each symbol begins, and at last where the last one ends, in frames from the beginning of the first edge.
    ``durations`` are those of the symbols and of the two edges."""
    return np.maximum(np.cumsum(durations)[:-1] - _EARLY_FRAMES, 0)


class WordMarks:
    """The marks of the words of a text, pass after pass."""

    def __init__(
        self, offset: int, *, phonemes: bool = False, chinese: bool = False, begun_in_space: bool = True
    ) -> None:
        """``offset`` is the place of the text in its response. With ``phonemes``, each mark has them: symbols of the
        model, or for Han characters in a ``chinese`` text initials and finals such as ``ch_c``. A word has
        ``begun_in_space`` if the model counts its first sound to the space before it."""
        self._offset = offset
        self._phonemes = phonemes
        self._chinese = chinese
        self._begun_in_space = begun_in_space
        self._end = 0
        """Of what was marked so far."""
        self._marks: list[Mark] = []

    def timed(self, symbols: Rewritten, bounds_ms: NDArray[np.float64]) -> None:
        """The next pass says ``symbols`` at these times: when each begins, and at last when the last one ends, in ms
        from its first sample. A word that passes cut in two is marked once, in the first."""
        for word in symbols.stretches():
            if word.written_start >= self._end:
                self._end = word.written_end
                first = len(symbols.text[: word.start].rstrip(" ")) if self._begun_in_space else word.start
                start_ms, end_ms = float(bounds_ms[first]), float(bounds_ms[word.end])
                start, end = (self._offset + place for place in (word.written_start, word.written_end))
                sounds = (
                    self._sounds(symbols.text[first : word.end], bounds_ms[first:]) if self._phonemes else ()
                )
                self._marks.append(Mark(start, end, start_ms, end_ms, sounds))

    def take(self) -> tuple[Mark, ...]:
        """Those of the pass, once."""
        marks = tuple(self._marks)
        self._marks.clear()
        return marks

    def _sounds(self, symbols: str, bounds_ms: NDArray[np.float64]) -> tuple[PhonemeMark, ...]:
        begin = len(symbols) - len(symbols.lstrip(" "))
        syllables = parts(symbols[begin:]) if self._chinese else None
        if syllables is not None:
            return tuple(
                PhonemeMark(
                    f"{each.pinyin}_c",
                    float(bounds_ms[0 if each.start == 0 else begin + each.start]),
                    float(bounds_ms[begin + each.end]),
                    each.tone,
                )
                for each in syllables
            )
        return tuple(
            PhonemeMark(symbols[start:end], float(bounds_ms[start]), float(bounds_ms[end]))
            for start, end in _single(symbols)
        )


def _single(symbols: str) -> list[tuple[int, int]]:
    """The places of the phonemes: letters, each with the stress before it and the length and the like behind it."""
    places: list[tuple[int, int]] = []
    stress: int | None = None
    for place, symbol in enumerate(symbols):
        if symbol in _STRESS:
            stress = place
        elif unicodedata.category(symbol) in ("Lm", "Mn") and places and places[-1][1] == place:
            places[-1] = places[-1][0], place + 1
        elif symbol.isalpha():
            places.append((place if stress is None else stress, place + 1))
            stress = None
    return places
