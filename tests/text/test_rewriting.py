from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.characters import describe
from saystream.text.rewriting import Rewritten, Stretch, joined
from saystream.text.words import word_spans

CHARACTERS = "ab3.,- 好é"
TEXTS = st.text(CHARACTERS, max_size=25)
PATTERNS = st.sampled_from(
    ["a", "b+", "3", r"\d+", " ", "[a-z]+", "", r"(?<=a)", "好.", r"\S+ \S+", ".+", r"^", r"\s+"]
)


def pairs(rewritten: Rewritten, written: str) -> list[tuple[str, str]]:
    """Each word, or several of one origin, and what was written for it."""
    found: list[tuple[int, int, int, int]] = []
    for start, end in word_spans(rewritten.text):
        first, last = rewritten.span(start, end)
        if found and first < found[-1][3]:
            start, _, first, _ = found.pop()
        found.append((start, end, first, last))
    return [(rewritten.text[start:end], written[first:last]) for start, end, first, last in found]


def check(rewritten: Rewritten, written: str) -> None:
    """What every rewriting keeps to."""
    assert len(rewritten.text) == len(rewritten.starts) == len(rewritten.ends)
    assert list(rewritten.starts) == sorted(rewritten.starts)
    assert list(rewritten.ends) == sorted(rewritten.ends)
    assert all(
        0 <= start <= end <= len(written) for start, end in zip(rewritten.starts, rewritten.ends, strict=True)
    )


@given(text=TEXTS)
def test_a_text_that_is_not_rewritten_is_its_own_place(text: str) -> None:
    rewritten = Rewritten.of(text)
    check(rewritten, text)
    assert [rewritten.span(place, place + 1) for place in range(len(text))] == [
        (place, place + 1) for place in range(len(text))
    ]


@given(text=TEXTS, steps=st.lists(st.tuples(PATTERNS, TEXTS, st.booleans()), max_size=5))
def test_whatever_is_replaced_has_places_in_order_and_is_the_text_of_the_same_substitutions(
    text: str, steps: list[tuple[str, str, bool]]
) -> None:
    rewritten, plain = Rewritten.of(text), text
    for pattern, replacement, mostly_kept in steps:
        expression = re.compile(pattern)
        plain = expression.sub(replacement, plain)
        rewritten = rewritten.sub(expression, replacement, mostly_kept=mostly_kept)
        assert rewritten.text == plain
        check(rewritten, text)


@given(text=TEXTS, replacement=TEXTS)
def test_what_has_words_has_something_written_for_them(text: str, replacement: str) -> None:
    rewritten = Rewritten.of(f"x{text}y").sub(re.compile("(?<=x).+(?=y)|3"), replacement)
    check(rewritten, f"x{text}y")
    for character, start, end in zip(rewritten.text, rewritten.starts, rewritten.ends, strict=True):
        assert start < end or not describe(character).is_spoken


@given(text=TEXTS, cuts=st.lists(st.integers(0, 25), max_size=4))
def test_parts_that_are_joined_again_are_the_whole(text: str, cuts: list[int]) -> None:
    whole = Rewritten.of(text).sub(re.compile("3"), "three")
    places = [0, *sorted(cuts), len(whole)]
    again = joined(whole[start:end] for start, end in zip(places, places[1:], strict=False))
    assert (again.text, list(again.starts), list(again.ends)) == (
        whole.text,
        list(whole.starts),
        list(whole.ends),
    )


