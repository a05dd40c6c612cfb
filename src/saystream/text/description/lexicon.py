"""The words of ``lexicon.toml``, and where they stand in a text."""

from __future__ import annotations

import functools
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal, TypeAlias

__all__ = ["DIMENSIONS", "Meaning", "Term", "effects_of", "terms_of"]

DIMENSIONS = ("sex", "age", "emotion", "timbre", "use", "dialect")

Kind: TypeAlias = Literal[
    "degree", "degree_after", "negation", "scope_end", "audience", "aspect", "relative", "graded", "trait"
]

_ENDINGS = ("ly", "er")
"""That a word of English may have as well."""
_SHORTEST_WITH_ENDING = 3
_APOSTROPHES = str.maketrans("’‘", "''")
_SCOPE_END = re.compile(r"[,.;:!?，。；：！？、…\n（）()]+")


@dataclass(frozen=True, slots=True)
class Meaning:
    """One of the things that a word says."""

    kind: Kind
    value: float = 0.0
    """The factor of a degree, the level of a relative word."""
    name: str = ""
    """Of an aspect the axis; of a relative word the axis where no aspect is named; of a trait its name."""
    dimension: str = ""
    """Of a trait."""
    levels: tuple[tuple[str, float], ...] = ()
    """Of a graded word, by axis."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase of a text that the lexicon knows."""

    start: int
    end: int
    meanings: tuple[Meaning, ...]
    is_chinese: bool = False

    def of(self, kind: Kind) -> Meaning | None:
        """Its meaning of that kind."""
        return next((meaning for meaning in self.meanings if meaning.kind == kind), None)


@dataclass(slots=True)
class _Lexicon:
    meanings: dict[str, tuple[Meaning, ...]]
    pattern: re.Pattern[str]
    effects: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)


def terms_of(text: str) -> Iterator[Term]:
    """The words of ``text`` that are known, in order: where several begin at one place, the longest. Punctuation ends a
    scope, as some words do."""
    lexicon = _lexicon()
    plain = text.translate(_APOSTROPHES)
    lowered = plain.lower()
    if len(lowered) != len(plain):  # a few letters have two in lower case, and places have to stay
        lowered = "".join(each.lower() if len(each.lower()) == 1 else each for each in plain)
    for match in lexicon.pattern.finditer(lowered):
        if match.lastgroup == "mark":
            yield Term(match.start(), match.end(), (Meaning("scope_end"),))
            continue
        word = re.sub(r"[\s-]+", " ", match[0])
        yield Term(match.start(), match.end(), lexicon.meanings[word], match.lastgroup == "chinese")


def effects_of(dimension: str, name: str) -> dict[str, float]:
    """The levels that a trait brings along, by axis."""
    return _lexicon().effects.get(dimension, {}).get(name, {})


@functools.cache
def _lexicon() -> _Lexicon:
    text = resources.files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    found: defaultdict[str, list[Meaning]] = defaultdict(list)
    for word, meaning in _entries(tables):
        if meaning is None:
            found.setdefault(word, [])
        else:
            found[word].append(meaning)
    for word in [*found]:
        if word.isascii() and word.isalpha() and len(word) >= _SHORTEST_WITH_ENDING:
            for ending in _ENDINGS:
                found.setdefault(word + ending, found[word])
    english = _pattern([word for word in found if word.isascii()])
    chinese = _pattern([word for word in found if not word.isascii()])
    pattern = (
        rf"(?P<mark>{_SCOPE_END.pattern})|(?<![a-z])(?P<english>{english})(?![a-z])|(?P<chinese>{chinese})"
    )
    meanings = {word: tuple(each) for word, each in found.items()}
    return _Lexicon(meanings, re.compile(pattern), tables["effects"])


def _pattern(words: list[str]) -> str:
    """Matches the longest of ``words``. As a tree of their characters: a plain list of a thousand words takes ten times
    as long at each place of a text."""
    branches: defaultdict[str, list[str]] = defaultdict(list)
    for word in words:
        if word:
            branches[word[0]].append(word[1:])
    if not branches:
        return ""
    tree = "|".join(_character(first) + _pattern(rest) for first, rest in branches.items())
    return f"(?:{tree})?" if "" in words else f"(?:{tree})"


def _character(character: str) -> str:
    return r"[\s-]+" if character == " " else re.escape(character)


def _entries(tables: dict[str, Any]) -> Iterator[tuple[str, Meaning | None]]:
    """Each word with one of its meanings; ``None``: it means nothing, but hides shorter ones."""
    for kind, table in (("degree", "degrees"), ("degree_after", "degrees_after")):
        for factor, words in tables[table].items():
            yield from ((word, Meaning(kind, float(factor))) for word in _split(words))  # type: ignore[arg-type]
    for words in tables["negations"].values():
        yield from ((word, Meaning("negation")) for word in _split(words))
    yield from ((word, None) for word in _split(tables["skipped"]["words"]))
    yield from ((word, Meaning("scope_end")) for word in _split(tables["scope_ends"]["words"]))
    yield from ((word, Meaning("audience")) for word in _split(tables["audience"]["words"]))
    for axis, words in tables["aspects"].items():
        yield from ((word, Meaning("aspect", name=axis)) for word in _split(words))
    for word, (level, axis) in tables["relative"].items():
        yield word, Meaning("relative", float(level), axis)
    for word, levels in tables["graded"].items():
        yield word, Meaning("graded", levels=tuple((axis, float(level)) for axis, level in levels.items()))
    for dimension in DIMENSIONS:
        for name, words in tables[dimension].items():
            yield from ((word, Meaning("trait", name=name, dimension=dimension)) for word in _split(words))


def _split(words: str) -> list[str]:
    return [" ".join(word.split()).translate(_APOSTROPHES) for word in words.split(",")]
