"""Instructions for an engine that follows none: what they ask for, as ratios of a request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saystream.engines.base import SynthesisRequest
    from saystream.text.description import Age, Description

__all__ = ["instructed", "manner_of", "pauses_of"]

# What one level does. A listener hears each clearly, and three of them are still the speech of a person.
_SPEED, _PITCH, _FORMANT, _INTONATION, _PAUSES = 1.10, 1.055, 1.025, 1.28, 1.4
_LOUDNESS_DB = 2.0

_AGES: dict[Age, tuple[float, float, float]] = {
    "child": (0.0, 3.0, 3.0),
    "teenager": (0.3, 1.0, 1.0),
    "old": (-1.2, -0.8, -0.5),
}
"""Levels of speed, pitch and size: "like a child" changes an adult's voice."""


def instructed(request: SynthesisRequest, wanted: Description) -> SynthesisRequest:
    """``request`` spoken as ``wanted`` says. Its voice stays the same person, so a sex has no effect; nor has a
    dialect, which only an engine that has learnt it can speak."""
    intonation, loudness_db, pauses = manner_of(wanted)
    speed, pitch, size = _AGES.get(wanted.age, (0.0, 0.0, 0.0))
    return replace(
        request,
        speed=request.speed * _SPEED ** _bounded(speed + wanted.speed),
        pitch=request.pitch * _PITCH ** _bounded(pitch + wanted.pitch),
        formant=request.formant * _FORMANT ** _bounded(size + wanted.size),
        intonation=request.intonation * intonation,
        loudness_db=request.loudness_db + loudness_db,
        pauses=request.pauses * pauses,
    )


def manner_of(wanted: Description) -> tuple[float, float, float]:
    """Intonation, loudness in dB and pauses, as in ``SynthesisRequest``."""
    return _INTONATION**wanted.range, _LOUDNESS_DB * wanted.loudness, _PAUSES**wanted.pauses


def pauses_of(wanted: Description) -> float:
    """The length of pauses between two texts, relative to the usual one."""
    return float(_PAUSES**wanted.pauses)


def _bounded(level: float) -> float:
    return max(-4.0, min(4.0, level))
