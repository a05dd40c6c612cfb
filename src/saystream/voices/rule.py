"""Recipes by rule, for the voices of the catalogue that have none written: from sex, age, character and language.

The voices of a family get their recipes one after the other, in the order of the catalogue: each is the sound nearest
to its character that no voice before it has. So no two are alike, and a new person who is added at the end of a family
changes no other there. The versions of one voice, such as ``longxiaochun`` and ``longxiaochun_v2``, sound the same
where they can.

Which voices of an engine may be taken is in ``bases.toml``. The recipes that follow are in ``by_rule.json``, because
finding them takes seconds: ``scripts/docs`` writes the file, and a test compares it.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from saystream.catalog import Voice

__all__ = [
    "LEAST_DISTANCE",
    "TRACTS",
    "UNKNOWN",
    "Base",
    "Made",
    "bases_of",
    "by_rule",
    "distance",
    "person",
]

LEAST_DISTANCE = 1.4
"""Between two voices of a family, in steps that a listener just tells apart."""

_STEPS = np.array([0.05, 0.03, 0.04])
"""Logarithms: 5 % of tempo, half a semitone, 4 % of vocal tract are just noticeable in one voice."""
_ANOTHER_BASE = 2.0
"""What another voice of the engine is worth, in such steps; a mix that shares parts, less."""

_MOST_BASES = 8
"""Of an engine that are tried for one voice: those least used, and nearest in pitch."""

TRACTS = {"female": 1.0, "male": 0.86, "child": 1.10, "": 0.95}
"""Resonances of a kind of speaker, relative to a woman's: what a base has, and "" where nobody knows."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What sounds like one sex and age: lowest, usual and highest."""

    hz: tuple[float, float, float]
    tract: tuple[float, float, float]
    speed: tuple[float, float, float] = (0.80, 1.0, 1.28)


_KINDS = {
    "child": _Kind((285, 312, 350), (1.08, 1.11, 1.18), (0.84, 1.02, 1.28)),
    "young female": _Kind((168, 222, 262), (0.95, 1.01, 1.06), (0.84, 1.04, 1.28)),
    "adult female": _Kind((160, 202, 255), (0.93, 0.99, 1.05)),
    "old female": _Kind((160, 172, 186), (0.91, 0.95, 1.0), (0.80, 0.86, 0.92)),
    "young male": _Kind((106, 134, 148), (0.82, 0.87, 0.90), (0.84, 1.04, 1.28)),
    "adult male": _Kind((104, 119, 146), (0.81, 0.85, 0.89)),
    "old male": _Kind((102, 106, 114), (0.81, 0.83, 0.87), (0.80, 0.86, 0.92)),
}

_STRANGER_KINDS = {
    "child": _Kind((1.34, 1.38, 1.56), (1.07, 1.10, 1.18)),
    "female": _Kind((1.0, 1.10, 1.32), (0.95, 1.00, 1.06)),
    "male": _Kind((0.72, 0.86, 0.98), (0.84, 0.90, 0.96)),
}
"""Relative to the voice of an engine that we do not know: it may be a man's or a woman's, so nothing is far from it."""

_LIVELY = re.compile(
    r"energetic|lively|passionate|cheerful|bubbly|sunny|excited|dramatic|sales|selling|quick|naughty|mischievous"
    r"|vigorous|playful|friendly|bright|humorous|fresh"
)
_CALM = re.compile(
    r"calm|gentle|soft|composed|low-key|delicate|weathered|warm|melanchol|healing|monk|elegant|dignified|serious"
    r"|steady|audiobook|mature"
)
_HIGH = re.compile(r"\bhigh\b|cute|sweet|bubbly|naive|girl|clear|crisp|pure")
_DEEP = re.compile(r"\blow\b|magnetic|mature|stern|weathered|authoritative|haughty|strong|forceful|steady")

_VERSION = re.compile(r"(^sambert-|_v[\d.]+$|-v1$)")


@dataclass(frozen=True, slots=True)
class Base:
    """A voice of an engine, or a mix of them, that recipes may begin with."""

    name: str
    kind: str
    """``female``, ``male``, ``child``, or "" if unknown."""
    hz: float
    """Fundamental frequency; 1.0 if unknown."""
    languages: tuple[str, ...] = ()
    """What it may speak for (BCP 47, or a dialect of Chinese); empty for all."""


