"""Text without its markup, and its places in what was pushed."""

from __future__ import annotations

from saystream.audio import Mark
from saystream.speech.plain_text import PlainText


def places(plain: PlainText, start: int, end: int) -> tuple[int, int]:
    mark = plain.written(Mark(start, end, 0.0, 10.0))
    return mark.start, mark.end


def test_places_are_those_of_what_was_pushed_also_around_passages() -> None:
    plain = PlainText()
    assert plain.push("a **b") + plain.finish() == "a b"
    plain.passage("<x>")
    assert plain.push("_c_ d") + plain.finish() == "c d"
    assert places(plain, 2, 3) == (4, 5)
    assert places(plain, 3, 6) == (5, 8)
    assert places(plain, 6, 7) == (9, 10)


def test_what_is_dropped_leaves_its_place_to_what_comes_next() -> None:
    plain = PlainText()
    assert plain.push("one *two* three [four") == "one two three "
    assert plain.held_characters == 5
    plain.drop(5)
    assert plain.held_characters == 0
    assert plain.push("*new*") + plain.finish() == "new"
    assert places(plain, 4, 5) == (5, 6)
    assert places(plain, 5, 8) == (22, 25)


def test_all_of_it_may_be_dropped() -> None:
    plain = PlainText()
    plain.push("one two")
    plain.drop(0)
    assert plain.push("new") == "new"
    assert places(plain, 0, 3) == (7, 10)
