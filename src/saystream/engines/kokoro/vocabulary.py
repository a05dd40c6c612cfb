"""The symbols of the model: every phoneme and mark that it was trained on has a number."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Iterator
from importlib import resources

__all__ = ["CLAUSE_MARKS", "SENTENCE_MARKS", "SYMBOLS", "in_symbols", "numbers", "punctuation", "strangers"]

_FILE = tomllib.loads(resources.files(__package__).joinpath("vocabulary.toml").read_text(encoding="utf-8"))

SYMBOLS: dict[str, int] = _FILE["symbols"]
"""Each one character."""

_SUBSTITUTES: dict[str, str] = _FILE["substitutes"]

SENTENCE_MARKS = ".!?…"
CLAUSE_MARKS = ",;:—"

_MARKS_OF_TEXTS = {
    **dict.fromkeys("。．｡।", ". "),
    **dict.fromkeys("！¡", "! "),
    **dict.fromkeys("？¿؟", "? "),
    **dict.fromkeys("，、､،", ", "),
    **dict.fromkeys("；؛", "; "),
    "：": ": ",
    **dict.fromkeys("《〈「『【〔«", " “"),
    **dict.fromkeys("》〉」』】〕»", "” "),
    "（": " (",
    "）": ") ",
    **dict.fromkeys("–―─", "—"),
    "⋯": "…",
    **dict.fromkeys("·・\n\t\r\u3000\xa0", " "),
}


def in_symbols(phonemes: str) -> str:
    """``phonemes`` with symbols of the model alone: the nearest one where it has none.

    What is left out has no sound of its own, such as a diacritic; ``strangers`` tells what that would be.
    """
    return "".join(
        symbol if symbol in SYMBOLS else _SUBSTITUTES.get(symbol, "") for symbol in _parts(phonemes)
    )


def strangers(phonemes: str) -> set[str]:
    """Symbols in ``phonemes`` that ``in_symbols`` would leave out."""
    return {symbol for symbol in _parts(phonemes) if symbol not in SYMBOLS and symbol not in _SUBSTITUTES}


def numbers(symbols: str) -> list[int]:
    """What the model is given. Raises KeyError for what is no symbol of it."""
    return [SYMBOLS[symbol] for symbol in symbols]


def punctuation(character: str) -> str:
    """The mark of the model, maybe with a space, for a mark of any script; empty for what is no mark."""
    if character in SYMBOLS and not character.isalpha() and unicodedata.category(character)[0] in "PZ":
        return character
    return _MARKS_OF_TEXTS.get(character, "")


def _parts(phonemes: str) -> Iterator[str]:
    """Each symbol; what is none as a whole is taken apart, such as a vowel with its tilde."""
    for symbol in unicodedata.normalize("NFC", phonemes):
        yield from symbol if symbol in SYMBOLS else unicodedata.normalize("NFD", symbol)
