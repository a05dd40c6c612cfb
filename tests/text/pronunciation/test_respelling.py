from __future__ import annotations

import pytest

from saystream.languages import LANGUAGE_NAMES
from saystream.text.pronunciation.notation import ARPABET
from saystream.text.pronunciation.respelling import arpabet_of_ipa, respelt
from saystream.text.pronunciation.tables import read_tables
from saystream.text.script import Alphabet

QUESTION = "K W EH1 S CH AH0 N"


@pytest.mark.parametrize(
    ("alphabet", "phonemes", "language", "spelt"),
    [
        ("pinyin", "tian1 qi4", "zh", "天器"),
        ("pinyin", "lv4 huar1", "zh", "律花儿"),
        ("pinyin", "fo1", "zh", "佛"),
        ("pinyin", "xi1 an1 lv4", "en", "xi an lü"),
        ("pinyin", "hello", "zh", ""),
        ("arpabet", QUESTION, "en", "kweschuhn"),
        ("arpabet", QUESTION, "zh", "kweschuhn"),
        ("arpabet", QUESTION, "de", "kuesstschen"),
        ("arpabet", QUESTION, "ru", "куесчан"),
        ("arpabet", QUESTION, "ja", "クウェスチャン"),
        ("arpabet", QUESTION, "ko", "퀘스천"),
        ("arpabet", "?", "en", ""),
        ("arpabet", "?", "ja", ""),
        ("arpabet", "?", "ko", ""),
        ("ipa", "ˈkwɛstʃən", "ko", "퀘스천"),
        ("ipa", "həˈloʊ", "en", "huhloh"),
        ("arpabet", "S T R IY1 T", "ko", "스트릿"),
        ("arpabet", "Y UW1", "ko", "유"),
        ("arpabet", "W", "ko", "으"),
        ("arpabet", "K W", "ko", "크으"),
        ("arpabet", "HH AH0 L OW1", "ko", "허로우"),
        ("arpabet", "AE1 P", "ja", "アプ"),
        ("arpabet", "Y AY1", "ko", "야이"),
        ("arpabet", "W UH1", "ko", "우"),
        ("arpabet", "AE1 M K W IY1 N", "ko", "앰퀸"),
    ],
)
def test_a_pronunciation_is_spelled(alphabet: Alphabet, phonemes: str, language: str, spelt: str) -> None:
    assert respelt(alphabet, phonemes, language) == spelt


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_every_phone_can_be_spelled_in_every_language(language: str) -> None:
    silent = {"fr": {"HH"}, "it": {"HH"}}.get(language, set())
    for phone in ARPABET - silent:
        assert respelt("arpabet", phone, language)


def test_ipa_is_taken_sign_by_sign() -> None:
    assert arpabet_of_ipa("həˈloʊ") == ("HH", "AH0", "L", "OW1")
    assert arpabet_of_ipa("ˌtsː") == ("T", "S")
    assert arpabet_of_ipa("ˌa1") == ("AA2",)


def test_characters_have_the_reading_for_which_they_stand() -> None:
    pypinyin = pytest.importorskip("pypinyin")
    tables = read_tables("pinyin.toml")
    wrong = {
        f"{base}{tone}": character
        for base, tones in tables["characters"].items()
        for tone, character in tones.items()
        if pypinyin.lazy_pinyin(character, style=pypinyin.Style.TONE3, neutral_tone_with_five=True)
        != [f"{base}{tone}"]
    }
    assert wrong == {}
    assert not {"一", "不"} & {each for tones in tables["characters"].values() for each in tones.values()}
