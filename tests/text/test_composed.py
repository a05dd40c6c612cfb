from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.composed import composed, plain_characters
from saystream.text.rewriting import Rewritten


def plain(text: str) -> str:
    return composed(Rewritten.of(text)).text


@pytest.mark.parametrize("text", ["Größe Übung", "한국어", "がぎぐ パピプ", "ёж, йод", "é à ç ñ", "Ångström"])
def test_accents_jamo_and_voicing_marks_are_joined_with_what_they_belong_to(text: str) -> None:
    assert plain(unicodedata.normalize("NFD", text)) == text


@pytest.mark.parametrize(
    ("styled", "text"),
    [
        ("𝐁𝐫𝐞𝐚𝐤𝐢𝐧𝐠 𝓃𝑒𝓌𝓈 𝟙𝟚", "Breaking news 12"),
        ("Ⓗⓔⓛⓛⓞ", "Hello"),
        ("🄰🄱 🅰🅱 🅐", "AB AB A"),
        ("ＡＢＣ ａｂｃ １２３", "ABC abc 123"),
        ("１０：３０ ３．５ １／２", "10:30 3.5 1/2"),
        ("你好：世界", "你好：世界"),
        ("ﬁne ﬂow", "fine flow"),
        ("H₂O CO₂", "H2O CO2"),
        ("XIXᵉ 1ᵉʳ", "XIXe 1er"),
        ("①②③ ❶❷", "1 2 3 1 2"),
        ("①打开 ②A ⑩", "1打开 2 A 10"),
        ("⑴ ⒈ ⒜", "1 1 (a)"),
        ("ｶﾞｷﾞ ﾊﾟﾝ", "ガギ パン"),
        ("㎏ ㎡ ㎥ ㎞ ㈱", "kg m² m³ km (株)"),
    ],
)
def test_letters_and_digits_in_another_style_become_plain_ones(styled: str, text: str) -> None:
    assert plain(styled) == text


@pytest.mark.parametrize(
    "text", ["x² 10⁵", "Ⅷ ⅳ", "½ ¾", "25℃ №5", "1º 2ª", "…‥", "％", "۵", "𠀀", "◯ ▲", "ℓ"]
)
def test_what_only_a_language_can_read_stays(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("it’s itʼs it`s it´s it＇s", "it's it's it's it's it's"),
        ("l’homme", "l'homme"),
        ("’tis the ’90s, the 1990’s", "'tis the '90s, the 1990's"),
        ("‘quoted’ and `code`", "‘quoted’ and `code`"),
        ("the dogs’ tails", "the dogs’ tails"),
    ],
)
def test_what_stands_for_an_apostrophe_becomes_one(written: str, text: str) -> None:
    assert plain(written) == text


def test_signs_of_trade_marks_are_not_said() -> None:
    assert plain("Java™, Foo® and a©b") == "Java, Foo and a b"


def test_each_character_keeps_the_place_of_what_it_was_written_as() -> None:
    text = "Gro\u0308\u00dfe ①A"
    result = composed(Rewritten.of(text))
    assert result.text == "Größe 1 A"
    assert result.span(2, 3) == (2, 4)
    assert result.span(3, 4) == (4, 5)
    assert result.span(6, 7) == (7, 8)


@given(st.text(max_size=40))
def test_any_text_is_composed_and_no_letter_is_lost(text: str) -> None:
    result = composed(Rewritten.of(text))
    assert unicodedata.is_normalized("NFC", result.text)
    assert list(result.starts) == sorted(result.starts)
    assert any(map(str.isalnum, result.text)) or not any(map(str.isalnum, text))


@given(st.text(st.characters(max_codepoint=0x1FF), max_size=40))
def test_what_was_composed_is_not_changed_again(text: str) -> None:
    once = composed(Rewritten.of(text)).text
    assert plain(once) == once


def test_a_sign_that_stands_for_no_letter_stays() -> None:
    assert plain_characters("℘(x)") == "℘(x)"