@dataclass(frozen=True, slots=True)
class Made:
    """One recipe: a base, and the ratios of ``SynthesisRequest``."""

    base: Base
    speed: float
    pitch: float
    formant: float


def distance(one: Made, other: Made) -> float:
    """How different two recipes of an engine sound, in steps that a listener just tells apart."""
    steps = (_place(one) - _place(other)) / _STEPS
    return math.hypot(*steps, _apart(one.base.name, other.base.name))


def by_rule(
    voices: Sequence[Voice],
    bases: Sequence[Base],
    *,
    unchanged: Iterable[str] = (),
    earlier: Mapping[str, Made] = MappingProxyType({}),
) -> dict[str, Made]:
    """A recipe for each of ``voices``, which are a family, by name, over an engine with ``bases``.

    ``earlier`` are those of other families by ``person``: a voice keeps its own from there unless another of the
    family is near it. With a base of unknown kind, the first voice that is in ``unchanged`` is spoken by it as it is.
    """
    made: dict[str, Made] = {}
    if not bases[0].kind:
        first = next((voice.name for voice in voices if voice.name in unchanged), None)
        made = {first: Made(bases[0], 1.0, 1.0, 1.0)} if first else {}
    for voice in voices:
        before = earlier.get(person(voice))
        if before and voice.name not in made and _is_free(before, made.values()):
            made[voice.name] = before
    used = Counter(one.base.name for one in made.values())
    for voice in voices:
        if voice.name not in made:
            made[voice.name] = _next(voice, bases, used, list(made.values()))
            used[made[voice.name].base.name] += 1
    return {voice.name: made[voice.name] for voice in voices}


def _is_free(one: Made, taken: Iterable[Made]) -> bool:
    return all(distance(one, other) >= LEAST_DISTANCE for other in taken)


def person(voice: Voice) -> str:
    """What the versions of a voice have in common, unless their sex, age or language differ."""
    return " ".join((_VERSION.sub("", voice.name), voice.sex, voice.age, voice.language))


def _next(voice: Voice, bases: Sequence[Base], used: Mapping[str, int], taken: Sequence[Made]) -> Made:
    kind = _kind(voice, bases)
    aim = _aim(voice, kind)
    suited = _suited(voice, bases)
    turn = int(_draws(voice)[3] * len(suited))
    order = sorted(
        [*suited[turn:], *suited[:turn]],
        key=lambda base: used.get(base.name, 0) + abs(math.log(aim[1] / base.hz)) / 0.08,
    )
    found = [_nearest_free(base, aim, kind, taken) for base in order[:_MOST_BASES]]
    free = [each for each in found if each is not None]
    assert free, f"there are more sounds than voices of a family: {voice.name}, {bases[0].name}"
    return min(free, key=lambda each: each[0])[1]


def _nearest_free(
    base: Base, aim: np.ndarray, kind: _Kind, taken: Sequence[Made]
) -> tuple[float, Made] | None:
    """The sound nearest to ``aim`` that is not near one of ``taken``, with how far it is from it."""
    ranges = (kind.speed, kind.hz, kind.tract)
    lowest, highest = [low for low, _, _ in ranges], [high for _, _, high in ranges]
    places = np.log(np.clip(aim, lowest, highest)) + _offsets()
    inside = np.all((places >= np.log(lowest) - 1e-9) & (places <= np.log(highest) + 1e-9), axis=1)
    steps = _offsets()[inside] / _STEPS
    # As recipes: ratios to the base, with two digits.
    ratios = np.exp(places[inside]) / [1.0, base.hz, TRACTS[base.kind]]
    ratios = np.round(np.clip(ratios, [0.8, 0.5, 0.8], [1.3, 1.6, 1.2]), 3)
    free = np.ones(len(ratios), dtype=bool)
    for other in taken:
        apart = _apart(base.name, other.base.name)
        if apart < LEAST_DISTANCE:
            away = (np.log(ratios) - _place(other)) / _STEPS
            free &= np.sum(away**2, axis=1) + apart**2 >= LEAST_DISTANCE**2
    if not free.any():
        return None
    chosen = int(np.argmax(free))  # they are in order of their distance
    shift = abs(math.log(float(ratios[chosen][1]))) / 0.1
    speed, pitch, formant = (float(ratio) for ratio in ratios[chosen])
    return float(np.linalg.norm(steps[chosen])) + shift, Made(base, speed, pitch, formant)


