"""A recipe for a voice that has none written: between those of two voices of the same sex and age.

Which two, and how far between them, follows from the voice's name alone, so a voice sounds the same on every machine
and after every start. Versions of a voice, such as ``longxiaochun`` and ``longxiaochun_v2``, sound alike.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from saystream.catalog import Voice

__all__ = ["draws", "lively", "mixed_base", "ratios"]

_VERSION = re.compile(r"_v[\d.]+$")

_SALT = 37
"""Chosen among a thousand: with it, the two voices of one model that are most alike differ most
(``tests/voices/test_rule.py``)."""

_LIVELY = re.compile(
    r"energetic|lively|passionate|cheerful|bubbly|sunny|excited|dramatic|sales|selling|quick|brisk|young"
)
_CALM = re.compile(
    r"calm|gentle|soft|composed|low-key|delicate|weathered|warm|melanchol|soothing|monk|elegant"
)
_CHARACTER_SPEED = 1.05

_SPREAD = {"speed": 0.10, "pitch": 0.05, "formant": 0.05}
"""How far a voice may lie from the line between its two parents, either way."""


class _Parent(Protocol):
    @property
    def speed(self) -> float: ...
    @property
    def pitch(self) -> float: ...
    @property
    def formant(self) -> float: ...


def draws(voice: Voice) -> Iterator[float]:
    """Numbers from 0 to 1 that belong to this voice."""
    name = _VERSION.sub("", voice.name)
    count = 0
    while True:
        digest = hashlib.sha256(f"{_SALT}:{name}:{count}".encode()).digest()
        for start in range(0, len(digest), 4):
            yield int.from_bytes(digest[start : start + 4]) / 2**32
        count += 1


def lively(voice: Voice) -> float:
    """How fast its character speaks, relative to others."""
    faster = bool(_LIVELY.search(voice.character)) - bool(_CALM.search(voice.character))
    return _CHARACTER_SPEED**faster


def ratios(
    voice: Voice, one: _Parent, other: _Parent, share: float, drawn: Iterator[float]
) -> dict[str, float]:
    """Speed, pitch and formant, with ``share`` of ``other`` in them."""
    made = {
        name: math.exp(
            (1 - share) * math.log(getattr(one, name))
            + share * math.log(getattr(other, name))
            + (2 * next(drawn) - 1) * spread
        )
        for name, spread in _SPREAD.items()
    }
    made["speed"] *= lively(voice)
    return {name: round(ratio, 3) for name, ratio in made.items()}


def mixed_base(parts: Mapping[str, float]) -> str:
    """The name of a mix of an engine's own voices, heaviest first."""
    total = sum(parts.values())
    kept = sorted(parts.items(), key=lambda part: (-part[1], part[0]))
    return "+".join(f"{name}:{weight / total:.3g}" for name, weight in kept)
