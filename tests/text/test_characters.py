from __future__ import annotations

import sys

import pytest

from saystream.text.characters import Script, describe, is_ideograph, may_cut, may_start_unspaced


@pytest.mark.parametrize(
    ("character", "script", "weight"),
    [
        ("a", Script.LATIN, 1),
        ("é", Script.LATIN, 1),
        ("Ａ", Script.LATIN, 1),
        ("я", Script.CYRILLIC, 1),
        ("人", Script.HAN, 2),
        ("あ", Script.HIRAGANA, 2),
        ("カ", Script.KATAKANA, 2),
        ("ｶ", Script.KATAKANA, 2),
        ("ー", Script.KATAKANA, 2),
        ("한", Script.HANGUL, 2),
        ("\u1112", Script.HANGUL, 2),
        ("ท", Script.THAI, 1),
        ("\u0e31", Script.THAI, 0),
        ("\u0301", Script.OTHER, 0),
        ("9", Script.OTHER, 1),
        ("。", Script.OTHER, 1),
        ("😀", Script.OTHER, 1),
        ("\u200d", Script.OTHER, 0),
        (" ", Script.OTHER, 0),
        ("\u3000", Script.OTHER, 0),
        ("\ud800", Script.OTHER, 1),
    ],
)
def test_a_character_has_a_script_and_a_weight(character: str, script: Script, weight: int) -> None:
    facts = describe(character)
    assert (facts.script, facts.weight) == (script, weight)


def test_every_ideograph_is_named_so_by_unicode() -> None:
    import unicodedata

    for code in range(sys.maxunicode + 1):
        name = unicodedata.name(chr(code), "")
        if name.startswith(
            ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "IDEOGRAPHIC NUMBER ZERO")
        ):
            assert is_ideograph(chr(code)), hex(code)
        elif name:
            assert not is_ideograph(chr(code)), hex(code)


@pytest.mark.parametrize(
    "cluster",
    [
        "e\u0301",
        "ที่",
        "เก",
        "กา",
        "👨\u200d👩\u200d👧",
        "👍🏽",
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "🇩🇪",
        "\u1112\u1161\u11ab",
        "क\u094dष",
        "\r\n",
        "\ud83d\ude00",
    ],
)
def test_what_is_seen_as_one_character_is_not_parted(cluster: str) -> None:
    characters = ["x", *cluster, "x"]
    places = [position for position in range(1, len(characters)) if may_cut(characters, position)]
    assert places == [1, len(characters) - 1]


def test_two_flags_are_parted_between_them() -> None:
    characters = list("🇩🇪🇫🇷")
    assert [position for position in range(1, 4) if may_cut(characters, position)] == [2]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("天气", [1]),
        ("天。气", [2]),
        ("（天）气", [3]),
        ("用Pyx写", [1, 4]),
        ("コーヒ", []),
        ("きっと", [2]),
        ("天,气", [2]),
        ("가나", []),
        ("天\u0301气", [2]),
    ],
)
def test_text_without_spaces_is_parted_beside_han_and_hiragana(text: str, places: list[int]) -> None:
    characters = list(text)
    assert [p for p in range(1, len(characters)) if may_start_unspaced(characters, p)] == places