@functools.cache
def _offsets() -> np.ndarray:
    """Steps away from what is aimed at, the nearest first; shape ``(num_offsets, 3)``."""
    grid = np.stack(
        np.meshgrid(np.arange(-8, 9) * 0.7, np.arange(-12, 13) * 0.7, np.arange(-3, 4) * 0.7, indexing="ij"),
        axis=-1,
    ).reshape(-1, 3)
    order = np.argsort(np.round(np.linalg.norm(grid, axis=1), 6), kind="stable")
    return np.asarray(grid[order] * _STEPS)


def _place(made: Made) -> np.ndarray:
    return np.log([made.speed, made.pitch, made.formant])


@functools.cache
def _apart(one: str, other: str) -> float:
    mine, yours = _shares(one), _shares(other)
    both = {*mine, *yours}
    return _ANOTHER_BASE * sum(abs(mine.get(name, 0.0) - yours.get(name, 0.0)) for name in sorted(both)) / 2


def _shares(base: str) -> dict[str, float]:
    parts = [part.partition(":") for part in base.split("+")]
    return {name: float(weight or 1) for name, _, weight in parts}


def _kind(voice: Voice, bases: Sequence[Base]) -> _Kind:
    if not bases[0].kind:
        return _STRANGER_KINDS["child" if voice.age == "child" else voice.sex]
    return _KINDS["child" if voice.age == "child" else f"{voice.age} {voice.sex}"]


def _aim(voice: Voice, kind: _Kind) -> np.ndarray:
    """Speed, Hz and vocal tract that suit the voice; shape ``(3,)``."""
    draws = _draws(voice)
    pace = min(2, len(_LIVELY.findall(voice.character))) - min(2, len(_CALM.findall(voice.character)))
    height = bool(_HIGH.search(voice.character)) - bool(_DEEP.search(voice.character))
    speed = kind.speed[1] * 1.06**pace * math.exp((draws[0] - 0.5) * 0.08)
    hertz = kind.hz[1] * 1.03**pace * 1.06**height * math.exp((draws[1] - 0.5) * 0.10)
    tract = kind.tract[1] * 1.01**height * math.exp((draws[2] - 0.5) * 0.04)
    return np.array([speed, hertz, tract])


def _suited(voice: Voice, bases: Sequence[Base]) -> list[Base]:
    """Bases of its kind and language, else of its kind; a child is spoken by a woman if the engine has no child."""
    kinds = ("child", "female", "male") if voice.age == "child" else (voice.sex, "female", "male")
    for kind in (*kinds, ""):
        alike = [base for base in bases if base.kind == kind]
        if alike:
            break
    for language in (voice.dialect or "", voice.language, voice.language.partition("-")[0], "zh"):
        speaking = [base for base in alike if language in base.languages]
        if speaking:
            return speaking
    return alike


def _draws(voice: Voice) -> list[float]:
    """Four numbers from 0 to 1 that belong to the voice in all its versions."""
    digest = hashlib.sha256(_VERSION.sub("", voice.name).encode()).digest()
    return [int.from_bytes(digest[start : start + 4]) / 2**32 for start in range(0, 16, 4)]


@functools.cache
def bases_of(engine: str) -> tuple[Base, ...]:
    """What an engine that we know has; empty for others."""
    tables = _written().get(engine, {})
    bases = [
        Base(name, kind, float(hertz), tuple(languages.split()))
        for kind in ("female", "male", "child")
        for name, (languages, hertz) in tables.get(kind, {}).items()
    ]
    if "mixed" in tables:
        bases += [mix for base in bases for mix in _mixes(base, bases, tables["mixed"])]
    return tuple(bases)


def _mixes(base: Base, bases: Sequence[Base], mixed: Mapping[str, Sequence[str]]) -> list[Base]:
    """A voice of a language that has few of them, with a share of each other of its kind."""
    return [
        Base(
            f"{base.name}:0.6+{other.name}:0.4",
            base.kind,
            math.exp(0.6 * math.log(base.hz) + 0.4 * math.log(other.hz)),
            base.languages,
        )
        for other in bases
        if base.name in mixed["of"] and other.kind == base.kind
        if other.name != base.name and other.name not in mixed["without"]
    ]


UNKNOWN = (Base("", "", 1.0),)
"""The only voice that is taken of an engine that we do not know."""


@functools.cache
def _written() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("bases.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
