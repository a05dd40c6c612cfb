"""Numbers as they are written, and as words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["FIRST_CENTURY_OF_YEARS", "ROMAN_END", "Number", "in_words", "parse", "pattern", "roman_value"]

ROMAN_END = "\u2060"
"""Stands behind letters that are certainly a Roman numeral. It joins words and is no letter."""

FIRST_CENTURY_OF_YEARS = range(1100, 2100)
"""Numbers of four digits that are years."""

MOST_DIGITS = 15
"""A longer number is read digit by digit, as people read it."""

_NO_DIGITS = re.compile(r"\D")
_ROMAN = re.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


@dataclass(frozen=True, slots=True)
class Number:
    """A decimal number as it is written."""

    whole: str
    """Digits; may begin with zeros."""
    fraction: str = ""
    """Digits after the decimal mark; may end in zeros."""
    sign: str = ""
    """``-``, ``+``, ``±`` or nothing."""

    @property
    def value(self) -> int:
        """The whole part, without the sign."""
        return int(self.whole)

    @property
    def is_spelled(self) -> bool:
        """Whether it is read digit by digit: too long for words, or with a leading zero, as in codes."""
        return len(self.whole) > MOST_DIGITS or (self.whole.startswith("0") and len(self.whole) > 1)


def pattern(name: str, *, decimal: str, groups: str, signed: bool = True) -> str:
    """A regular expression for a number as the named group ``name``.

    ``decimal`` and ``groups`` are classes of the marks before decimals and between groups of three digits.
    """
    sign = r"(?:(?<![\w)\]])[-−+±])?" if signed else ""
    start = r"(?<!\d)(?<!\d[.,:/])"
    return rf"(?P<{name}>{sign}{start}(?:\d{{1,3}}(?:[{groups}]\d{{3}})+(?!\d)|\d+)(?:[{decimal}]\d+)?)"


def parse(text: str, decimal: str) -> Number:
    """The number in ``text``, which the pattern matched; ``decimal`` is its class of decimal marks."""
    sign = "-" if text[0] in "-−" else text[0] if text[0] in "+±" else ""
    whole, *fraction = re.split(f"[{decimal}]", text)
    return Number(_NO_DIGITS.sub("", whole), "".join(fraction), sign)


@lru_cache(maxsize=4096)
def in_words(value: int, language: str, kind: str = "cardinal", **forms: Any) -> str:
    """As num2words writes it in ``language``, without the commas that it puts into long numbers."""
    from num2words import num2words  # imports every language: 0.1 s, only for languages that use it

    return str(num2words(value, lang=language, to=kind, **forms)).replace(",", "")


def roman_value(numeral: str) -> int | None:
    """``None`` for anything that is not a Roman numeral as written today."""
    if not numeral or _ROMAN.fullmatch(numeral) is None:
        return None
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-one if one < after else one for one, after in zip(values, following, strict=True))
