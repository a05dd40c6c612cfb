"""How a target reads its input: a few choices first, then the bytes or the text that it is about."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

__all__ = ["Reader", "json_object", "pieces"]

_T = TypeVar("_T")
_Cut = TypeVar("_Cut", bytes, str)

_MOST_AT_ONCE = (1, 2, 7, 40, 1000)
"""A stream arrives byte by byte, in chunks, or at once…"""
_MANY = 32
"""…and in about as many pieces at most: more take time and show nothing new."""


class Reader:
    """Takes choices from the front of an input; one that has run out gives the first of each."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def __bool__(self) -> bool:
        return self._place < len(self._data)

    def byte(self) -> int:
        taken = self.take(1)
        return taken[0] if taken else 0

    def choice(self, among: Sequence[_T]) -> _T:
        return among[self.byte() % len(among)]

    def take(self, count: int) -> bytes:
        taken = self._data[self._place : self._place + count]
        self._place += count
        return taken

    def rest(self) -> bytes:
        return self.take(len(self._data))

    def text(self) -> str:
        """The rest; bytes that are not UTF-8 become lone surrogates, which JSON can bring."""
        return self.rest().decode("utf-8", "surrogateescape")


def pieces(whole: _Cut, seed: int) -> Iterator[_Cut]:
    """``whole`` in pieces of random sizes, the same ones for the same ``seed``."""
    sizes = random.Random(seed)
    most = max(_MOST_AT_ONCE[seed % len(_MOST_AT_ONCE)], len(whole) // _MANY)
    start = 0
    while start < len(whole):
        end = start + sizes.randint(1, most)
        yield whole[start:end]
        start = end


def json_object(text: bytes) -> dict[str, Any]:
    """The object in ``text``; empty if there is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
