from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from saystream.engines.pronunciation import mandarin_words
from saystream.engines.pronunciation.espeak_library import phonemize
from saystream.engines.pronunciation.mandarin_words import in_pinyin, with_pinyin
from saystream.text.rewriting import Rewritten
from saystream.text.script import Pronunciation


@pytest.fixture
def without_the_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "saystream.engines.pronunciation.mandarin", None)
    mandarin_words._mandarin.cache_clear()
    yield
    mandarin_words._mandarin.cache_clear()


def test_each_word_between_those_that_are_told_gets_its_pinyin() -> None:
    told = Pronunciation(2, 3, "pinyin", "hai2")
    assert with_pinyin("我们还钱。Hi", (told,)) == (
        Pronunciation(0, 2, "pinyin", "wo3 men5"),
        told,
        Pronunciation(3, 4, "pinyin", "qian2"),
    )


def test_text_without_mandarin_stays() -> None:
    assert with_pinyin("Hello") == ()
    assert in_pinyin(Rewritten.of("Hello")).text == "Hello"


def test_each_syllable_stands_in_the_place_of_its_character() -> None:
    text = Rewritten.of("买Python，还钱").shifted(10)
    spoken = in_pinyin(text)
    assert spoken.text == "mai3 Python，huan2 qian2"
    place = spoken.text.index("huan2")
    assert spoken.span(place, place + 5) == (18, 19)
    assert spoken.span(5, 11) == (11, 17)


@pytest.mark.usefixtures("without_the_package")
def test_without_the_packages_characters_stay() -> None:
    assert with_pinyin("还钱") == ()
    assert in_pinyin(Rewritten.of("还钱")).text == "还钱"


@pytest.mark.parametrize("text", ["兄弟", "穷", "这儿", "那儿有熊"])
def test_what_espeak_spells_out_in_english_is_said_in_mandarin(text: str) -> None:
    english = ("wˈɒn", "tˈuː", "θɹ", "fˈɔː", "fˈaɪv")
    spoken = "".join(clause.phonemes for clause in phonemize(in_pinyin(Rewritten.of(text)).text, "cmn"))
    assert spoken
    assert not any(each in spoken for each in english)
