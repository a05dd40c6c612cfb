"""Voices designed in words: which base voice of an engine comes nearest to a description, and what is changed in it.

Sex and age give the pitch, the size of the speaker and the tempo that are aimed at; what the description says of these
moves them. The base is the voice, or mix of voices, of that sex that has to be changed least; how high and how fast
each speaks has been measured (``measured.toml``), so what comes out is as high and as fast as was aimed at.

The same description always gives the same voice. Another one gives another voice, even if it says the same in other
words: what it leaves open is drawn from the text itself.
"""

from __future__ import annotations

import functools
import hashlib
import math
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from saystream.text.characters import is_ideograph
from saystream.text.description import described
from saystream.voices.instructed import manner_of
from saystream.voices.recipes import Recipe
from saystream.voices.rule import TRACTS, bases_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saystream.engines.base import EngineInfo
    from saystream.text.description import Description

__all__ = ["designed"]


@dataclass(frozen=True, slots=True)
class _Aim:
    """What the voice is to sound like."""

    kind: str
    """``female``, ``male`` or ``child``."""
    hz: float
    rate: float
    """Syllables a second, relative to the usual rate of the language."""
    tract: float
    """Resonances, relative to a woman's."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A voice to begin with."""

    name: str
    kind: str
    hz: float
    rate: float
    """Syllables a second; 0 if unknown."""


_HZ = {
    ("female", "teenager"): 232.0,
    ("female", "young"): 214.0,
    ("female", ""): 206.0,
    ("female", "middle"): 196.0,
    ("female", "old"): 178.0,
    ("male", "teenager"): 142.0,
    ("male", "young"): 127.0,
    ("male", ""): 121.0,
    ("male", "middle"): 116.0,
    ("male", "old"): 110.0,
    ("child", "child"): 292.0,
}
_NEUTRAL_HZ = 168.0
"""Between a man and a woman."""
_PITCH_STEPS = {"female": 1.085, "male": 1.10, "child": 1.055}
"""What one level of the pitch does…"""
_HZ_RANGES = {"female": (145.0, 280.0), "male": (75.0, 152.0), "child": (240.0, 360.0)}
"""…within what sounds like that kind."""
_LARGEST_DRAW = {"hz": 0.02, "rate": 0.012, "tract": 0.012}
"""What is left open: too little for another class, enough to tell two voices apart."""

_RATE_STEP, _RATE_CURVE = 1.13, 0.75
"""What the first level of speed does, and how the next ones weaken: very fast is a third faster than usual."""
_RATES = {"child": 0.95, "old": 0.92}
"""Of an age, where the description does not say how fast."""
_USUAL_RATES = {"zh": 5.2}
_USUAL_RATE = 5.5
"""Syllables a second without pauses, of the voices that were measured."""

_TRACT_STEP = 1.02
_TRACTS = {"teenager": 1.02, "old": 0.98}
_NEUTRAL_TRACT = 0.93

_SPEEDS, _PITCHES, _FORMANTS = (0.5, 2.0), (0.5, 1.65), (0.78, 1.25)
"""Beyond these a voice breaks."""

_KINDS_OF_CHILD = ("child", "female", "male")


def designed(description: str, engine: EngineInfo, language: str = "") -> Recipe:
    """The recipe of the voice that ``description`` (English or Chinese) asks of ``engine``, for texts in ``language``
    (ISO 639-1), by default that of the description."""
    text = " ".join(description.split())
    said = described(text)
    language = language or ("zh" if any(map(is_ideograph, text)) else "en")
    draws = _draws(text)
    aim = _aim(said, draws)
    base = min(_candidates(aim.kind, engine, language), key=lambda each: _effort(each, aim, language, text))
    return Recipe(
        base.name,
        _within(_speed(base, aim, engine.name, language), _SPEEDS),
        _within(aim.hz / base.hz, _PITCHES),
        _within(aim.tract / TRACTS[base.kind], _FORMANTS),
        *(round(ratio, 4) for ratio in manner_of(said)),
    )


