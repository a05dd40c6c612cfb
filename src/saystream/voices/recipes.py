"""How an engine speaks a system voice: with one of its base voices, changed in speed, pitch and vocal tract.

The recipes, and where one of them is less than its engine, are in ``recipes.toml``.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from saystream import catalog
from saystream.engines.base import EngineInfo

__all__ = ["Recipe", "is_made_for", "language_quality", "quality", "recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to ask of an engine for one voice. The ratios are those of ``SynthesisRequest``."""

    base: str
    """One of the engine's own voices."""
    speed: float = 1.0
    pitch: float = 1.0
    formant: float = 1.0


def recipe(voice: str, engine: EngineInfo, language: str = "") -> Recipe:
    """How ``engine`` speaks the system voice ``voice``, in ``language`` (ISO 639-1) where that makes a difference.

    An engine without a recipe for it uses its own voice of that name, else its first voice, unchanged: how
    the voices of a stranger's engine sound is not known here. Raises InvalidValue for an unknown voice.
    """
    entry = catalog.load().voice(voice)
    written = _written().get(engine.name, {}).get(entry.name)
    if written is None:
        return Recipe(entry.name if entry.name in engine.voices else engine.voices[0])
    lent = _tables()["lent"].get(engine.name, {}).get(language, {})
    as_whom = "female" if entry.age == "child" else entry.sex
    return replace(written, base=_mixed(written.base, *lent[as_whom])) if as_whom in lent else written


def _mixed(base: str, lender: str, share: float) -> str:
    """A mix, whose own voices keep their proportions, with ``share`` of ``lender``."""
    parts = [part.partition(":") for part in base.split("+")]
    weights = {name: float(weight or 1) for name, _, weight in parts}
    kept = (1 - share) / sum(weights.values())
    mix = {name: weight * kept for name, weight in weights.items() if name != lender} | {lender: share}
    return "+".join(f"{name}:{weight:.3g}" for name, weight in mix.items())


def quality(voice: str, language: str, engine: EngineInfo) -> str:
    """How good ``engine`` is for ``voice`` in ``language`` (ISO 639-1): ``native``, ``approximate`` or ``robotic``.

    Never better than the engine itself. A voice with a dialect is approximate in Chinese, unless the engine has that
    very speaker: every other speaks it as Mandarin. Raises InvalidValue for an unknown voice.
    """
    entry = catalog.load().voice(voice)
    if (of_language := language_quality(engine, language)) != "native":
        return of_language
    own = _tables()["native"].get(engine.name)
    if own is not None:
        return "native" if entry.name in own else "approximate"
    return "approximate" if language == "zh" and entry.dialect is not None else "native"


def language_quality(engine: EngineInfo, language: str) -> str:
    """The most that any voice of ``engine`` can be in ``language`` (ISO 639-1)."""
    return engine.quality if is_made_for(engine.name, language) else "approximate"


def is_made_for(engine: str, language: str) -> bool:
    """False where the engine of that name speaks ``language`` (ISO 639-1) without having learnt it."""
    return language not in _tables()["approximate"].get(engine, ())


@functools.cache
def _written() -> dict[str, dict[str, Recipe]]:
    return {
        engine: {voice: Recipe(*values) for voice, values in voices.items()}
        for engine, voices in _tables().items()
        if engine not in ("approximate", "lent", "native")
    }


@functools.cache
def _tables() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("recipes.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
