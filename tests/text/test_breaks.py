from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.boundaries import BoundaryScanner
from saystream.text.breaks import growing_word_start, length_break


def growing_start(text: str) -> int:
    scanner = BoundaryScanner()
    for character in text:
        scanner.step(character)
    return growing_word_start(scanner.characters, scanner.word_start)


@pytest.mark.parametrize(
    ("text", "limit", "first"),
    [
        ("aaaa bbbb cccc", 12, "aaaa bbbb "),
        ("a bbbbbbbbbbbbbb", 12, "a "),
        ("aaaaaaaaaaaaaaaa", 12, "aaaaaaaaaaaa"),
        ("aaaaaaaa-bbbbbbbb", 12, "aaaaaaaa-"),
        ("x-1234567.8901234", 12, "x-1234567.89"),
        ("人人人bbbbbbbbbbbbbb", 12, "人人人"),
        ("aaaaa 人人人人人人人人人", 12, "aaaaa "),
        ("aaaaaa\r\n\r\n\r\nbbbb", 11, "aaaaaa\r\n\r\n"),
        ("e" + "\u0301" * 20, 12, "e" + "\u0301" * 11),
    ],
)
def test_the_limit_takes_the_best_place(text: str, limit: int, first: str) -> None:
    assert text[: length_break(list(text), limit, None, None)] == first


def test_the_limit_takes_a_sentence_end_first_and_a_clause_end_unless_it_is_early() -> None:
    characters = list("aa bb cc dd ee ff")
    assert length_break(characters, 16, 3, 9) == 3
    assert length_break(characters, 16, None, 9) == 9
    assert length_break(characters, 16, None, 3) == 15


@given(text=st.text(min_size=1, max_size=60))
def test_the_place_is_always_inside(text: str) -> None:
    characters = list(text) * 2
    assert 0 < length_break(characters, len(text), None, None) <= len(text)
    assert 0 <= growing_start(text) <= len(text)


@pytest.mark.parametrize(
    ("text", "growing"),
    [
        ("", ""),
        ("one two", "two"),
        ("one two ", ""),
        ("one two.", ""),
        ("one two,”", ""),
        ("one don't", "don't"),
        ("one well-", "well-"),
        ("one 3.", "3."),
        ("one 3!", ""),
        ("at www.example.", "www.example."),
        ("at (", "("),
        ("at (one", "(one"),
        ("one ...", ""),
        ("one 😀", "😀"),
        ("天气", ""),
        ("天气（", "（"),
        ("天气。", ""),
        ("用Py", "Py"),
        ("ดีครับ", "บ"),
        ("เก", "เก"),
        ("한국 사", "사"),
    ],
)
def test_the_last_word_grows_until_it_is_complete(text: str, growing: str) -> None:
    assert text[growing_start(text) :] == growing