@pytest.mark.parametrize(
    ("written", "pattern", "spoken", "words"),
    [
        (
            "at 3.5 km.",
            "3.*m",
            "three point five km",
            [("at", "at"), ("three point five", "3.5"), ("km", "km")],
        ),
        ("4 July 24", "4.*", "July four, 24", [("July four", "4 July"), ("24", "24")]),
        ("3 July 24", "3.*", "three July two", [("three", "3"), ("July", "July"), ("two", "24")]),
        ("$5 on", r"\$5", "five dollars", [("five dollars", "$5"), ("on", "on")]),
        ("one - two", "-", "minus", [("one", "one"), ("minus", "-"), ("two", "two")]),
        ("one two", " ", " and ", [("one and", "one"), ("two", "two")]),
        (" two", "^", "one ", [("one", " "), ("two", "two")]),
        ("one", "one", "one of", [("one of", "one")]),
        ("one", "one", "no one", [("no one", "one")]),
        ("a, b", ",", "", [("a", "a"), ("b", "b")]),
        ("", "^", "!", []),
    ],
)
def test_a_replacement_keeps_its_words_and_the_rest_is_for_the_rest(
    written: str, pattern: str, spoken: str, words: list[tuple[str, str]]
) -> None:
    assert pairs(Rewritten.of(written).sub(re.compile(pattern), spoken), written) == words


def test_of_what_is_mostly_kept_the_same_words_are_found() -> None:
    written = "会议在3月5日开始"
    rewritten = Rewritten.of(written).sub(re.compile(".+"), "会议在三月五日开始", mostly_kept=True)
    assert pairs(rewritten, written) == [*zip("会议在三月五日开始", written, strict=True)]


def test_a_text_is_spelt_otherwise_word_by_word_or_letter_by_letter() -> None:
    text = Rewritten.of("the colour")
    assert text.respelt("the colour") is text
    assert pairs(text.respelt("ðə colour"), "the colour") == [("ðə", "the"), ("colour", "colour")]
    assert pairs(text.respelt("the color", list), "the colour") == [("the", "the"), ("color", "colour")]


def test_groups_and_references_can_be_used_in_a_replacement() -> None:
    rewritten = Rewritten.of("50 km").sub(re.compile(r"(\d+) (\w+)"), r"\2 \1")
    assert pairs(rewritten, "50 km") == [("km 50", "50 km")]


def test_a_further_step_joins_what_earlier_ones_made_of_one_thing() -> None:
    rewritten = Rewritten.of("3km off").sub(re.compile("3km"), "three kilometers")
    assert pairs(rewritten.sub(re.compile("meters off"), "s away"), "3km off") == [
        ("three kilos away", "3km off")
    ]
    assert pairs(rewritten.sub(re.compile(" "), "-"), "3km off") == [
        ("three-kilometers", "3km"),
        ("off", "off"),
    ]


def test_something_becomes_something_else_as_a_whole() -> None:
    rewritten = Rewritten.of("ab cd")[3:].becomes("xyz")
    assert (rewritten.text, {rewritten.span(0, 1), rewritten.span(2, 3)}) == ("xyz", {(3, 5)})


def test_spaces_at_the_ends_are_left_out() -> None:
    stripped = Rewritten.of("  ab ").strip()
    assert (stripped.text, stripped.span(0, 2)) == ("ab", (2, 4))
    assert len(Rewritten.of("  ").strip()) == 0


def test_a_part_has_its_place_in_the_whole() -> None:
    assert Rewritten.of("ab").shifted(5).span(0, 2) == (5, 7)


def test_a_separator_lies_between_what_it_separates() -> None:
    whole = Rewritten.of("ab")
    assert pairs(joined([whole[:1], whole[1:]], ", "), "ab") == [("a", "a"), ("b", "b")]
    assert joined([whole[:0], whole], "-").text == "-ab"


def test_what_lies_between_parts_of_one_stretch_is_of_it() -> None:
    word = Rewritten.of("x5")[1:].becomes("five")
    twice = joined([word.followed_by("!"), word], " ")
    assert (twice.text, list(twice.stretches())) == ("five! five", [Stretch(0, 10, 1, 2)])
    check(twice, "x5")
    assert Rewritten.of("").followed_by("!").text == "!"


def test_stretches_are_what_was_written_apart() -> None:
    rewritten = Rewritten.of("a 3km.").sub(re.compile("3km"), "(three k m)").sub(re.compile("a"), "ha!")
    assert list(rewritten.stretches()) == [Stretch(0, 3, 0, 1), Stretch(5, 15, 2, 5)]
    assert list(Rewritten.of("").stretches()) == []
