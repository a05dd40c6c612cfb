"""The voice of an engine that comes nearest to a speaker, for engines that enroll nobody: of the same sex and age, as
high and as fast.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from saystream.voices.recipes import Recipe
from saystream.voices.rule import TRACTS, Base, bases_of

if TYPE_CHECKING:
    from saystream.engines.base import EngineInfo
    from saystream.voices.measures import Measures

__all__ = ["nearest"]

_MAN_BELOW_HZ = 155.0
_CHILD_ABOVE_HZ = 270.0

_TRACT_OF_HZ = ((90.0, 0.84), (119.0, 0.86), (202.0, 1.0), (312.0, 1.11))
"""Resonances that go with a fundamental frequency, relative to a woman's."""

_USUAL_SYLLABLES_PER_S = 4.3
_SPEEDS = (0.85, 1.2)
_PITCHES = (0.5, 1.6)
_FORMANTS = (0.8, 1.2)
"""What the recipes of system voices keep to as well."""


def nearest(measures: Measures, engine: EngineInfo, language: str = "") -> Recipe:
    """The recipe for a speaker of these ``measures``, who speaks ``language`` (ISO 639-1) if that is known.

    An engine whose voices we do not know speaks with its first, as fast as the speaker.
    """
    pace = math.sqrt(measures.syllables_per_s / _USUAL_SYLLABLES_PER_S) if measures.syllables_per_s else 1.0
    speed = _within(pace, _SPEEDS)
    bases = [base for base in bases_of(engine.name) if _is_there(base, engine)]
    if not bases:
        return Recipe(engine.voices[0], speed)
    base = min(
        _speaking(language, _of_kind(measures.median_hz, bases)),
        key=lambda each: abs(math.log(measures.median_hz / each.hz)),
    )
    return Recipe(
        base.name,
        speed,
        _within(measures.median_hz / base.hz, _PITCHES),
        _within(_tract(measures.median_hz) / TRACTS[base.kind], _FORMANTS),
    )


def _is_there(base: Base, engine: EngineInfo) -> bool:
    """Whether the engine has all voices of a mix."""
    return all(part.partition(":")[0] in engine.voices for part in base.name.split("+"))


def _of_kind(hertz: float, bases: list[Base]) -> list[Base]:
    """Those of the sex and age that go with a pitch; a child is spoken by a woman if the engine has no child."""
    if hertz < _MAN_BELOW_HZ:
        kinds: tuple[str, ...] = ("male", "female", "child")
    elif hertz < _CHILD_ABOVE_HZ:
        kinds = ("female", "child", "male")
    else:
        kinds = ("child", "female", "male")
    alike = ([base for base in bases if base.kind == kind] for kind in kinds)
    return next(filter(None, alike))


def _speaking(language: str, bases: list[Base]) -> list[Base]:
    """Those that may speak it, else all."""
    spoken = [base for base in bases if any(each.partition("-")[0] == language for each in base.languages)]
    return spoken or bases


def _tract(hertz: float) -> float:
    pitches, tracts = zip(*_TRACT_OF_HZ, strict=True)
    return float(np.exp(np.interp(math.log(hertz), np.log(pitches), np.log(tracts))))


def _within(value: float, limits: tuple[float, float]) -> float:
    return round(min(max(value, limits[0]), limits[1]), 3)
