"""What is said: the sentences of ``corpus.toml``."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources

__all__ = ["Sentence", "load_corpus"]


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    """As sent."""
    spellings: tuple[str, ...]
    """Spellings that count as correct; the first is ``text``."""


@functools.cache
def load_corpus() -> dict[str, tuple[Sentence, ...]]:
    """The sentences of each language, by ISO 639-1 code."""
    text = resources.files(__package__).joinpath("corpus.toml").read_text(encoding="utf-8")
    return {language: tuple(map(_sentence, written)) for language, written in tomllib.loads(text).items()}


def _sentence(written: str | list[str]) -> Sentence:
    spellings = (written,) if isinstance(written, str) else tuple(written)
    return Sentence(spellings[0], spellings)
