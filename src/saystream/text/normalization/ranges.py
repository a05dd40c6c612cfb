"""Ranges, scores and differences: what a dash or a tilde between two numbers stands for.

These rules are tried before those of numbers. They put a word in the place of the sign and leave both ends as they are
written, so that each is read by the rules of its own kind; where both ends share a unit they only put the sign that
those rules know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.normalization.numbers import FIRST_CENTURY_OF_YEARS
from saystream.text.normalization.rules import Rule, Speaker

__all__ = ["BETWEEN", "DASH", "SHARED", "TILDES", "is_score", "is_years", "nearby", "range_rules"]

TILDES = "~～〜∼"
SHARED = "–"
"""What the rules for numbers with one unit look for."""
DASH = rf"[–—―‒−{TILDES}-]"
BETWEEN = rf"\s?{DASH}\s?"
_LONG = rf"\s?[–—―‒{TILDES}]\s?|-|\s-\s"
"""Not a minus."""
_SMALL = 2
"""Digits of the goals of one side."""
_NEARBY = 40
"""Characters in which the word stands that makes two numbers a score."""


def range_rules(grammar: Speaker) -> Iterator[Rule]:
    to = f" {grammar.to} "
    minus = f" {grammar.minus} "
    operand = r"(?:\d+(?:[.,]\d+)?\s?%?|(?<![^\W\d_])[^\W\d_](?![^\W\d_]))"
    # 5 − 3 = 2: in an equation, or with the sign that is nothing else between spaces.
    yield (
        rf"({operand})\s?[-–−]\s?(?={operand}(?:\s?[-–−+×*/·]\s?{operand}){{0,5}}\s?[=≠≈<>≤≥])",
        lambda m: m[1] + minus,
    )
    yield r"(?<=[\w)])\s−\s(?=[\w(])", lambda m: minus
    yield rf"(?<=\d)(?:\s?[{TILDES}—―‒]\s?)(?=\d)", lambda m: SHARED
    yield from _of_names(grammar, to)
    yield from _of_dates(to)
    # 9:00–17:00; before the last end, "5:30-7 pm" has the hour of the same half.
    yield (
        rf"(?<![\d:.,])(\d{{1,2}}:[0-5]\d)(?:{_LONG})(?=\d{{1,2}}(?::[0-5]\d|(?![\d:.,])))",
        lambda m: m[1] + to,
    )
    yield (
        rf"(?<![\d:.,])(\d{{1,2}}\s?[hH](?:\s?[0-5]\d)?){BETWEEN}(?=\d{{1,2}}\s?[hH](?![^\W\d]))",
        lambda m: m[1] + to,
    )
    units = grammar.any_unit
    yield rf"(\d\s?(?:{units})){BETWEEN}(?=[-−+]?\d)", lambda m: m[1] + to
    signs = grammar.any_currency
    yield rf"((?:{signs})\s?\d[\d.,]{{0,20}}){BETWEEN}(?=(?:{signs})\s?\d)", lambda m: m[1] + to
    later = "|".join(grammar.lists["now"].split())
    yield rf"(?<![\w.,-])(\d{{4}})\s?[–—-]\s?(?=(?:{later})\b)", lambda m: m[1] + to


def _of_names(grammar: Speaker, to: str) -> Iterator[Rule]:
    """May–June, Monday–Friday, 5 May – 7 June."""
    if months := grammar.any_month:
        day = r"\d{1,2}(?:st|nd|rd|th|er|[.º°])?"
        first = rf"(?<!\w)(?:{day}\s(?:de\s)?)?(?:{months})\.?(?:\s{day}(?!\d))?(?:,?\s(?:de\s)?\d{{4}})?"
        last = rf"(?={day}\s?(?:de\s)?(?:{months})(?!\w)|(?:{months})(?!\w))"
        yield rf"({first})(?:\s?[–—―‒{TILDES}]\s?|-|\s-\s){last}", lambda m: m[1] + to
    days = grammar.weekdays
    any_day = "|".join(sorted(map(re.escape, days), key=len, reverse=True))
    yield (
        rf"(?<![\w-])({any_day})\.?(?:{_LONG})({any_day})(?!\w)",
        lambda m: f"{days[m[1]]}{to}{days[m[2]]}",
    )


def _of_dates(to: str) -> Iterator[Rule]:
    iso, numeric = r"\d{4}-\d\d-\d\d", r"\d{1,2}([./])\d{1,2}"
    yield rf"(?<![\w-])({iso})(?:\s?[–—―‒{TILDES}]\s?|\s-\s)(?={iso}(?!\w))", lambda m: m[1] + to
    yield (
        rf"(?<![\w./])({numeric}(?:\2(?:\d{{4}}|\d\d)?)?)(?:{_LONG})(?=\d{{1,2}}\2\d{{1,2}}(?:\2|(?!\d)))",
        lambda m: m[1] + to if m[2] == "/" or m[1].count(".") > 1 else m[0],
    )


def is_score(first: str, second: str, around: str, words: str) -> bool:
    """Whether two numbers with a dash between them are the goals of two sides: small ones, of which the first is not
    less than the second, or which one of ``words`` stands near."""
    if max(len(first), len(second)) > _SMALL:
        return False
    return int(first) >= int(second) or any(word in around for word in words.split())


def nearby(match: re.Match[str]) -> str:
    return match.string[max(0, match.start() - _NEARBY) : match.end() + _NEARBY].lower()


def is_years(first: str, second: str) -> bool:
    """Whether these are two years of our time, the second perhaps in two digits."""
    if len(first) != 4 or int(first) not in FIRST_CENTURY_OF_YEARS:
        return False
    return len(second) == 2 and int(second) > int(first[2:]) or len(second) == 4 and int(second) > int(first)