def _aim(said: Description, draws: Sequence[float]) -> _Aim:
    sex = said.sex
    if not sex:  # a deep voice is more often a man's
        sex = "male" if said.pitch <= -1.5 or (said.pitch < 1.5 and draws[3] < 0) else "female"
    kind = "child" if said.age == "child" else "female" if sex == "neutral" else sex
    age = said.age if (kind, said.age) in _HZ else ""
    hertz = _HZ[kind, age]
    tract = TRACTS[kind] * _TRACTS.get(said.age, 1.0)
    if sex == "neutral" and kind != "child":
        hertz, tract = _NEUTRAL_HZ, _NEUTRAL_TRACT
    if kind == "child" and sex == "male":
        hertz *= 0.95
    rate = _RATE_STEP ** math.copysign(abs(said.speed) ** _RATE_CURVE, said.speed)
    if "speed" not in said.named:
        rate *= _RATES.get(said.age, 1.0)
    lowest, highest = _HZ_RANGES[kind]
    hertz = min(max(hertz * _PITCH_STEPS[kind] ** said.pitch, lowest), highest)
    return _Aim(
        kind,
        hertz * (1 + _LARGEST_DRAW["hz"] * draws[0]),
        rate * (1 + _LARGEST_DRAW["rate"] * draws[1]),
        tract * _TRACT_STEP**said.size * (1 + _LARGEST_DRAW["tract"] * draws[2]),
    )


def _draws(text: str) -> list[float]:
    """Four numbers from -1 to 1 that belong to the text."""
    digest = hashlib.sha256(text.encode()).digest()
    return [int.from_bytes(digest[start : start + 4]) / 2**31 - 1 for start in range(0, 16, 4)]


def _candidates(kind: str, engine: EngineInfo, language: str) -> list[_Candidate]:
    """The engine's voices of that kind that may speak the language; else of another kind, or its first voice."""
    known = [each for each in _known(engine.name, language) if _is_there(each.name, engine)]
    for wanted in _KINDS_OF_CHILD if kind == "child" else (kind, "female", "male"):
        if alike := [each for each in known if each.kind == wanted]:
            return alike
    return [_Candidate(engine.voices[0], "", _HZ["female", ""] if kind != "male" else _NEUTRAL_HZ, 0.0)]


@functools.cache
def _known(engine: str, language: str) -> tuple[_Candidate, ...]:
    """With a voice of two kinds twice."""
    bases = [base for base in bases_of(engine) if "+" not in base.name]
    speaking = [base for base in bases if _speaks(base.languages, language)]
    tables = _measured().get(engine, {})
    measured = tables.get(language, {} if speaking else tables.get("en", {}))
    if not measured:
        return tuple(_Candidate(base.name, base.kind, base.hz, 0.0) for base in speaking or bases)
    voices = {name: values for name, values in measured.items() if name != "speeds"}
    alone = [_Candidate(base.name, base.kind, *voices[base.name]) for base in bases if base.name in voices]
    kinds = {each.name: each.kind for each in alone if each.kind != "child"}
    mixes = [
        _Candidate(name, kinds[name.partition(":")[0]], *values)
        for name, values in voices.items()
        if "+" in name
    ]
    return (*alone, *mixes)


def _speaks(languages: Sequence[str], language: str) -> bool:
    return any(each.partition("-")[0] == language for each in languages)


def _is_there(name: str, engine: EngineInfo) -> bool:
    return all(part.partition(":")[0] in engine.voices for part in name.split("+"))


def _effort(base: _Candidate, aim: _Aim, language: str, text: str) -> float:
    """How much has to be changed, in steps that a listener just hears, and a draw: of voices that are as near, one text
    takes this and another that."""
    shift = abs(math.log(aim.hz / base.hz)) / 0.06
    usual = _usual(language)
    pace = abs(math.log(aim.rate * usual / (base.rate or usual))) / 0.2
    drawn = hashlib.sha256(f"{base.name} {text}".encode()).digest()[0] / 256
    return shift + pace + drawn


def _speed(base: _Candidate, aim: _Aim, engine: str, language: str) -> float:
    """What to ask of the engine, so that it speaks as fast as is aimed at."""
    usual = _usual(language)
    ratio = aim.rate * usual / (base.rate or usual)
    tables = _measured().get(engine, {})
    slow, fast = map(float, tables.get(language, tables.get("en", {})).get("speeds", (0.8, 1.25)))
    if ratio < slow:
        return 0.8 * ratio / slow
    if ratio > fast:
        return 1.25 * ratio / fast
    limit, asked = (slow, 0.8) if ratio < 1 else (fast, 1.25)
    return float(asked ** (math.log(ratio) / math.log(limit)))


def _usual(language: str) -> float:
    return _USUAL_RATES.get(language, _USUAL_RATE)


def _within(value: float, limits: tuple[float, float]) -> float:
    return round(min(max(value, limits[0]), limits[1]), 4)


@functools.cache
def _measured() -> dict[str, dict[str, Any]]:
    text = resources.files(__package__).joinpath("measured.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
