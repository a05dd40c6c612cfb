"""What the Romance languages share: fractions, and in Spanish and Portuguese the numbers of kings and queens."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from saystream.text.normalization.base import Grammar, Noun
from saystream.text.normalization.numbers import Number

__all__ = ["Iberian", "Romance"]

_LARGEST_PART = 100
_LARGEST_RULER_ORDINAL = 10


class Romance(Grammar):
    """A language whose fractions are a cardinal and a part: one third, two thirds."""

    conjunction: ClassVar[str]
    """The word for "and"."""
    over: ClassVar[str]
    """Between the numbers of a fraction whose part has no name."""
    parts: ClassVar[Mapping[int, tuple[str, str]]]
    """The irregular parts, singular and plural: a half, halves."""

    @abstractmethod
    def part(self, below: int) -> tuple[str, str]:
        """Singular and plural of the ``below``-th part, if it is regular."""

    @abstractmethod
    def ordinal(self, value: int, *, feminine: bool = False) -> str: ...

    def fraction(self, above: int, below: int) -> str:
        if not 2 <= below <= _LARGEST_PART:
            return f"{self.cardinal(above)} {self.over} {self.cardinal(below)}"
        one, many = self.parts[below] if below in self.parts else self.part(below)
        return f"{self.cardinal(above, counts=True)} {one if above == 1 else many}"

    def mixed(self, whole: int, fraction: str) -> str:
        """A half is one without its article: "dos y medio"."""
        words = self.parts[2][0] if fraction == self.fraction(1, 2) else fraction
        return f"{self.cardinal(whole)} {self.conjunction} {words}"

    def with_minor(self, whole: str, cents: int, minor: Noun) -> str:
        return f"{whole} {self.conjunction} {self.counted(Number(str(cents)), minor)}"


class Iberian(Romance):
    """Spanish and Portuguese: rulers have ordinals up to the tenth, centuries and chapters are cardinals."""

    def _roman_cardinal(self, match: re.Match[str]) -> str | None:
        value = self.roman(match["n"])
        return None if value is None else f"{match['lead']} {self.cardinal(value)}"

    def _ruler(self, match: re.Match[str]) -> str | None:
        value = self.roman(match["n"])
        if value is None:
            return None
        before = match.string[: match.start()].rsplit(None, 1)[-1]
        if value > _LARGEST_RULER_ORDINAL:
            return self.cardinal(value)
        return self.ordinal(value, feminine=before.endswith("a") or before == "Isabel")
