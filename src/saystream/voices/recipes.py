"""How an engine speaks a system voice: with one of its base voices, changed in speed, pitch and vocal tract.

The recipes of the voices of Qwen-TTS are in ``recipes.toml``; those of all others follow from them by ``rule.py``.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources

from saystream.catalog import Voice, load
from saystream.engines.base import EngineInfo
from saystream.voices.rule import draws, mixed_base, ratios

__all__ = ["Recipe", "quality", "recipe"]


_NATURAL_PITCH = (0.8, 1.25)
"""Shifted further than this, a voice is not a speaker of its kind: a woman lowered to a man, or raised to a child. The
widest shift of a recipe whose voice has the base's sex and age is 0.82 and 1.22 with Kokoro."""


_CHINESE_BASE = re.compile(r"\bz[fm]_")
"""Kokoro's Chinese voices."""

_MOST_PARTS = 3


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
    """By name of the voice."""
    lent: Mapping[str, Mapping[str, tuple[str, float]]]
    """By language and sex: a voice of that language, and its share in the mix."""


def recipe(voice: Voice, engine: EngineInfo, language: str = "") -> Recipe:
    """How ``engine`` speaks a voice of the catalogue, in ``language`` (ISO 639-1) if that makes a difference.

    An engine without recipes uses its own voice of that name, else its first voice, unchanged: we do not know how the
    voices of other people's engines sound.
    """
    written = _written(voice, engine)
    if written is None:
        return Recipe(voice.name if voice.name in engine.voices else engine.voices[0])
    lent = _cookbooks()[engine.name].lent.get(language, {})
    as_whom = "female" if voice.age == "child" else voice.sex
    return replace(written, base=_mixed(written.base, *lent[as_whom])) if as_whom in lent else written


def _written(voice: Voice, engine: EngineInfo) -> Recipe | None:
    """Its recipe, written or by rule; ``None`` if the engine has none at all."""
    cookbook = _cookbooks().get(engine.name)
    if cookbook is None:
        return None
    return cookbook.voices.get(voice.name) or _by_rule(voice, engine.name)


@functools.cache
def _by_rule(voice: Voice, engine: str) -> Recipe:
    written = _cookbooks()[engine].voices
    drawn = draws(voice)
    parents = _like(voice, written)
    one = parents.pop(int(next(drawn) * len(parents)))
    other = parents[int(next(drawn) * len(parents))]
    share = 0.25 + 0.5 * next(drawn)
    first, second = written[one], written[other]
    if ":" not in "".join(recipe.base for recipe in written.values()):  # it cannot mix its voices
        second, share = first, 0.0
    made = ratios(voice, first, second, share, drawn)
    return Recipe(_between(first.base, second.base, share), **made)


def _like(voice: Voice, written: Mapping[str, Recipe]) -> list[str]:
    """The voices of Qwen-TTS that are like ``voice`` in sex and age: at least two. For a Chinese one, those with a
    Chinese voice in them, where the engine has such."""
    known = [other for other in load().system_voices if other.name in written]
    alike = [other for other in known if (other.age == "child") == (voice.age == "child")]
    if voice.age != "child":
        alike = [other for other in alike if other.sex == voice.sex]
    same_age = [other for other in alike if (other.age == "old") == (voice.age == "old")]
    alike = same_age if len(same_age) > 1 else alike
    chinese = [other for other in alike if _CHINESE_BASE.search(written[other.name].base)]
    suited = chinese if not voice.language and len(chinese) > 1 else alike
    return [other.name for other in suited]


def _between(one: str, other: str, share: float) -> str:
    """A mix of two bases, with ``share`` of the second; of the heaviest voices in them, as many as an engine mixes
    with one more that is lent."""
    if one == other or not share:
        return one
    parts: dict[str, float] = {}
    for base, weight in ((one, 1 - share), (other, share)):
        for name, of_base in _parts(base).items():
            parts[name] = parts.get(name, 0.0) + weight * of_base
    heaviest = sorted(parts, key=lambda name: -parts[name])[:_MOST_PARTS]
    return mixed_base({name: parts[name] for name in heaviest})


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
    if made is None:
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
