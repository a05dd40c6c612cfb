"""What the model says in one pass. Pure.

A pass is read whole before it is heard, and the export also makes all of its audio first. So a long text begins with
its first clause, and no pass is so much longer than what was said before it that the listener would run out of audio.
Within these limits passes are long: a voice speaks best when it knows what follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from saystream.engines.kokoro.vocabulary import CLAUSE_MARKS, SENTENCE_MARKS

__all__ = ["Limits", "split"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers of symbols; about 15 are a second of speech."""

    most: int = 160
    """In one pass. The model can take 510, but a pass of eleven seconds is as long as a slow machine should be silent,
    and is wasted when a session is cancelled."""
    first: int = 45
    """A text up to this length is said in one pass; a longer one begins with a clause."""
    least: int = 12
    """A pass is not shorter if a longer one is possible: a lone word sounds clipped."""
    growth: float = 2.5
    """A pass is at most this many times as long as what was said before it, if there is a mark to cut at."""


_SENTENCE_END = re.compile(rf"[{SENTENCE_MARKS}]+[\"”)]*(?: |$)")
_MARK_END = re.compile(rf"[{SENTENCE_MARKS}{CLAUSE_MARKS}]+[\"”)]*(?: |$)")


def split(symbols: str, limits: Limits | None = None) -> Iterator[str]:
    """The passes in order, none empty or longer than ``limits.most``; joined they are ``symbols``.

    A cut is after the end of a sentence, else after a clause, else after a space, else anywhere.
    """
    bounds = limits or Limits()
    said = 0
    while symbols:
        end = _end(symbols, said, bounds)
        yield symbols[:end]
        said += end
        symbols = symbols[end:]


def _end(symbols: str, said: int, limits: Limits) -> int:
    """Where the next pass ends."""
    budget = min(limits.most, max(limits.first, round(said * limits.growth)))
    if len(symbols) <= budget:
        return len(symbols)
    sentences, marks = (
        [end for end in _ends(mark, symbols) if _fits(end, len(symbols), limits)]
        for mark in (_SENTENCE_END, _MARK_END)
    )
    within: Callable[[int], bool] = budget.__ge__
    choices = (
        marks[:1] if not said else [],
        [end for end in sentences if within(end)][-1:],
        [end for end in marks if within(end)][-1:],
        marks[:1],
        [len(symbols)] if len(symbols) <= limits.most else [],
    )
    best = next((ends[0] for ends in choices if ends), 0)
    return best or symbols.rfind(" ", 0, limits.most) + 1 or limits.most


def _ends(mark: re.Pattern[str], symbols: str) -> Iterator[int]:
    return (match.end() for match in mark.finditer(symbols))


def _fits(end: int, length: int, limits: Limits) -> bool:
    """Whether neither the pass nor the rest of the text would be too short, and the pass not too long."""
    return limits.least <= end <= min(limits.most, length - limits.least)
