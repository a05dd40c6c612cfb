"""Pinyin with tones and ARPAbet, as people write them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from saystream.text.pronunciation.tables import read_tables

if TYPE_CHECKING:
    from saystream.text.script import Alphabet

__all__ = [
    "ARPABET",
    "ARPABET_CONSONANTS",
    "ARPABET_VOWELS",
    "Syllable",
    "arpabet_phones",
    "pinyin_syllables",
    "recognized",
]

ARPABET_VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
ARPABET_CONSONANTS = frozenset("B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split())
ARPABET = ARPABET_VOWELS | ARPABET_CONSONANTS

_PHONE = re.compile(r"([A-Z]{1,2})([0-2]?)")
_SYLLABLE = re.compile(r"([a-zü]+?)(r?)([0-5])")
_BETWEEN = re.compile(r"[\s,'’·|-]+")
_TONE_MARKS = {"\u0304": "1", "\u0301": "2", "\u030c": "3", "\u0300": "4"}
_TONES = str.maketrans("0", "5")


@dataclass(frozen=True, slots=True)
class Syllable:
    """Of Mandarin."""

    base: str
    """In small letters, with "v" for the vowel of "lü"."""
    tone: str
    """1 to 4, and 5 for the neutral tone."""
    rhotic: bool = False
    """With an "r" at its end, as in "huar1"."""

    def __str__(self) -> str:
        return f"{self.base}{'r' if self.rhotic else ''}{self.tone}"


def pinyin_syllables(text: str) -> tuple[Syllable, ...] | None:
    """The syllables of ``text``, such as "tian1 qi4", "tian1qi4" or "tiān qì"; ``None`` if it is anything else, or if
    one has no tone."""
    plain = unicodedata.normalize("NFC", text.casefold()).replace("u:", "v")
    syllables: list[Syllable] = []
    for piece in filter(None, _BETWEEN.split(plain)):
        numbered = piece if piece[-1].isdecimal() else _numbered(piece)
        end = 0
        while end < len(numbered):
            match = _SYLLABLE.match(numbered, end)
            if match is None or (syllable := _syllable(*match.groups())) is None:
                return None
            syllables.append(syllable)
            end = match.end()
    return tuple(syllables) or None


def arpabet_phones(text: str) -> tuple[str, ...] | None:
    """The phones of ``text``, such as "HH AH0 L OW1", each vowel with its stress: 0, 1 or 2; ``None`` if it is anything
    else. A vowel without a number has the stress 1 if it is the first of a text without numbers, else 0."""
    pieces = text.upper().replace("-", " ").split()
    matches = [_PHONE.fullmatch(piece) for piece in pieces]
    phones: list[str] = []
    numbered = any(character.isdecimal() for character in text)
    stressed = numbered
    for match in matches:
        if match is None or match[1] not in ARPABET or (match[2] and match[1] in ARPABET_CONSONANTS):
            return None
        if match[1] in ARPABET_CONSONANTS:
            phones.append(match[1])
        else:
            phones.append(match[1] + (match[2] or ("0" if stressed else "1")))
            stressed = True
    return tuple(phones) or None


def recognized(text: str) -> tuple[Alphabet, str] | None:
    """The alphabet in which ``text`` is written, and the same in a form that every engine takes; ``None`` for neither.

    What could be both, such as "er1", is ARPAbet in capital letters and Pinyin otherwise.
    """
    syllables, phones = pinyin_syllables(text), arpabet_phones(text)
    if syllables and not (phones and text.upper() == text):
        return "pinyin", " ".join(map(str, syllables))
    return ("arpabet", " ".join(phones)) if phones else None


def _numbered(piece: str) -> str:
    """One syllable with a mark over its vowel, as "tiān", with a number for it; as it is without one."""
    letters, tone = "", ""
    for character in unicodedata.normalize("NFD", piece):
        if character in _TONE_MARKS:
            tone += _TONE_MARKS[character]
        elif character == "\u0308":
            letters = letters[:-1] + "v"
        else:
            letters += character
    return letters + tone if len(tone) == 1 else piece


def _syllable(letters: str, rhotic: str, tone: str) -> Syllable | None:
    base, tone = letters.replace("ü", "v"), tone.translate(_TONES)
    bases = _bases()
    if base + rhotic in bases:
        return Syllable(base + rhotic, tone)
    return Syllable(base, tone, rhotic=True) if rhotic and base in bases else None


@cache
def _bases() -> frozenset[str]:
    tables = read_tables("pinyin.toml")
    return frozenset(tables["characters"]) | frozenset(tables["rare"])
