"""Formulas, numbers, dates, money, units, abbreviations and addresses as words, for engines that do not read them.

Each language of ``saystream.languages`` has a module of its name in ``normalization``, with a class of its name. What
these do not recognise stays as it is written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, partial
from importlib import import_module
from typing import Protocol

from saystream.languages import LANGUAGE_NAMES
from saystream.text.composed import composed
from saystream.text.formulas.reading import read_formulas
from saystream.text.formulas.words import load_words
from saystream.text.normalization.numbers import ROMAN_END, roman_value
from saystream.text.rewriting import Rewritten, joined

__all__ = ["load_grammars", "normalize", "rewritten"]

_ODD_DIGIT = re.compile(r"[^\x00-\x7f]")
_POWER = re.compile(
    "(?<![\\d.,])(?P<a>\\d{1,15}(?:[.,]\\d{1,9})?)(?P<n>⁻?[⁰¹⁴-⁹][⁰¹²³⁴-⁹]{0,3}|⁻?[²³][⁰¹²³⁴-⁹]{1,3}|⁻[²³])"
)
"""A square or cube alone is read by each language."""
_ROMAN = re.compile("[\u2160-\u217f]{1,15}")
_LONG_MINUS = re.compile(r"[‐‑‒﹣－](?=\d)")


class _Reader(Protocol):
    def normalize(self, text: Rewritten) -> Rewritten: ...


@cache
def _reader(language: str) -> _Reader:
    name = LANGUAGE_NAMES[language]
    reader: _Reader = getattr(import_module(f"saystream.text.normalization.{name.lower()}"), name)()
    return reader


def load_grammars(languages: Iterable[str]) -> None:
    """Load what these languages (ISO 639-1, or ``*`` for all) need, so that the first text does not wait for it."""
    wanted = set(languages)
    for language in LANGUAGE_NAMES:
        if language in wanted or "*" in wanted:
            normalize("1", language)


def normalize(text: str, language: str) -> str:
    """``text`` in ``language`` (ISO 639-1) with words for what is not a word. Never raises, and drops nothing that is
    spoken except the scheme of a web address; spaces at the ends stay."""
    return rewritten(text, language).text


def rewritten(text: str, language: str) -> Rewritten:
    """What ``normalize`` returns, with the places where it was written."""
    written = composed(Rewritten.of(text))
    core = written.strip()
    if language not in LANGUAGE_NAMES or not core:
        return written
    start = len(written.text) - len(written.text.lstrip())
    spoken = _reader(language).normalize(_plain(read_formulas(core, language), language)).strip()
    return joined([written[:start], spoken, written[start + len(core) :]])


def _plain(text: Rewritten, language: str) -> Rewritten:
    """Digits of any script and width as plain ones, "½" as "1/2", raised numbers as powers, and the letters of Roman
    numerals that have characters of their own as plain ones, with ``ROMAN_END`` behind them."""
    if text.text.isascii():
        return text
    text = text.sub(_POWER, partial(_power, language=language))
    text = text.sub(_ROMAN, partial(_roman, language=language))
    return text.sub(_ODD_DIGIT, _plain_digit).sub(_LONG_MINUS, "-")


def _power(match: re.Match[str], language: str) -> str:
    raised = unicodedata.normalize("NFKC", match["n"]).replace("\u2212", "-")
    return load_words(language).phrase("power", a=match["a"], n=raised)


def _roman(match: re.Match[str], language: str) -> str:
    letters = unicodedata.normalize("NFKC", match[0]).upper()
    value = roman_value(letters)
    if value is None or language in ("zh", "ja"):
        return str(value or letters)
    return letters + ROMAN_END


def _plain_digit(match: re.Match[str]) -> str:
    character = match[0]
    if character in "²³" and match.string[max(0, match.start() - 1) : match.start()].isalnum():
        return character
    if (digit := unicodedata.digit(character, None)) is not None:
        return str(digit)
    decomposed = unicodedata.normalize("NFKD", character) if unicodedata.category(character) == "No" else ""
    if "\u2044" in decomposed:
        before = match.string[max(0, match.start() - 1) : match.start()]
        return (" " if before.isdecimal() else "") + decomposed.replace("\u2044", "/")
    return decomposed if decomposed.isdecimal() else character
