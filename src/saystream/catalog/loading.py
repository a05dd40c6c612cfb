"""Reads the catalogue: ``models.toml`` and the files of ``voices/``."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from saystream.catalog.catalog import Catalog
from saystream.catalog.entries import Door, Model, Voice
from saystream.languages import LANGUAGE_CODES

__all__ = ["load"]

_FAMILIES = ("qwen", "cosyvoice-v3", "cosyvoice-v2", "cosyvoice-v1", "qwen-audio", "sambert")
"""The files of ``voices/``, as voices are listed."""

_SAMPLE_RATE = 24000
"""Hz, at the doors of Qwen-TTS."""


@functools.cache
def load() -> Catalog:
    """The catalogue that is shipped, read once."""
    written = _read("models.toml")
    models = [
        _model(name, door, written, entry)
        for door, entries in written["models"].items()
        for name, entry in entries.items()
    ]
    voices = [
        _voice(name, family, models, entry)
        for family in _FAMILIES
        for name, entry in _read(f"voices/{family}.toml").items()
    ]
    return Catalog(models, voices, written["elsewhere"])


def _read(file: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath(file).read_text(encoding="utf-8"))


def _model(name: str, door: Door, written: Mapping[str, Any], entry: Mapping[str, Any]) -> Model:
    family = written["families"][entry["family"]]
    facts = {**written["doors"][door], **family, **family.get(door, {}), **entry}
    limit = facts.get("text_limit", {})
    is_voice = facts.get("task") == "out"
    return Model(
        name=name,
        door=door,
        path=facts["path"],
        family=facts["family"],
        summary=facts["summary"],
        stands_for=facts.get("stands_for"),
        voice_kind=facts["voice_kind"],
        voice_set=name if is_voice else facts.get("voice_set"),
        default_voice=name if is_voice else facts.get("default_voice", ""),
        languages=tuple(facts.get("languages", LANGUAGE_CODES)),
        response_formats=tuple(facts["response_formats"]),
        sample_rates=tuple(facts["sample_rates"]),
        parameters=(*facts["audio_parameters"], *facts.get("style_parameters", ())),
        usage=facts["usage"],
        max_characters=limit.get("characters"),
        max_tokens=limit.get("tokens"),
        checkpoints=tuple(facts.get("checkpoints", ())),
        default_format=facts.get("default_format", facts["response_formats"][0]),
        default_sample_rate=facts.get("default_sample_rate", _SAMPLE_RATE),
        features=frozenset(facts.get("features", ())),
        task=facts.get("task"),
        http_path=facts["http_path"] if "http" in facts.get("features", ()) else "",
    )


def _voice(name: str, family: str, models: Iterable[Model], entry: Mapping[str, Any]) -> Voice:
    sets = entry.get("in", name).split()
    return Voice(
        name=name,
        chinese_name=entry["chinese"],
        sex=entry["sex"],
        age=entry["age"],
        character=entry["character"],
        dialect=entry.get("dialect"),
        languages=_languages(family, entry),
        models=tuple(model.name for model in models if model.voice_set in sets),
        family=family,
        language=entry.get("language", ""),
        instructions=entry.get("instructions", False),
    )


def _languages(family: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Words of ``language_type``: all of them for Qwen-TTS, else those that are written, or its own and English."""
    if family == "qwen":
        return tuple(LANGUAGE_CODES)
    own = entry.get("language", "zh").partition("-")[0]
    spoken = entry.get("speaks", f"{own} en").split()
    return tuple(name for name, code in LANGUAGE_CODES.items() if code in spoken)
