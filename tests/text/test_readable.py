"""What an engine that knows only some scripts can read of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.readable import readable_parts, scripts_of


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("Hello, 5 µg of 10ª ℃!", {"latin"}),
        ("他说 hello。", {"han", "latin"}),
        ("東京へ行くカ", {"han", "hiragana", "katakana"}),
        ("Привет 안녕 สวัสดี", {"cyrillic", "hangul", "thai"}),
        ("مرحبا नमस्ते Ελλάδα", {"arabic", "devanagari", "greek"}),
        ("5 Ω, π ≈ 3.14", set()),
        ("𝐁𝐫𝐞𝐚𝐤", set()),
        ("123 😀 …", set()),
        ("aʰb", {"latin"}),
    ],
)
def test_the_scripts_of_a_text_are_those_of_its_words(text: str, scripts: set[str]) -> None:
    assert scripts_of(text) == scripts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello.", ["Hello."]),
        ("He said 你好 to me.", ["He said ", "你好 ", "to me."]),
        ("“你好”, he said", ["“你好”, ", "he said"]),
        ("12 你好", ["12 你好"]),
        ("", [""]),
    ],
)
def test_a_text_is_cut_between_what_can_be_read_and_what_cannot(text: str, parts: list[str]) -> None:
    assert readable_parts(text, ("latin",)) == parts


@given(st.text(), st.sets(st.sampled_from(["latin", "han", "cyrillic", "arabic"])))
def test_the_parts_are_the_text(text: str, scripts: set[str]) -> None:
    assert "".join(readable_parts(text, scripts)) == text
