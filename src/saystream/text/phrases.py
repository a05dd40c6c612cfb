"""Where a phrase begins inside a sentence: the best place to cut one whose end has not come yet.

It is found by short lists of words for each language, ``phrases.toml``. They err towards no place at all: a missed one
costs a little time, a wrong one breaks a name or separates a word from the one that it clings to.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from importlib import resources
from itertools import accumulate, pairwise
from typing import Any

from saystream.text.characters import describe

__all__ = ["PhraseStart", "phrase_starts"]

_LEAST_LETTERS = 20
_LEAST_WORDS = 4
"""Before the first place: about five words, fewer if they are long…"""
_LEAST_WIDE_WEIGHT = 16
"""…or eight characters of Chinese, Japanese or Korean."""

_WORD = re.compile(r"\S+")
_CLINGING_END = re.compile(r"['’]\w{1,2}$")
"""Of "she'll" or "the dog's": the word clings to the next one."""

_NEXT_CHARACTERS = {"zh": "\u4e00-\u9fff", "ja": "\u4e00-\u9fff\u30a1-\u30fa", "ko": "가-힣"}
"""What a phrase begins with, for a character class. In Japanese no hiragana: a particle may be part of a longer one."""


@dataclass(frozen=True, order=True, slots=True)
class PhraseStart:
    """A place before which a sentence may be cut."""

    position: int
    """Index of the first character of the phrase that begins."""
    certain: int
    """Index of the character that made it certain: nothing after it was looked at."""


class _SpacedRules:
    """For a language with spaces between words."""

    def __init__(self, table: dict[str, Any]) -> None:
        self._opening = frozenset(table["opening"].split())
        self._joining = frozenset(table["joining"].split())
        self._binding = self._opening | self._joining | frozenset(table["binding"].split())
        self._capitals_are_nouns = table.get("capitals_are_nouns", False)

    def begins_with(self, word: str, before: str) -> bool:
        """Whether a phrase begins with ``word``, which stands after ``before``."""
        if word in self._joining:
            may_follow_name = False
        elif word in self._opening:
            may_follow_name = self._capitals_are_nouns
        else:
            return False
        return before not in self._binding and (may_follow_name or not before[0].isupper())


def _unspaced_rules(language: str, table: dict[str, Any]) -> re.Pattern[str]:
    """Each match ends where a phrase begins; its group ends after the character that makes that certain."""
    following = (
        f"(?!{table['not_next']})[{_NEXT_CHARACTERS[language]}]"
        if "not_next" in table
        else (f"[{_NEXT_CHARACTERS[language]}]")
    )
    patterns = [f"(?:{'|'.join(table['after'])})(?=({following}))"]
    if "before" in table:
        patterns.append(f"(?=((?:{'|'.join(table['before'])}){following}))")
    return re.compile("|".join(patterns))


_TABLES = tomllib.loads(resources.files(__package__).joinpath("phrases.toml").read_text(encoding="utf-8"))
_SPACED = {code: _SpacedRules(table) for code, table in _TABLES.items() if "opening" in table}
_UNSPACED = {code: _unspaced_rules(code, table) for code, table in _TABLES.items() if code not in _SPACED}


def phrase_starts(text: str, language_of: Callable[[str], str], *, least: int = 0) -> Iterator[PhraseStart]:
    """The places in ``text``, which begins with a sentence, in order. Before each is speech of at least ``least``, in
    the unit of ``Character.weight``.

    ``language_of`` gives the language (ISO 639-1) of a text. It is asked only where there may be a place, about the
    text up to there.
    """
    weights = list(accumulate((describe(character).weight for character in text), initial=0))
    if weights[-1] < _LEAST_WIDE_WEIGHT:
        return
    unspaced = (_unspaced_starts(text, code, weights) for code in _UNSPACED)
    for start, languages in merge(_spaced_starts(text, weights), *unspaced):
        if weights[start.position] >= least and language_of(text[: start.certain + 1]) in languages:
            yield start


def _spaced_starts(text: str, weights: list[int]) -> Iterator[tuple[PhraseStart, tuple[str, ...]]]:
    """With the languages in which it is a place."""
    words = list(_WORD.finditer(text))
    for before, word in pairwise(words[_LEAST_WORDS - 1 :]):
        if weights[word.start()] < _LEAST_LETTERS or text[word.end() : word.end() + 1] != " ":
            continue
        ending = before[0].replace("’", "'")
        if (
            not ending[-1].isalpha()
            or _CLINGING_END.search(ending)
            or text[before.end() : word.start()].strip(" ")
        ):
            continue
        if languages := tuple(code for code, rules in _SPACED.items() if rules.begins_with(word[0], ending)):
            yield PhraseStart(word.start(), word.end()), languages


def _unspaced_starts(
    text: str, language: str, weights: list[int]
) -> Iterator[tuple[PhraseStart, tuple[str, ...]]]:
    for match in _UNSPACED[language].finditer(text):
        if weights[match.end()] >= _LEAST_WIDE_WEIGHT:
            yield PhraseStart(match.end(), match.end(match.lastindex or 0) - 1), (language,)
