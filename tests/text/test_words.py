from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.words import complete_length, word_spans

TEXTS = st.text(alphabet="aé’' 漢ひカ한e\u0301ก็9.,\u200d😀\n", max_size=30)


def words(text: str, start: int = 0) -> list[str]:
    return [text[begin:end] for begin, end in word_spans(text, start)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" …?! ", []),
        ("Hello, world.", ["Hello", "world"]),
        ("I don't, and we’re not.", ["I", "don't", "and", "we’re", "not"]),
        ("Grüße\nam 3. Mai", ["Grüße", "am", "3", "Mai"]),
        ("cafe\u0301 noir", ["cafe\u0301", "noir"]),
        ("Привет, мир", ["Привет", "мир"]),
        ("你好，world吗", ["你", "好", "world", "吗"]),
        ("ひらがなとカタカナ", ["ひ", "ら", "が", "な", "と", "カタカナ"]),
        ("か\u3099く", ["か\u3099", "く"]),
        ("안녕하세요 여러분", ["안녕하세요", "여러분"]),
        ("สวัสดีครับ", ["สวัสดีครับ"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("😀 ok", ["ok"]),
    ],
)
def test_words_are_found_in_every_script(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_words_are_found_from_a_place_on() -> None:
    assert words("one two three", 3) == ["two", "three"]


@given(TEXTS)
def test_words_do_not_overlap_and_leave_out_nothing_that_is_spoken(text: str) -> None:
    position = 0
    for start, end in word_spans(text):
        assert position <= start < end <= len(text)
        assert not any(map(str.isalnum, text[position:start]))
        position = end
    assert not any(map(str.isalnum, text[position:]))


@given(TEXTS, TEXTS)
def test_what_is_complete_has_the_same_words_whatever_follows(text: str, more: str) -> None:
    length = complete_length(text)
    before = [span for span in word_spans(text + more) if span[0] < length]
    assert before == list(word_spans(text[:length]))


@pytest.mark.parametrize(
    ("text", "complete"),
    [("", ""), ("one two", "one "), ("one two.", "one two."), ("你好", "你"), ("you're", "")],
)
def test_a_word_that_reaches_to_the_end_is_not_complete(text: str, complete: str) -> None:
    assert text[: complete_length(text)] == complete
