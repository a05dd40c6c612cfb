"""Words in capitals: initialisms in the plural, and sentences that are all in capitals, where "US" is a word."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

__all__ = ["PLURAL", "SHOUTED", "calmed"]

PLURAL = r"(?<![\w'’-])([A-Z]{2,5})s(?![\w'’])"
"""CDs, PCs."""
SHOUTED = r"(?<![\w'’])[A-Z][A-Z'’]*(?:[ ,;:!?.\"-]{1,3}[A-Z][A-Z'’]*){2,}(?![\w'’])"
"""Three words or more in capitals."""

_WORD = re.compile(r"[A-Z][A-Z'’]*")
_FEWEST = 2
"""Ordinary words among those in capitals that make them a sentence."""


def calmed(ordinary: Collection[str], ambiguous: Collection[str]) -> Callable[[re.Match[str]], str | None]:
    """Reads what ``SHOUTED`` matched: ``ordinary`` and ``ambiguous`` words, which are also initialisms, get small
    letters, if it is a sentence. Both are given in small letters."""

    def small(match: re.Match[str]) -> str:
        word = match[0].lower().replace("’", "'")
        return word if word in ordinary or word in ambiguous else match[0]

    def read(match: re.Match[str]) -> str | None:
        words = [word.lower().replace("’", "'") for word in _WORD.findall(match[0])]
        if sum(word in ordinary for word in words) < _FEWEST:
            return None
        return _WORD.sub(small, match[0])

    return read
