from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.counting import audio_tokens, billed_characters, estimated_text_tokens


@pytest.mark.parametrize(
    ("text", "billed"),
    [
        ("", 0),
        ("hello", 5),
        ("你好", 4),
        ("你好，世界！", 10),
        ("漢字とかな", 7),
        ("한글 大韓", 7),
        ("カタカナ", 4),
        ("Ａ１　", 3),
        ("二〇二四", 8),
        ("人々", 3),
        ("\u3400\U00020000\U0002ebf0\U000323b0", 8),
        ("\uf900\U0002f800", 4),
        ("⼀⺀", 2),
        ("👨\u200d👩", 3),
        ("<speak>", 7),
    ],
)
def test_han_characters_count_twice_and_the_rest_once(text: str, billed: int) -> None:
    assert billed_characters(text) == billed


def test_the_documented_sample_is_billed_as_documented() -> None:
    assert billed_characters("字" * 92 + "，，。！ab 12、") == 92 * 2 + 10
    assert billed_characters("字" * 92 + "，，。！abc 12、") == 195


@given(first=st.text(), second=st.text())
def test_billing_does_not_depend_on_the_split(first: str, second: str) -> None:
    assert billed_characters(first + second) == billed_characters(first) + billed_characters(second)
    assert len(first) <= billed_characters(first) <= 2 * len(first)


@pytest.mark.parametrize(
    ("audio_ms", "tokens"), [(0, 0), (1, 50), (999.5, 50), (1000, 50), (1000.1, 100), (60_000, 3000)]
)
def test_each_started_second_of_audio_is_fifty_tokens(audio_ms: float, tokens: int) -> None:
    assert audio_tokens(audio_ms) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("你", 1), ("hello world!", 3), ("你好世界", 3)]
)
def test_text_tokens_are_estimated_and_never_none_for_a_text(text: str, tokens: int) -> None:
    assert estimated_text_tokens(text) == tokens
