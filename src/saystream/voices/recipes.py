"""How an engine speaks a system voice: with one of its base voices, changed in speed, pitch and vocal tract.

The recipes of the voices of Qwen-TTS are in ``recipes.toml``; those of all others follow from ``rule.py``, and are in
``by_rule.json``.
"""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources

from saystream.catalog import Voice
from saystream.engines.base import EngineInfo

__all__ = ["Recipe", "quality", "recipe"]


_NATURAL_PITCH = (0.8, 1.25)
"""Shifted further than this, a voice is not a speaker of its kind: a woman lowered to a man, or raised to a child. The
widest shift of a recipe whose voice has the base's sex and age is 0.82 and 1.22 with Kokoro."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to ask of an engine for one voice. The ratios are those of ``SynthesisRequest``."""

    base: str
    """One of the engine's own voices."""
    speed: float = 1.0
    pitch: float = 1.0
    formant: float = 1.0
    intonation: float = 1.0
    loudness_db: float = 0.0
    pauses: float = 1.0


@dataclass(frozen=True, slots=True)
class _Cookbook:
    """All recipes of one engine."""

    voices: Mapping[str, Recipe]
    """By name of the voice."""
    lent: Mapping[str, Mapping[str, tuple[str, float]]]
    """By language and sex: a voice of that language, and its share in the mix."""


def recipe(voice: Voice, engine: EngineInfo, language: str = "") -> Recipe:
    """How ``engine`` speaks a voice of the catalogue, in ``language`` (ISO 639-1) if that makes a difference.

    An engine that we do not know uses its own voice of that name. Else it speaks voices of Qwen-TTS with its first
    voice, unchanged, because we do not know how its voices sound; other families have so many voices that they are
    told apart by changes all the same.
    """
    written = _written(voice, engine)
    if written is None:
        return Recipe(engine.voices[0])
    if voice.language.partition("-")[0] == (language or None) or engine.name not in _cookbooks():
        return written
    lent = _cookbooks()[engine.name].lent.get(language, {})
    as_whom = "female" if voice.age == "child" else voice.sex
    return replace(written, base=_mixed(written.base, *lent[as_whom])) if as_whom in lent else written


def _written(voice: Voice, engine: EngineInfo) -> Recipe | None:
    """Its recipe, written or by rule; ``None`` for a voice of Qwen-TTS with an engine that we do not know."""
    cookbook = _cookbooks().get(engine.name)
    if cookbook is not None and voice.name in cookbook.voices:
        return cookbook.voices[voice.name]
    if voice.name in engine.voices:
        return Recipe(voice.name)
    if cookbook is not None:
        return _by_rule()[engine.name][voice.name] if voice.family != "qwen" else None
    made = _by_rule()[""].get(voice.name)
    return made and replace(made, base=engine.voices[0])


@functools.cache
def _by_rule() -> dict[str, dict[str, Recipe]]:
    """By engine and voice; "" is any engine that we do not know."""
    text = resources.files(__package__).joinpath("by_rule.json").read_text(encoding="utf-8")
    return {
        engine: {voice: Recipe(*values) for voice, values in voices.items()}
        for engine, voices in json.loads(text).items()
    }


def _parts(base: str) -> dict[str, float]:
    """The voices of a mix and their shares."""
    written = [part.partition(":") for part in base.split("+")]
    weights = {name: float(weight or 1) for name, _, weight in written}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def _mixed(base: str, lender: str, share: float) -> str:
    """A mix whose own voices keep their proportions, with ``share`` of ``lender``."""
    kept = {name: of_base * (1 - share) for name, of_base in _parts(base).items() if name != lender}
    mix = kept | {lender: share}
    return "+".join(f"{name}:{weight:.3g}" for name, weight in mix.items())


def quality(voice: Voice, language: str, engine: EngineInfo) -> str | None:
    """How good ``engine`` is for a system voice in ``language`` (ISO 639-1), as in ``EngineInfo.languages``.

    Never better than the engine itself. A voice is approximate in Chinese if it has a dialect, which any other speaker
    speaks as Mandarin, and in every language if the engine has nobody who sounds like that: if one of its voices would
    have to be shifted far, or if it speaks for all names with one voice. An engine with speakers of system voices is
    native with these only. ``None`` if the engine does not speak the language.
    """
    if (at_best := engine.quality(language)) != "native":
        return at_best
    if engine.native_voices:
        return "native" if voice.name in engine.native_voices else "approximate"
    has_dialect = language == "zh" and voice.dialect is not None
    return "approximate" if has_dialect or not _has_somebody_like(voice, engine) else "native"


def _has_somebody_like(voice: Voice, engine: EngineInfo) -> bool:
    made = _written(voice, engine)
    if made is None or engine.name not in _cookbooks():
        return voice.name in engine.voices
    lowest, highest = _NATURAL_PITCH
    return lowest <= made.pitch <= highest


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
