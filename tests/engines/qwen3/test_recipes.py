"""How the speakers of CustomVoice speak the system voices."""

from __future__ import annotations

from itertools import combinations

from saystream.catalog import load
from saystream.engines.base import EngineInfo
from saystream.engines.qwen3.engine import Qwen3Engine
from saystream.voices.recipes import Recipe, quality, recipe
from voices.test_recipes import LEAST_DISTANCE, distance

from .random_shapes import DIALECTS, SPEAKERS

VOICES = load().system_voices
ENGINE = EngineInfo(
    name="qwen3",
    sample_rate=24_000,
    languages={"zh": "native", "en": "native"},
    voices=tuple(SPEAKERS),
    native_voices=Qwen3Engine.native_voices,
)
MADE = {voice.name: recipe(voice, ENGINE) for voice in VOICES}


def own_speaker(voice: str) -> str | None:
    """The speaker that bears the name of a voice."""
    name = voice.lower().replace(" ", "_")
    return name if name in SPEAKERS else None


def test_a_voice_whose_name_a_speaker_bears_is_that_speaker_unchanged() -> None:
    named = [voice for voice in MADE if own_speaker(voice)]
    assert len(named) == 8
    assert {voice: MADE[voice] for voice in named} == {
        voice: Recipe(own_speaker(voice) or "") for voice in named
    }


def test_exactly_those_voices_are_native_in_every_language() -> None:
    for language in ("zh", "en"):
        native = {voice.name for voice in VOICES if quality(voice, language, ENGINE) == "native"}
        assert native == {voice for voice in MADE if own_speaker(voice)}


def test_every_recipe_starts_from_a_speaker_that_is_released() -> None:
    assert {made.base for made in MADE.values()} == set(SPEAKERS)


def test_a_speaker_with_a_dialect_speaks_no_voice_but_its_own() -> None:
    assert [voice for voice, made in MADE.items() if made.base in DIALECTS] == ["Dylan", "Eric"]


def test_men_are_spoken_by_men_and_everyone_else_by_women() -> None:
    women = {"serena", "vivian", "ono_anna", "sohee"}
    for voice in VOICES:
        is_man = voice.sex == "male" and voice.age != "child"
        assert (MADE[voice.name].base not in women) == is_man, voice.name


def test_no_two_voices_are_alike() -> None:
    assert [
        (one, other)
        for one, other in combinations(MADE, 2)
        if distance(MADE[one], MADE[other]) < LEAST_DISTANCE
    ] == []


def test_changes_are_small_enough_to_stay_clear() -> None:
    for voice, made in MADE.items():
        assert 0.8 <= made.speed <= 1.25, voice
        assert 0.8 <= made.pitch <= 1.2, voice
        assert 0.9 <= made.formant <= 1.15, voice
