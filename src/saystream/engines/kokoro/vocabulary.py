"""The model's symbols: every phoneme and mark that it was trained on has a number."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Iterator
from importlib import resources

__all__ = [
    "CLAUSE_MARKS",
    "EDGE",
    "SENTENCE_MARKS",
    "SYMBOLS",
    "in_symbols",
    "numbers",
    "punctuation",
    "strangers",
]

_FILE = tomllib.loads(resources.files(__package__).joinpath("vocabulary.toml").read_text(encoding="utf-8"))

SYMBOLS: dict[str, int] = _FILE["symbols"]
"""One character each."""

_SUBSTITUTES: dict[str, str] = _FILE["substitutes"]

EDGE = 0
"""The number of what stands before and after every text."""

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
    """``phonemes`` in the model's symbols only, with the nearest one where it has none.

    What is left out has no sound of its own, such as a diacritic; ``strangers`` returns what that would be.
    """
    return "".join(
        symbol if symbol in SYMBOLS else _SUBSTITUTES.get(symbol, "") for symbol in _parts(phonemes)
    )


def strangers(phonemes: str) -> set[str]:
    """Symbols in ``phonemes`` that ``in_symbols`` would leave out."""
    return {symbol for symbol in _parts(phonemes) if symbol not in SYMBOLS and symbol not in _SUBSTITUTES}


def numbers(symbols: str) -> list[int]:
    """The model's input. Raises KeyError for anything that is not one of its symbols."""
    return [SYMBOLS[symbol] for symbol in symbols]


def punctuation(character: str) -> str:
    """The model's mark, perhaps with a space, for a mark of any script; empty for anything else."""
    if character in SYMBOLS and not character.isalpha() and unicodedata.category(character)[0] in "PZ":
        return character
    return _MARKS_OF_TEXTS.get(character, "")


def _parts(phonemes: str) -> Iterator[str]:
    """Each symbol; a character that is not one as a whole is decomposed, such as a vowel with its tilde."""
    for symbol in unicodedata.normalize("NFC", phonemes):
        yield from symbol if symbol in SYMBOLS else unicodedata.normalize("NFD", symbol)
