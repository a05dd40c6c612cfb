"""Where text may be cut: a scanner that takes one character at a time and reports the ends that it is sure of.

It never looks ahead. An end is reported when the character that makes it certain arrives, so the result does not depend
on how the text was split on its way here. How large a segment should be is not decided here.

A sentence end is reported only where two independent segmenters, sentencex and livekit-blingfire, both put one; for
Latin text, whose language is not known here, sentencex must put it under the rules of every Latin language of the
service. A blank line ends a sentence without asking them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

import sentencex
from livekit import blingfire

from saystream.languages import LATIN_LANGUAGES
from saystream.text.characters import (
    CLAUSE_MARKS,
    CLOSERS,
    STOPS,
    WIDE_CLAUSE_MARKS,
    WIDE_STOPS,
    Character,
    Script,
    describe,
)
from saystream.text.language import script_language

__all__ = ["Boundary", "BoundaryKind", "BoundaryScanner"]

_WINDOW_CHARACTERS = 200
"""How much text before an end the two segmenters see: bounded, so that a decision costs the same everywhere."""
_MAX_ORDINAL_DIGITS = 2
"""A full stop after a bare number of up to this many digits is not an end: it makes a list number or, in German, an
ordinal."""
_LONGEST_RANGE_START = 20
"""Characters before the dash of a range in which its first number stands."""
_NEW_SENTENCE = "Ab"
"""Stands for the next line while a line break is all that follows a full stop."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_MARKS = STOPS | WIDE_STOPS | CLAUSE_MARKS | WIDE_CLAUSE_MARKS
_SPACED_CLOSERS = frozenset("»›")
_DASHES = frozenset("-–")
_RANGE_DASHES = _DASHES | {"—"}
_WIDE_SCRIPTS = frozenset((Script.HAN, Script.HIRAGANA, Script.KATAKANA, Script.HANGUL))


