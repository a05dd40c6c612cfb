"""Numbers and signs read in the way that is asked for."""

from __future__ import annotations

import pytest

from saystream.text.ssml.saying import SAYING, say_as, surname_reading


@pytest.mark.parametrize(
    ("kind", "text", "language", "said"),
    [
        ("cardinal", "12345", "zh", "一万二千三百四十五"),
        ("cardinal", "1984", "en", "one thousand nine hundred eighty-four"),
        ("cardinal", "1,984 and 7", "en", "one thousand nine hundred eighty-four and seven"),
        ("cardinal", "12", "de", "zwölf"),
        ("cardinal", "1" * 16, "zh", "一" * 16),
        ("digits", "2025", "zh", "二零二五"),
        ("digits", "2025", "en", "two zero two five"),
        ("telephone", "110", "zh", "幺幺零"),
        ("telephone", "+1 555-0199", "en", "plus one five five five zero one nine nine"),
        ("id", "a-1b", "en", "A dash one B"),
        ("characters", "A1。", "zh", "A一句号"),
        ("characters", "é!", "en", "é exclamation mark"),
        ("punctuation", "a,b!", "en", "a comma b exclamation mark"),
        ("punctuation", "你，好", "zh", "你逗号好"),
        ("date", "2025/09/18", "en", "September eighteenth, twenty twenty-five"),
        ("date", "2025.9.18", "zh", "二零二五年九月十八日"),
        ("time", "12:30", "en", "twelve thirty"),
        ("currency", "$12.50", "en", "twelve dollars and fifty cents"),
        ("measure", "5kg", "zh", "五千克"),
        ("name", "Ann", "en", "Ann"),
        ("address", "Main St. 5", "en", "Main Street five"),
    ],
)
def test_each_kind_is_read_in_its_own_way(kind: str, text: str, language: str, said: str) -> None:
    assert say_as(kind, text, language) == said


@pytest.mark.parametrize("kind", SAYING)
def test_words_stay_words(kind: str) -> None:
    assert "hello" in say_as(kind, "hello", "en").replace(" ", "").lower()


@pytest.mark.parametrize(
    ("name", "length", "reading"),
    [
        ("单雄信", 1, "shan4"),
        ("单于飞", 2, "chan2 yu2"),
        ("尉迟恭", 2, "yu4 chi2"),
        ("王伟", 0, ""),
        ("单", 0, ""),
    ],
)
def test_surnames_are_read_in_their_own_way(name: str, length: int, reading: str) -> None:
    found = surname_reading(name)
    assert (0, "") == (length, reading) if found is None else (found.end, found.phonemes) == (length, reading)
