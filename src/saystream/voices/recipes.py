"""How an engine speaks a system voice: with one of its base voices, changed in speed, pitch and vocal tract.

The recipes are in ``recipes.toml``.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources

from saystream.catalog import Voice
from saystream.engines.base import EngineInfo

__all__ = ["Recipe", "quality", "recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to ask of an engine for one voice. The ratios are those of ``SynthesisRequest``."""

    base: str
    """One of the engine's own voices."""
    speed: float = 1.0
    pitch: float = 1.0
    formant: float = 1.0


@dataclass(frozen=True, slots=True)
class _Cookbook:
    """All recipes of one engine."""

    voices: Mapping[str, Recipe]
    """By name of the system voice."""
    lent: Mapping[str, Mapping[str, tuple[str, float]]]
    """By language and sex: a voice of that language, and its share in the mix."""


def recipe(voice: Voice, engine: EngineInfo, language: str = "") -> Recipe:
    """How ``engine`` speaks a system voice, in ``language`` (ISO 639-1) if that makes a difference.

    An engine without a recipe for it uses its own voice of that name, else its first voice, unchanged: we do not know
    how the voices of other people's engines sound.
    """
    cookbook = _cookbooks().get(engine.name)
    if cookbook is None or voice.name not in cookbook.voices:
        return Recipe(voice.name if voice.name in engine.voices else engine.voices[0])
    written, lent = cookbook.voices[voice.name], cookbook.lent.get(language, {})
    as_whom = "female" if voice.age == "child" else voice.sex
    return replace(written, base=_mixed(written.base, *lent[as_whom])) if as_whom in lent else written


def _mixed(base: str, lender: str, share: float) -> str:
    """A mix whose own voices keep their proportions, with ``share`` of ``lender``."""
    parts = [part.partition(":") for part in base.split("+")]
    weights = {name: float(weight or 1) for name, _, weight in parts}
    kept = (1 - share) / sum(weights.values())
    mix = {name: weight * kept for name, weight in weights.items() if name != lender} | {lender: share}
    return "+".join(f"{name}:{weight:.3g}" for name, weight in mix.items())


def quality(voice: Voice, language: str, engine: EngineInfo) -> str | None:
    """How good ``engine`` is for a system voice in ``language`` (ISO 639-1), as in ``EngineInfo.languages``.

    Never better than the engine itself. A voice with a dialect is approximate in Chinese unless the engine has that
    very speaker: any other speaks it as Mandarin. ``None`` if the engine does not speak the language.
    """
    if (at_best := engine.quality(language)) != "native":
        return at_best
    if engine.native_voices:
        return "native" if voice.name in engine.native_voices else "approximate"
    return "approximate" if language == "zh" and voice.dialect is not None else "native"


@functools.cache
def _cookbooks() -> dict[str, _Cookbook]:
    """By engine."""
    text = resources.files(__package__).joinpath("recipes.toml").read_text(encoding="utf-8")
    return {
        engine: _Cookbook(
            {voice: Recipe(*values) for voice, values in tables["voices"].items()}, tables.get("lent", {})
        )
        for engine, tables in tomllib.loads(text).items()
    }
