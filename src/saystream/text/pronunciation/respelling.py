"""A pronunciation as letters or characters, for engines that take only these: whoever reads them aloud says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from saystream.text.pronunciation.notation import Syllable, arpabet_phones, pinyin_syllables
from saystream.text.pronunciation.tables import read_tables
from saystream.text.script import Alphabet

__all__ = ["arpabet_of_ipa", "respelt"]

_NEAREST_TONES = {"1": "1243", "2": "2341", "3": "3241", "4": "4123", "5": "54123"}
"""In which order the tones of a syllable are tried if no character has the tone that is wanted."""
_RHOTIC = "儿"
_NO_INITIAL = 11
_FIRST_SYLLABLE = 0xAC00
_VOWELS, _FINALS = 21, 28
_NEUTRAL_VOWEL = 18
_GLIDES = {"W": {0: 9, 4: 14, 5: 15, 20: 16}, "Y": {0: 2, 4: 6, 5: 7, 8: 12, 13: 17}}
"""The vowel that a glide and a vowel are together in Korean."""
_ALONE = 5


def respelt(alphabet: Alphabet, phonemes: str, language: str) -> str:
    """``phonemes`` as they are spelled in ``language`` (ISO 639-1): in Chinese, Pinyin becomes characters that have
    exactly these readings; everything else becomes letters that are read in about this way. Empty for what is not in
    the alphabet: then the word itself has to do."""
    if alphabet == "pinyin":
        syllables = pinyin_syllables(phonemes) or ()
        if language == "zh":
            return "".join(map(_character, syllables))
        return " ".join(syllable.base.replace("v", "ü") for syllable in syllables)
    phones = arpabet_phones(phonemes) if alphabet == "arpabet" else arpabet_of_ipa(phonemes)
    if language == "ja":
        return "".join(_kana(phones or ()))
    if language == "ko":
        return "".join(_hangul(phones or ()))
    spellings = read_tables("letters.toml")["latin"]
    letters: dict[str, str] = spellings.get(language, spellings["en"])
    return "".join(letters.get(phone, letters.get(_plain(phone), "")) for phone in phones or ())


def arpabet_of_ipa(phonemes: str) -> tuple[str, ...]:
    """The phones nearest to ``phonemes``; a vowel behind a stress mark is stressed. Other marks are left out."""
    table: dict[str, str] = read_tables("letters.toml")["ipa"]
    phones: list[str] = []
    stress = "0"
    for sign in _ipa_signs().findall(phonemes):
        if sign in "ˈˌ":
            stress = "1" if sign == "ˈ" else "2"
            continue
        for phone in table[sign].split():
            is_vowel = phone in read_tables("letters.toml")["kana_vowels"]
            phones.append(phone + stress if is_vowel else phone)
            stress = "0" if is_vowel else stress
    return tuple(phones)


@cache
def _ipa_signs() -> re.Pattern[str]:
    return re.compile(
        "|".join(sorted([*read_tables("letters.toml")["ipa"], "ˈ", "ˌ"], key=len, reverse=True))
    )


def _character(syllable: Syllable) -> str:
    tables = read_tables("pinyin.toml")
    tones: dict[str, str] = tables["characters"].get(syllable.base) or tables["rare"][syllable.base]
    found = next(tones[tone] for tone in _NEAREST_TONES[syllable.tone] + "5" if tone in tones)
    return found + (_RHOTIC if syllable.rhotic else "")


def _plain(phone: str) -> str:
    return phone.rstrip("012")


def _kana(phones: Sequence[str]) -> Iterator[str]:
    tables = read_tables("letters.toml")
    consonant = ""
    for phone in map(_plain, phones):
        row = tables["kana"][consonant].split()
        vowel: str | None = tables["kana_vowels"].get(phone)
        if vowel is not None:
            yield row[int(vowel[0])] + vowel[1:]
            consonant = ""
            continue
        if consonant:
            yield row[_ALONE]
        consonant = phone
    if consonant:
        yield tables["kana"][consonant].split()[_ALONE]


def _hangul(phones: Sequence[str]) -> Iterator[str]:
    """Syllable by syllable; a consonant without a vowel gets the weakest one, unless it can end the last syllable."""
    tables = read_tables("letters.toml")
    plain = [*map(_plain, phones)]
    vowels: dict[str, str] = tables["hangul_vowels"]
    numbers: dict[str, str] = tables["hangul"]
    syllable: list[int] = []
    place = 0
    while place < len(plain):
        phone = plain[place]
        after = plain[place + 1] if place + 1 < len(plain) else ""
        is_last = after not in vowels and not (after in _GLIDES and _vowel_follows(plain, place + 2))
        closes = is_last and " " in numbers.get(phone, "") and syllable[1:] not in ([], [_NEUTRAL_VOWEL, 0])
        if closes and not syllable[2]:
            syllable[2] = int(numbers[phone].split()[1])
            place += 1
            continue
        if syllable:
            yield _block(*syllable)
        initial, glide = _NO_INITIAL, ""
        if phone not in vowels and phone not in _GLIDES:
            initial = int(numbers[phone].split()[0])
            place += 1
            phone = after
        if phone in _GLIDES and _vowel_follows(plain, place + 1):
            glide = phone
            place += 1
            phone = plain[place]
        if phone not in vowels:
            syllable = [initial, _NEUTRAL_VOWEL, 0]
            place += phone in _GLIDES and initial == _NO_INITIAL
            continue
        first, *more = map(int, vowels[phone].split())
        syllable = [initial, _GLIDES.get(glide, {}).get(first, first), 0]
        for second in more:
            yield _block(*syllable)
            syllable = [_NO_INITIAL, second, 0]
        place += 1
    if syllable:
        yield _block(*syllable)


def _vowel_follows(phones: Sequence[str], place: int) -> bool:
    return place < len(phones) and phones[place] in read_tables("letters.toml")["hangul_vowels"]


def _block(initial: int, vowel: int, final: int) -> str:
    return chr(_FIRST_SYLLABLE + (initial * _VOWELS + vowel) * _FINALS + final)
