"""What eSpeak would spell out in English letters is told to it."""

from __future__ import annotations

import pytest

from saystream.engines.pronunciation.espeak_library import phonemize
from saystream.engines.pronunciation.espeak_mandarin import with_misread
from saystream.engines.pronunciation.espeak_phones import marked_up
from saystream.text.script import Pronunciation

ENGLISH = ("wˈɒn", "tˈuː", "θɹˈiː", "fˈɔːr", "fˈaɪv")
"""Tones as English numbers."""


def told(text: str, *known: Pronunciation) -> list[tuple[str, str]]:
    return [(text[each.start : each.end], each.phonemes) for each in with_misread(text, known)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好。", []),
        ("兄弟看见狗熊", [("兄", "xiong1"), ("熊", "xiong2")]),
        ("花儿在这兒", [("儿", "er5"), ("兒", "er5")]),
        ("儿子和女儿", []),
        ("兒子，女兒", [("兒", "er2"), ("兒", "er2")]),
        ("ABC 儿", []),
    ],
)
def test_only_what_is_misread_is_told(text: str, expected: list[tuple[str, str]]) -> None:
    assert told(text) == expected


def test_what_is_told_already_stays() -> None:
    own = Pronunciation(1, 3, "pinyin", "xiang1 xia4")
    assert with_misread("穷兄弟", [own]) == (Pronunciation(0, 1, "pinyin", "qiong2"), own)


@pytest.mark.parametrize("text", ["兄胸凶雄熊穷琼窘炯", "一会儿，那儿有花儿。", "大熊和小兄弟很穷", "我兒。"])
def test_nothing_is_spelt_out_then(text: str) -> None:
    def read(written: str) -> str:
        return " ".join(clause.phonemes for clause in phonemize(written, "sit/cmn"))

    assert any(number in read(text) for number in ENGLISH)
    assert not any(number in read(marked_up(text, with_misread(text, ())).text) for number in ENGLISH)
