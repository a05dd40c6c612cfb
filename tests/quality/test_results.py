"""The figures in ``benchmarks/results/quality.json`` are those of the recipes in force, and reach what was promised."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import pytest

from foreign import REPOSITORY
from saystream.catalog import load
from saystream.engines.base import EngineInfo
from saystream.quality import load_corpus
from saystream.voices.recipes import Recipe, recipe

RESULTS: dict[str, Any] = json.loads(
    (REPOSITORY / "benchmarks" / "results" / "quality.json").read_text("utf-8")
)
VOICES = load().system_voices
KOKORO = EngineInfo(name="kokoro", sample_rate=24000, languages={"*": "native"}, voices=("af_heart",))


def pitches(*, sex: str = "", age: str = "") -> list[float]:
    """Of the grown voices of a sex, or of the children, in both languages that were measured."""
    rows = RESULTS["voices"]["rows"]
    chosen = [
        voice for voice in VOICES if (voice.age == age if age else voice.sex == sex and voice.age != "child")
    ]
    return list(
        chain.from_iterable(
            (rows[voice.name]["zh"]["pitch_hz"], rows[voice.name]["en"]["pitch_hz"]) for voice in chosen
        )
    )


@pytest.mark.parametrize("voice", [voice.name for voice in VOICES])
def test_a_voice_was_measured_with_the_recipe_that_it_has(voice: str) -> None:
    measured = Recipe(**RESULTS["voices"]["rows"][voice]["recipe"])

    assert measured == recipe(load().voice(voice), KOKORO), (
        "python benchmarks/quality.py --only voices --resume"
    )


def test_voices_are_as_far_apart_as_promised() -> None:
    likeness = RESULTS["voices"]["likeness"]

    assert likeness["voices"] == len(VOICES)
    assert likeness["mean_similarity"] < 0.80
    assert likeness["max_similarity"] <= 0.95


def test_men_are_below_women_and_women_below_children() -> None:
    assert max(pitches(sex="male")) < min(pitches(sex="female"))
    assert max(pitches(sex="female")) < min(pitches(age="child"))


def test_all_voices_are_about_as_loud_as_each_other() -> None:
    rows = RESULTS["voices"]["rows"].values()
    loudness = [row[language]["loudness_lufs"] for row in rows for language in ("zh", "en")]

    assert max(loudness) - min(loudness) <= 3


def test_chinese_and_english_sound_as_clean_as_promised() -> None:
    for language in ("zh", "en"):
        assert RESULTS["languages"][language]["wire"]["mos"] >= 3.2


@pytest.mark.parametrize("language", sorted(RESULTS["languages"]))
def test_a_language_was_measured_with_the_whole_corpus(language: str) -> None:
    assert RESULTS["languages"][language]["wire"]["sentences"] == len(load_corpus()[language])


@pytest.mark.parametrize("language", sorted(RESULTS["languages"]))
def test_the_wire_adds_no_more_than_two_points_of_errors(language: str) -> None:
    rows = RESULTS["languages"][language]

    assert rows["wire"]["error_percent"] <= rows["direct"]["error_percent"] + 2.0
