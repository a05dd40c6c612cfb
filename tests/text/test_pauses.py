"""The pause after a segment follows its last mark."""

from __future__ import annotations

import pytest

from saystream.text.pauses import ends_sentence, is_unmarked, pause_after_ms


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("It is late.", 300),
        ("Is it late? ", 300),
        ('He said: "Go!"', 300),
        ("(It was late.) ", 300),
        ("很晚了。", 300),
        ("他说：“走吧！”", 300),
        ("first;", 200),
        ("as follows: ", 200),
        ("一方面；", 200),
        ("well, ", 150),
        ("首先，", 150),
        ("苹果、", 150),
        ("cut between two", 40),
        ("a heading\n", 300),
        ("", 40),
        ("...", 300),
    ],
)
def test_the_last_mark_decides(text: str, expected_ms: int) -> None:
    assert pause_after_ms(text) == expected_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cut between two ", True),
        ("他说“走吧”", True),
        ("well, ", False),
        ("“Go!” ", False),
        ("a heading\n", False),
    ],
)
def test_a_text_without_a_mark_at_its_end_is_known(text: str, expected: bool) -> None:
    assert is_unmarked(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is late. ", True),
        ("很晚了。", True),
        ("a heading\n", True),
        ("วันนี้อากาศดี ", True),
        ("วันนี้อากาศดี", False),
        ("well, ", False),
        ("cut between two ", False),
        ("  ", False),
    ],
)
def test_a_sentence_ends_at_its_mark_and_in_thai_at_a_space(text: str, expected: bool) -> None:
    assert ends_sentence(text) is expected
