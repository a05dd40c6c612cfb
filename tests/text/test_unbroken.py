"""Formulas and what a caller names stay whole, also while they come."""

from __future__ import annotations

import pytest

from saystream.text.unbroken import Unbroken


def watched(text: str, *ranges: tuple[int, int]) -> Unbroken:
    unbroken = Unbroken(list(text))
    for start, end in ranges:
        unbroken.add(start, end)
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
        ("It is $$a + b$$ here, \\(a + b\\) or \\[c\nd\\].", ["$$a + b$$", "\\(a + b\\)", "\\[c\nd\\]"]),
        ("It costs $20,000 and $30,000 a year", []),
        ("Plain text, and nothing in it", []),
    ],
)
def test_formulas_stay_whole(text: str, formulas: list[str]) -> None:
    assert whole(text) == formulas


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("Let $x", 4),
        ("Let $x$", None),
        ("Let $$x", 4),
        ("Let \\(x, y", 4),
        ("Let $ x", None),
        ("Let x", None),
    ],
)
def test_what_is_not_complete_may_still_become_a_formula(text: str, start: int | None) -> None:
    assert watched(text).open_start == start


def test_an_answer_is_for_the_text_that_is_there() -> None:
    characters = list("Let")
    unbroken = Unbroken(characters)
    assert unbroken.open_start is None
    characters += " $x, y"
    assert unbroken.open_start == 4
    assert unbroken.around(7) == (4, 9)
    characters += "$ be"
    assert unbroken.open_start is None
    assert unbroken.around(7) == (4, 10)


def test_what_is_named_stays_whole_before_it_has_come() -> None:
    characters = list("Hello th")
    unbroken = Unbroken(characters)
    unbroken.add(6, 11)
    unbroken.add(20, 25)
    assert unbroken.open_start == 6
    assert unbroken.around(7) == (6, 8)
    assert unbroken.before(8) == 6
    characters += "ere you"
    assert unbroken.open_start is None
    assert [unbroken.around(place) for place in (6, 7, 10, 11)] == [None, (6, 11), (6, 11), None]
    assert unbroken.before(11) == 11


def test_the_first_that_is_not_complete_counts() -> None:
    assert watched("Say $x and", (6, 40)).open_start == 4
    assert watched("Say it $x and", (4, 40)).open_start == 4


def test_ranges_that_lie_in_each_other_are_one() -> None:
    unbroken = watched("Let $a + b$ be", (5, 6), (8, 14))
    assert unbroken.around(7) == (4, 11)
    assert unbroken.around(9) == (4, 14)