class BoundaryKind(Enum):
    SENTENCE = "sentence"
    CLAUSE = "clause"
    PHRASE = "phrase"
    """A space between Thai words. Thai puts it between clauses and sentences and has no other mark for either."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """A place before which text may be cut."""

    kind: BoundaryKind
    position: int
    """Index into the scanned characters: the first one that does not belong to what ended."""
    weight: int
    """Speech before it, in the unit of ``Character.weight``."""


class _Rule(Enum):
    STOP = "stop"
    WIDE_STOP = "wide stop"
    CLAUSE = "clause"
    SPACED_CLAUSE = "spaced clause"
    PHRASE = "phrase"


@dataclass(slots=True)
class _Mark:
    """Punctuation that may prove to be an end."""

    rule: _Rule
    start: int
    end: int
    weight: int
    before: str
    """The last visible character before it."""
    spaced: bool = False
    following: int = 0
    """Visible characters seen after it."""
    next_start: int = 0
    """Index of the first of them."""


class BoundaryScanner:
    """Scans one stretch of text, from just after the last cut.

    After a cut make a new scanner and step the remaining text through it.
    """

    def __init__(self) -> None:
        self.characters: list[str] = []
        """Everything stepped so far."""
        self.first_spoken: int | None = None
        """Index of the first letter or digit."""
        self.word_start = 0
        """Index after the last character that always ends a word (``Character.ends_word``)."""
        self._weight = 0
        self._mark: _Mark | None = None
        self._last_visible = ""
        self._newlines = 0
        self._sentence_start = 0

    def step(self, character: str) -> Boundary | None:
        """Take one code point; returns the end that it made certain, if any."""
        facts = describe(character)
        position = len(self.characters)
        self.characters.append(character)
        if facts.ends_word:
            self.word_start = position + 1
        if facts.is_space:
            return self._step_space(facts, position)
        boundary = self._step_visible(character, facts, position)
        if facts.is_spoken and self.first_spoken is None:
            self.first_spoken = position
        self._last_visible = character
        self._newlines = 0
        return boundary

    def _step_space(self, facts: Character, position: int) -> Boundary | None:
        if self.first_spoken is None:
            return None
        mark = self._mark
        if mark is None:
            self._open_at_space(facts, position)
        elif mark.following == 0:
            mark.spaced = True
        elif mark.following == 1 and self._last_visible in _SPACED_CLOSERS:
            # A spaced closing quote, as in French: the sentence ends after it.
            mark.end, mark.following, mark.weight = position, 0, self._weight
        return self._step_newline(position) if facts.is_newline else None

    def _open_at_space(self, facts: Character, position: int) -> None:
        if facts.is_newline:
            self._open(_Rule.SPACED_CLAUSE, position, spaced=True)
        elif self._last_visible != "ๆ" and describe(self._last_visible).script is Script.THAI:
            # The repetition mark is always followed by a space, which means nothing.
            self._open(_Rule.PHRASE, position, spaced=True)

    def _step_newline(self, position: int) -> Boundary | None:
        self._newlines += 1
        mark = self._mark
        if self._newlines == 2:
            self._mark = None
            return Boundary(BoundaryKind.SENTENCE, position + 1, self._weight)
        if mark is not None and mark.following == 0 and mark.rule in (_Rule.STOP, _Rule.WIDE_STOP):
            if not self._is_ordinal(mark) and self._agreed(position + 1, _NEW_SENTENCE):
                self._mark = None
                return Boundary(BoundaryKind.SENTENCE, position + 1, mark.weight)
            mark.rule = _Rule.SPACED_CLAUSE
        return None

    def _step_visible(self, character: str, facts: Character, position: int) -> Boundary | None:
        self._weight += facts.weight
        if facts.extends:
            return None
        mark = self._mark
        boundary = None
        if mark is not None:
            if mark.following == 0 and not mark.spaced and _extends(mark, character):
                mark.end, mark.weight = position + 1, self._weight
                return None
            if mark.following == 0:
                mark.next_start = position
            mark.following += 1
            boundary = self._resolve(mark, character, facts)
        if self._mark is None and self.first_spoken is not None:
            self._open_at(character, position)
        return boundary

    def _open_at(self, character: str, position: int) -> None:
        if character in WIDE_STOPS:
            self._open(_Rule.WIDE_STOP, position)
        elif character in STOPS:
            self._open(_Rule.STOP, position)
        elif character in WIDE_CLAUSE_MARKS:
            self._open(_Rule.CLAUSE, position)
        elif character in CLAUSE_MARKS or (
            character in _DASHES and self._newlines == 0 and self.characters[position - 1].isspace()
        ):
            self._open(_Rule.SPACED_CLAUSE, position)

    def _open(self, rule: _Rule, position: int, *, spaced: bool = False) -> None:
        end = position if spaced else position + 1
        self._mark = _Mark(rule, position, end, self._weight, self._last_visible, spaced)

    def _is_ordinal(self, mark: _Mark) -> bool:
        """Whether ``mark`` is the full stop of ``2.`` or ``19.``."""
        if self.characters[mark.start : mark.end] != ["."]:
            return False
        word = "".join(self.characters[max(0, mark.start - _MAX_ORDINAL_DIGITS - 1) : mark.start])
        *_, number = re.split(r"\s", word)
        return 0 < len(number) <= _MAX_ORDINAL_DIGITS and number.isdecimal()

    def _resolve(self, mark: _Mark, character: str, facts: Character) -> Boundary | None:
        """Decide ``mark`` now that one more visible character has arrived, or leave it open."""
        if not mark.spaced and character in _MARKS:
            # "?," and the like: what follows continues the same clause.
            self._mark = None
            return None
        if mark.rule is _Rule.WIDE_STOP:
            return self._decide_stop(mark)
        if mark.rule is _Rule.STOP:
            return self._resolve_stop(mark, facts)
        self._mark = None
        if mark.rule is _Rule.PHRASE:
            if facts.script is not Script.THAI:
                return None
            return Boundary(BoundaryKind.PHRASE, mark.next_start, mark.weight)
        in_number = facts.is_digit and (
            (bool(mark.before) and describe(mark.before).is_digit) or self._is_in_range(mark)
        )
        if in_number or (mark.rule is _Rule.SPACED_CLAUSE and not mark.spaced):
            return None
        return Boundary(BoundaryKind.CLAUSE, mark.next_start, mark.weight)

    def _is_in_range(self, mark: _Mark) -> bool:
        """Whether ``mark`` is the dash of "5 km – 10 km", before whose last number it stands."""
        if self.characters[mark.start] not in _RANGE_DASHES:
            return False
        before = self.characters[max(0, mark.start - _LONGEST_RANGE_START) : mark.start]
        return any(describe(character).is_digit for character in before)

    def _resolve_stop(self, mark: _Mark, facts: Character) -> Boundary | None:
        is_wide = facts.script in _WIDE_SCRIPTS
        if not mark.spaced:
            # Without a space, only between two wide characters: "Yahoo!ニュース" and "v2.1" go on.
            if is_wide and describe(mark.before).script in _WIDE_SCRIPTS:
                return self._decide_stop(mark)
            self._mark = None
            return None
        # The next two characters are enough to tell a capital letter and an opening quote from the rest.
        return self._decide_stop(mark) if mark.following == 2 or is_wide else None

    def _decide_stop(self, mark: _Mark) -> Boundary | None:
        self._mark = None
        if not self._is_ordinal(mark) and self._agreed(mark.next_start):
            return Boundary(BoundaryKind.SENTENCE, mark.next_start, mark.weight)
        marks = self.characters[mark.start : mark.end]
        if marks[0] == "." and marks.count(".") < 2:
            return None  # an abbreviation
        return Boundary(BoundaryKind.CLAUSE, mark.next_start, mark.weight)

    def _agreed(self, position: int, continuation: str = "") -> bool:
        """Whether both segmenters begin a sentence at ``position``; if so, later ends are judged from there on."""
        start = max(self._sentence_start, position - _WINDOW_CHARACTERS)
        window = "".join(self.characters[start:]) + continuation
        # A lone surrogate is a character here, but not for native code.
        window = _SURROGATES.sub("\ufffd", window)
        offset = position - start
        _, sentences = blingfire.text_to_sentences_with_offsets(window)
        if all(begin != offset for begin, _ in sentences):
            return False
        language = script_language(window, default="en")
        languages = LATIN_LANGUAGES if language in LATIN_LANGUAGES else (language,)
        if not all(_ends_at(offset, window, code) for code in languages):
            return False
        self._sentence_start = position
        return True


def _ends_at(offset: int, window: str, language: str) -> bool:
    """Whether sentencex ends a sentence at ``offset``. It counts an opening quote that follows as part of
    the end."""
    last = offset
    while last < len(window) and window[last] in CLOSERS:
        last += 1
    return any(offset <= end <= last for end in accumulate(map(len, sentencex.segment(language, window))))


def _extends(mark: _Mark, character: str) -> bool:
    """Whether ``character``, which stands directly after ``mark``, is part of it."""
    if character in CLOSERS:
        return True
    if mark.rule in (_Rule.STOP, _Rule.WIDE_STOP):
        return character in STOPS or character in WIDE_STOPS
    return character in WIDE_CLAUSE_MARKS or character in _DASHES
