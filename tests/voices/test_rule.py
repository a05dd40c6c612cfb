"""Recipes by rule: every voice of the task models sounds like its sex and age, and like itself alone."""

from __future__ import annotations

import math
import re
from itertools import combinations

import pytest

from saystream.catalog import Voice, load
from saystream.engines.base import EngineInfo
from saystream.engines.kokoro.voices import MAX_PARTS, parse_voice
from saystream.voices.recipes import Recipe, quality, recipe

from .test_recipes import ENGINES, JUST_NOTICEABLE, KOKORO_VOICES, frequency

CATALOG = load()
WITH_RECIPES = (*ENGINES, "qwen3")
FAMILIES = ("cosyvoice-v3-flash", "cosyvoice-v2", "cosyvoice-v1", "sambert-")
TASK_VOICES = [voice for voice in CATALOG.all_voices if voice not in CATALOG.system_voices]

LEAST_DISTANCE = 0.45
"""In just noticeable differences, of the two most alike of a family."""


def of_family(family: str) -> list[Voice]:
    return [voice for voice in TASK_VOICES if any(model.startswith(family) for model in voice.models)]


def engine(name: str) -> EngineInfo:
    return EngineInfo(name=name, sample_rate=8000, languages={"*": "native"}, voices=("first", "second"))


def shares(base: str) -> dict[str, float]:
    parts = [part.partition(":") for part in base.split("+")]
    total = sum(float(weight or 1) for _, _, weight in parts)
    return {name: float(weight or 1) / total for name, _, weight in parts}


def distance(one: Recipe, other: Recipe) -> float:
    ratios = [
        math.log(getattr(one, ratio) / getattr(other, ratio)) / least
        for ratio, least in JUST_NOTICEABLE.items()
    ]
    mine, yours = shares(one.base), shares(other.base)
    bases = sum(abs(mine.get(name, 0) - yours.get(name, 0)) for name in {*mine, *yours})
    return math.hypot(*ratios, 2 * bases)


def person(voice: Voice) -> str:
    return re.sub(r"_v[\d.]+$", "", voice.name)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", WITH_RECIPES)
def test_no_two_people_of_a_family_are_alike(name: str, family: str) -> None:
    made = {voice: recipe(voice, engine(name)) for voice in of_family(family)}
    near = [
        (one.name, other.name)
        for one, other in combinations(made, 2)
        if person(one) != person(other) and distance(made[one], made[other]) < LEAST_DISTANCE
    ]
    assert len(made) >= 20
    assert near == []


@pytest.mark.parametrize("name", WITH_RECIPES)
def test_the_same_person_sounds_the_same_in_every_version(name: str) -> None:
    first, second, third = (
        recipe(CATALOG.voice(voice), engine(name))
        for voice in ("longxiaoxia", "longxiaoxia_v2", "longxiaoxia_v3")
    )
    assert first.base == second.base == third.base
    assert first.pitch == second.pitch == third.pitch


@pytest.mark.parametrize("name", ENGINES)
def test_men_are_below_women_and_women_below_children(name: str) -> None:
    heard: dict[str, list[float]] = {"child": [], "female": [], "male": []}
    for voice in TASK_VOICES:
        made = recipe(voice, engine(name))
        kind = "child" if voice.age == "child" else voice.sex
        heard[kind].append(pitch_of(name, made))
    middle = {kind: sorted(pitches)[len(pitches) // 2] for kind, pitches in heard.items()}
    assert middle["male"] * 1.2 < middle["female"] < middle["child"]
    assert max(heard["male"]) < middle["female"]
    assert min(heard["child"]) > middle["male"]


def pitch_of(name: str, made: Recipe) -> float:
    if name != "kokoro":
        return frequency(name, made)
    return (
        math.exp(sum(share * math.log(BASE_HZ[part]) for part, share in shares(made.base).items()))
        * made.pitch
    )


BASE_HZ = {
    voice: {"f": 215.0, "m": 125.0}[voice[1]]
    * {"zf_xiaoyi": 1.4, "zm_yunxia": 2.3, "jf_alpha": 1.26}.get(voice, 1.0)
    for voice in KOKORO_VOICES
}
"""About; a Chinese girl and boy and a Japanese woman are higher than others."""


def test_kokoro_takes_every_mix_also_with_one_voice_lent() -> None:
    for voice in TASK_VOICES:
        for language in ("", "ja", "fr"):
            mix = parse_voice(recipe(voice, engine("kokoro"), language).base, KOKORO_VOICES)
            assert len(mix) <= MAX_PARTS
    chinese = [voice for voice in TASK_VOICES if not voice.language]
    assert all("z" in {part[0] for part in shares(recipe(voice, engine("kokoro")).base)} for voice in chinese)


def test_recipes_by_rule_stay_as_they_are() -> None:
    """Whoever has chosen a voice wants to hear it again."""
    known = {
        "longanyang": Recipe("am_adam:0.417+hm_psi:0.292+zm_yunyang:0.292", 0.973, 0.933, 0.946),
        "longxiaochun_v2": Recipe("af_heart:0.395+zf_xiaoyi:0.395+zf_xiaoxiao:0.211", 0.935, 0.956, 0.994),
        "sambert-zhichu-v1": Recipe("zm_yunjian:0.497+am_fenrir:0.331+zm_yunyang:0.171", 1.322, 1.143, 1.028),
    }
    for name, written in known.items():
        assert recipe(CATALOG.voice(name), engine("kokoro")) == written


def test_a_voice_by_rule_is_native_if_it_is_not_shifted_far() -> None:
    info = engine("hibari")
    assert quality(CATALOG.voice("longxiaochun_v2"), "zh", info) == "native"
    assert quality(CATALOG.voice("longanyue_v3"), "zh", info) == "approximate"
    assert quality(CATALOG.voice("longanyue_v3"), "en", engine("stranger")) == "approximate"
