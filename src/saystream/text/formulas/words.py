"""What is said for the signs of formulas in each language: the data files beside this module."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from saystream.languages import LANGUAGE_NAMES
from saystream.text.normalization.han_numbers import NUMERALS, cardinal

__all__ = ["Words", "load_words"]

_BEFORE_A_MARK = re.compile(r"\s+(?=[,;.，；。、!])")
_MARKS = re.compile(r"([,;，；、])(?:\s*[,;，；、])+")
_SPACES = re.compile(r"\s+")
_BETWEEN_OTHERS = re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])")
_NUMBER = re.compile(r"(\d{1,15})(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Words:
    """Of one language."""

    signs: Mapping[str, str]
    """What a sign or the name of a function is called."""
    phrases: Mapping[str, str]
    """With fields in braces."""
    fractions: Mapping[str, str]
    """Those with a name, such as "1/2"."""
    decimal: str
    spaced: bool
    """Words are separated by spaces."""
    says_numbers: bool
    """Numbers become words here, and not later."""

    def phrase(self, name: str, /, **fields: str) -> str:
        return self.phrases[name].format(**fields)

    def number(self, digits: str) -> str:
        """Most languages are read later; Chinese would then take those before a measure word for counts."""
        if not self.says_numbers:
            return digits.replace(".", self.decimal)
        match = _NUMBER.fullmatch(digits)
        if match is None or (digits.startswith("0") and digits[1:2].isdecimal()):
            return "".join(NUMERALS[int(each)] if each.isdecimal() else "点" for each in digits)
        return cardinal(int(match[1])) + ("点" + self.number("0" + match[2])[1:] if match[2] else "")

    def joined(self, words: Iterable[str]) -> str:
        text = _SPACES.sub(" ", " ".join(words))
        if not self.spaced:
            text = _BETWEEN_OTHERS.sub("", text)
        return _MARKS.sub(r"\1", _BEFORE_A_MARK.sub("", text)).strip()


@cache
def load_words(language: str) -> Words:
    """For a language of ``saystream.languages``."""
    table = _table(LANGUAGE_NAMES[language].lower())
    return Words(
        table["signs"],
        table["phrases"],
        table["fractions"],
        table["decimal"],
        spaced=table["spaced"],
        says_numbers=language == "zh",
    )


def _table(name: str) -> dict[str, Any]:
    file = resources.files(__package__).joinpath(f"{name}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))
