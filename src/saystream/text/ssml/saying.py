"""Numbers and signs read in the way that ``say-as`` asks for."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Final

from saystream.text.normalization.han_numbers import cardinal as chinese_cardinal
from saystream.text.normalizer import normalize
from saystream.text.script import Pronunciation

__all__ = ["SAYING", "say_as", "surname_reading"]

SAYING: Final = (
    "cardinal",
    "digits",
    "telephone",
    "name",
    "address",
    "id",
    "characters",
    "punctuation",
    "date",
    "time",
    "currency",
    "measure",
)

_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"\d[\d,]*")
_DATE = re.compile(r"(\d{4})[./](\d{1,2})[./](\d{1,2})")
_MOST_DIGITS = 15
_NEEDLESS_SPACE = re.compile(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])")
"""Beside a character of a script that has none between words."""
_CAPITALS = re.compile(r"[A-Za-z]")


def say_as(kind: str, text: str, language: str) -> str:
    """``text`` in words of ``language`` (ISO 639-1), read as ``kind``, one of ``SAYING``."""
    match kind:
        case "cardinal":
            return _NUMBER.sub(lambda match: _cardinal(match[0], language), text)
        case "digits":
            return _DIGIT.sub(lambda match: f"{_space(language)}{_digit(match[0], language)}", text).strip()
        case "telephone":
            return _one_by_one(text, language, names={"+": "加" if language == "zh" else "plus"}, one="幺")
        case "id" | "characters":
            return _one_by_one(text, language, names=_signs(language))
        case "punctuation":
            signs = _signs(language)
            gap = _space(language)
            return "".join(f"{gap}{signs[each]}{gap}" if each in signs else each for each in text).strip()
        case "date":
            return normalize(_DATE.sub(r"\1-\2-\3", text), language)
        case _:  # what is no different from ordinary text
            return normalize(text, language)


def surname_reading(name: str) -> Pronunciation | None:
    """How the Chinese surname that ``name`` begins with is read, if that is otherwise than in other words. A character
    by itself is no name."""
    for length in (2, 1):
        surname = name[:length]
        if len(name) > length and surname in _surnames():
            return Pronunciation(0, length, "pinyin", _surnames()[surname])
    return None


def _cardinal(written: str, language: str) -> str:
    number = written.replace(",", "")
    if len(number) > _MOST_DIGITS:
        return _one_by_one(number, language, names={})
    if language == "zh":
        return chinese_cardinal(int(number))
    # With its thousands marked, no number is taken for a year.
    grouped = f"{int(number):,}" if language == "en" else number
    return normalize(grouped, language)


def _one_by_one(text: str, language: str, *, names: dict[str, str], one: str = "") -> str:
    said = []
    for character in text:
        if character.isdecimal():
            word = _digit(character, language)
            said.append(one if one and word == "一" else word)
        elif character in names:
            said.append(names[character])
        elif _CAPITALS.fullmatch(character):
            said.append(character.upper())
        elif character.isalnum():
            said.append(character)
    return " ".join(said) if _space(language) else _NEEDLESS_SPACE.sub("", " ".join(said))


def _digit(digit: str, language: str) -> str:
    return normalize(str(int(digit)), language)


def _space(language: str) -> str:
    return "" if language in ("zh", "ja") else " "


def _signs(language: str) -> dict[str, str]:
    """The names of punctuation marks, in Chinese or else in English."""
    return _read("signs.toml")["zh" if language == "zh" else "en"]


def _surnames() -> dict[str, str]:
    """Surnames with their Pinyin, of characters that are read otherwise in other words."""
    return _read("surnames.toml")["surnames"]


@cache
def _read(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
