"""Reads a description of a voice, or an instruction how to speak, in English or Chinese: by the words it knows.

Rule 1: the longest known word counts. What stands between known words is of no account.

Rule 2: a degree ("very") belongs to the next word of its clause, a negation ("not too") to what follows near it. What
is negated on an axis means the opposite, half as much: "not fast" is slightly slow. Other words that are negated are
dropped.

Rule 3: a relative word ("high") is about what its clause names ("volume"), else about what it mostly means alone.

Rule 4: what the text says about an axis itself stands before what follows from an emotion, a timbre or a use.

Rule 5: of several sexes, ages and dialects the first counts. Years count before words for an age.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from saystream.text.description.description import AXES, Age, Description
from saystream.text.description.lexicon import Meaning, Term, effects_of, terms_of

__all__ = ["described"]

_FARTHEST = 3.0

_WHO = ("sex", "age")
"""Dimensions that "for children" does not tell of the speaker."""

_NEAR = {True: 5, False: 40}
"""Characters after which a degree or a negation is over, in Chinese and in English."""

_YEARS = re.compile(
    r"(?P<number>\d{1,3})(?:\s*(?:-|–|~|to|到|至)\s*\d{1,3})?(?:[\s-]*years?\b(?:[\s-]*old\b)?|[\s-]*yrs?\b|\s*[多来几]?岁)"
    r"|\baged?\s+(?:about\s+|around\s+)?(?P<aged>\d{1,3})\b"
    r"|\b(?P<decade>[1-9]0)(?:'?s)\b"
    r"|(?P<hanzi>[一二两三四五六七八九]?十?[一二三四五六七八九]?)[多来几]?岁",
    re.IGNORECASE,
)
_HANZI = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_AGES: tuple[tuple[int, Age], ...] = ((12, "child"), (18, "teenager"), (35, "young"), (55, "middle"))


def described(text: str) -> Description:
    """What ``text`` says about a voice; an empty description if it says nothing that is known."""
    reading = _Reading()
    years, rest = _years(text)
    for clause in _clauses(terms_of(rest)):
        reading.clause(clause, rest)
    return reading.description(years)


@dataclass(slots=True)
class _Reading:
    """What has been found so far."""

    explicit: dict[str, list[float]] = field(default_factory=dict)
    implied: dict[str, list[float]] = field(default_factory=dict)
    traits: dict[str, dict[str, None]] = field(default_factory=dict)
    """Names by dimension, in the order of the text."""

    def clause(self, terms: Sequence[Term], text: str) -> None:
        degree: tuple[float, int] | None = None
        negated_at: int | None = None
        is_audience = False
        aspects = _aspects(terms, text)
        for place, term in enumerate(terms):
            if term.of("audience"):
                is_audience = True
            elif term.of("negation"):
                negated_at = term.end
            elif before := term.of("degree"):
                degree = before.value, term.end
                if negated_at is not None:
                    negated_at = term.end
            elif any(each.kind in ("graded", "relative", "trait") for each in term.meanings):
                near = _NEAR[term.is_chinese]
                negated = negated_at is not None and term.start - negated_at <= near
                factor = degree[0] if degree is not None and term.start - degree[1] <= near else 1.0
                factor *= _degree_after(terms, place)
                meanings = term.meanings
                if is_audience and any(each.dimension in _WHO for each in meanings):
                    meanings = tuple(each for each in meanings if each.dimension not in _WHO)
                    is_audience = False
                for meaning in meanings:
                    self._take(meaning, aspects[place], -0.5 if negated else factor)
                degree = None
                if negated and term.is_chinese:
                    negated_at = None

    def _take(self, meaning: Meaning, aspect: str, factor: float) -> None:
        if meaning.kind == "graded":
            for axis, level in meaning.levels:
                self.explicit.setdefault(axis, []).append(level * factor)
        elif meaning.kind == "relative":
            if axis := aspect or meaning.name:
                self.explicit.setdefault(axis, []).append(meaning.value * factor)
        elif meaning.kind == "trait" and factor > 0:
            self.traits.setdefault(meaning.dimension, {}).setdefault(meaning.name)
            for axis, level in effects_of(meaning.dimension, meaning.name).items():
                self.implied.setdefault(axis, []).append(level * factor)

    def description(self, years: Age) -> Description:
        found = {dimension: tuple(names) for dimension, names in self.traits.items()}
        levels = {
            axis: _level(self.explicit[axis] if axis in self.explicit else self.implied.get(axis, ()))
            for axis in AXES
        }
        return Description(
            sex=next(iter(found.get("sex", ())), ""),  # type: ignore[arg-type]
            age=years or _age(found.get("age", ())),  # type: ignore[arg-type]
            emotions=found.get("emotion", ()),
            timbres=found.get("timbre", ()),
            uses=found.get("use", ()),
            dialect=next(iter(found.get("dialect", ())), ""),
            named=frozenset(self.explicit),
            **levels,
        )


def _clauses(terms: Iterable[Term]) -> Iterable[list[Term]]:
    clause: list[Term] = []
    for term in terms:
        if term.of("scope_end"):
            yield clause
            clause = []
        else:
            clause.append(term)
    yield clause


def _degree_after(terms: Sequence[Term], place: int) -> float:
    """Of a word such as 快一点; nothing may stand between."""
    if place + 1 == len(terms) or terms[place + 1].start > terms[place].end + 1:
        return 1.0
    after = terms[place + 1].of("degree_after")
    return 1.0 if after is None else after.value


def _aspects(terms: Sequence[Term], text: str) -> list[str]:
    """For each term the axis that its clause names for a relative word there: by the noun that follows at once ("high
    pitch"), else the last one before it, else the first one after it; "" if there is none."""
    nouns = [_axis(term) for term in terms]
    before = nouns[:]
    for place in range(1, len(before)):
        before[place] = nouns[place] or before[place - 1]
    first = next(filter(None, nouns), "")
    found = [last or first for last in before]
    for place, (term, following) in enumerate(pairwise(terms)):
        between = text[term.end : following.start].strip()
        if nouns[place + 1] and (between == "的" or not (between or term.is_chinese)):
            found[place] = nouns[place + 1]
    return found


def _axis(term: Term) -> str:
    aspect = term.of("aspect")
    return "" if aspect is None else aspect.name


def _level(levels: Iterable[float]) -> float:
    """The strongest above and the strongest below 0, together."""
    values = [0.0, *levels]
    return max(-_FARTHEST, min(_FARTHEST, max(values) + min(values)))


def _age(ages: Sequence[str]) -> str:
    """The first; "young" only if there is no other, as in "a young girl"."""
    others = [age for age in ages if age != "young"]
    return next(iter(others or ages), "")


def _years(text: str) -> tuple[Age, str]:
    """The age in years that is named first, and the text without such ages."""
    found: Age = ""

    def named(match: re.Match[str]) -> str:
        nonlocal found
        number = match["number"] or match["aged"] or match["decade"]
        years = int(number) if number else _number(match["hanzi"])
        if not years:
            return match[0]
        found = found or next((age for most, age in _AGES if years <= most), "old")
        return " " * len(match[0])

    rest = _YEARS.sub(named, text)
    return found, rest


def _number(hanzi: str) -> int:
    tens, ten, ones = hanzi.partition("十")
    if not ten:
        return _HANZI.get(tens, 0)
    return 10 * _HANZI.get(tens, 1) + _HANZI.get(ones, 0)
