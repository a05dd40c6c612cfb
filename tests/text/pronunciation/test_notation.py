from __future__ import annotations

import pytest

from saystream.text.pronunciation.notation import (
    ARPABET,
    ARPABET_CONSONANTS,
    ARPABET_VOWELS,
    Syllable,
    arpabet_phones,
    pinyin_syllables,
    recognized,
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("tian1 qi4", "tian1 qi4"),
        ("Tian1qi4", "tian1 qi4"),
        ("tiān qì", "tian1 qi4"),
        ("xī'ān", "xi1 an1"),
        ("nü3 lu:4 lv4", "nv3 lv4 lv4"),
        ("nu\u03083", "nv3"),
        ("lǜ", "lv4"),
        ("ma0 er2 ng2", "ma5 er2 ng2"),
    ],
)
def test_pinyin_is_read_however_it_is_written(written: str, read: str) -> None:
    assert " ".join(map(str, pinyin_syllables(written) or ())) == read


def test_a_syllable_may_end_with_the_sound_of_er() -> None:
    assert pinyin_syllables("huar1") == (Syllable("hua", "1", rhotic=True),)
    assert recognized("huar1") == ("pinyin", "huar1")


@pytest.mark.parametrize(
    "text", ["", "tian", "tian qi4", "xyz1", "r1", "qi6", "天1", "tiānqì", "tian1qi", "bqr3"]
)
def test_what_is_no_pinyin_with_tones_is_none(text: str) -> None:
    assert pinyin_syllables(text) is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("HH AH0 L OW1", "HH AH0 L OW1"),
        ("hh-ah0-l-ow1", "HH AH0 L OW1"),
        ("HH AH L OW1", "HH AH0 L OW1"),
        ("K AE T IY", "K AE1 T IY0"),
    ],
)
def test_arpabet_is_read(written: str, read: str) -> None:
    assert " ".join(arpabet_phones(written) or ()) == read


@pytest.mark.parametrize("text", ["", "HH1", "QQ", "AH3", "hello", "həˈloʊ"])
def test_what_is_no_arpabet_is_none(text: str) -> None:
    assert arpabet_phones(text) is None


def test_what_could_be_both_is_arpabet_in_capitals() -> None:
    assert recognized("ER1") == ("arpabet", "ER1")
    assert recognized("er1") == ("pinyin", "er1")
    assert recognized("TIAN1 QI4") == ("pinyin", "tian1 qi4")
    assert recognized("hello") is None


def test_arpabet_has_39_phones() -> None:
    assert len(ARPABET) == len(ARPABET_VOWELS) + len(ARPABET_CONSONANTS) == 39
