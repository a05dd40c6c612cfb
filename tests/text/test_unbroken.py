"""Formulas and what a caller names stay whole; a dollar sign alone is money."""

from __future__ import annotations

import pytest

from saystream.text.unbroken import Unbroken


def watched(text: str, *ranges: tuple[int, int]) -> Unbroken:
    unbroken = Unbroken()
    for start, end in ranges:
        unbroken.add(start, end)
    for character in text:
        unbroken.step(character)
    return unbroken


def whole(text: str) -> list[str]:
    """What must not be cut, found place by place."""
    unbroken = watched(text)
    found = dict.fromkeys(unbroken.around(place) for place in range(1, len(text)))
    return [text[slice(*each)] for each in found if each is not None]


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("Let $x$ be $f(x, y)$.", ["$x$", "$f(x, y)$"]),
        ("It is $$a + b. C$$ here", ["$$a + b. C$$"]),
        ("It is \\(a + b\\) or \\[c\nd\\].", ["\\(a + b\\)", "\\[c\nd\\]"]),
        ("a \\$5 and \\\\(b) and c\\", []),
        ("$5\\$x$ is odd", ["$5\\$x$"]),
        ("It costs $20,000 and $30,000 a year", []),
        ("It costs $5 and more", []),
        ("It costs $5, and more", []),
        ("It costs $5 million", []),
        ("它卖$5的时候", []),
        ("$5 + x$ and $2x$", ["$5 + x$", "$2x$"]),
        ("a $ b $ c", []),
        ("a $b\nc$ d", []),
        ("a $b, and $c$ d", ["$c$"]),
        ("a $" + "x" * 201 + "$ b", []),
        ("a $$" + "x" * 501 + " b", []),
    ],
)
def test_formulas_stay_whole(text: str, formulas: list[str]) -> None:
    assert whole(text) == formulas


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("Let $", 4),
        ("Let $x", 4),
        ("Let $x$", None),
        ("Let $$x$", 4),
        ("Let \\(x, y", 4),
        ("Let $ ", None),
        ("It costs $5 mi", None),
        ("It costs $5 m", 9),
    ],
)
def test_what_is_not_complete_may_still_become_a_formula(text: str, start: int | None) -> None:
    assert watched(text).open_start == start


def test_where_a_sentence_ends_a_dollar_before_was_money_and_a_display_goes_on() -> None:
    unbroken = watched("It is $x. Th")
    unbroken.end_sentence()
    assert unbroken.open_start is None
    unbroken = watched("It is $$x. Th")
    unbroken.end_sentence()
    assert unbroken.open_start == 6


def test_what_is_named_stays_whole_before_it_has_come() -> None:
    unbroken = watched("Hello th", (6, 11), (20, 25))
    assert unbroken.open_start == 6
    assert unbroken.around(7) == (6, 8)
    assert unbroken.before(8) == 6
    for character in "ere you":
        unbroken.step(character)
    assert unbroken.open_start is None
    assert [unbroken.around(place) for place in (6, 7, 10, 11)] == [None, (6, 11), (6, 11), None]
    assert unbroken.before(11) == 11


def test_what_is_named_within_a_formula_belongs_to_it() -> None:
    unbroken = watched("Let $a + b$ be", (5, 6), (12, 14))
    assert unbroken.around(8) == (4, 11)
    assert unbroken.around(13) == (12, 14)


def test_nothing_is_whole_in_an_empty_text() -> None:
    assert Unbroken().open_start is None
    assert Unbroken().around(0) is None
