"""What ``src/saystream/voices/by_rule.json`` holds: ``scripts/docs`` writes it, ``test_rule.py`` compares it."""

from __future__ import annotations

import functools
import json
from itertools import groupby
from pathlib import Path

from saystream import voices
from saystream.catalog import Voice, load
from saystream.voices.rule import UNKNOWN, Made, bases_of, by_rule, person

PATH = Path(voices.__file__).parent / "by_rule.json"
ENGINES = ("hibari", "espeak", "qwen3", "kokoro", "piper", "supertonic", "")
"""Those with recipes; "" is any other."""


def families() -> dict[str, list[Voice]]:
    """The voices without written recipes, by family."""
    grouped = groupby(load().all_voices, key=lambda voice: voice.family)
    return {family: list(members) for family, members in grouped if family != "qwen"}


@functools.cache
def made(engine: str) -> dict[str, dict[str, Made]]:
    """By family and voice."""
    catalog = load()
    defaults = [model.default_voice for model in catalog.models]
    earlier: dict[str, Made] = {}
    result = {}
    for family, members in families().items():
        bases = bases_of(engine) or UNKNOWN
        result[family] = by_rule(members, bases, unchanged=defaults, earlier=earlier)
        earlier = {person(voice): result[family][voice.name] for voice in members} | earlier
    return result


def written() -> str:
    """One line for each voice and engine."""
    blocks = [f"  {json.dumps(engine)}: {{\n{_lines(engine)}\n  }}" for engine in ENGINES]
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def _lines(engine: str) -> str:
    recipes = [pair for family in made(engine).values() for pair in family.items()]
    return ",\n".join(
        f"    {json.dumps(name)}: {json.dumps([one.base.name, one.speed, one.pitch, one.formant])}"
        for name, one in recipes
    )
