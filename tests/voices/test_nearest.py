from __future__ import annotations

import pytest

from saystream.engines.base import EngineInfo
from saystream.voices.measures import Measures
from saystream.voices.nearest import nearest
from saystream.voices.recipes import Recipe
from saystream.voices.rule import bases_of


def speaker(hertz: float, syllables_per_s: float = 4.3) -> Measures:
    return Measures(hertz, 6.0, syllables_per_s, -6.0)


def engine(name: str, *voices: str) -> EngineInfo:
    known = voices or tuple(dict.fromkeys(base.name for base in bases_of(name) if "+" not in base.name))
    return EngineInfo(name=name, sample_rate=24000, languages={"en": "native"}, voices=known)


def base_of(recipe: Recipe, name: str) -> tuple[str, float]:
    base = next(each for each in bases_of(name) if each.name == recipe.base)
    return base.kind, base.hz * recipe.pitch


@pytest.mark.parametrize("name", ["kokoro", "espeak", "piper", "supertonic", "qwen3"])
@pytest.mark.parametrize(("hertz", "kind"), [(95, "male"), (130, "male"), (180, "female"), (230, "female")])
def test_sex_and_pitch_are_the_speakers(name: str, hertz: float, kind: str) -> None:
    recipe = nearest(speaker(hertz), engine(name))
    assert base_of(recipe, name)[0] == kind
    assert base_of(recipe, name)[1] == pytest.approx(hertz, rel=0.01)


def test_a_child_is_spoken_by_a_child_or_else_by_a_smaller_woman() -> None:
    child = nearest(speaker(310), engine("kokoro"))
    assert base_of(child, "kokoro")[0] == "child"
    assert base_of(child, "kokoro")[1] == pytest.approx(310, rel=0.01)
    recipe = nearest(speaker(310), engine("piper"))
    assert (recipe.base, recipe.pitch, recipe.formant) == ("female", 1.55, 1.108)


def test_an_engine_with_one_woman_speaks_a_man_lower_and_larger() -> None:
    assert nearest(speaker(110), engine("hibari")) == Recipe("heart", 1.0, 0.55, 0.854)


def test_the_voice_is_one_that_may_speak_the_language() -> None:
    recipe = nearest(speaker(200), engine("kokoro"), "zh")
    assert "zf_" in recipe.base
    assert nearest(speaker(200), engine("kokoro"), "en").base == "af_heart"
    assert nearest(speaker(200), engine("kokoro"), "sw") == nearest(speaker(200), engine("kokoro"))


def test_only_voices_that_the_engine_has_are_taken() -> None:
    assert nearest(speaker(230), engine("kokoro", "bf_emma", "am_adam")).base == "bf_emma"


@pytest.mark.parametrize(("syllables_per_s", "speed"), [(0, 1.0), (2.0, 0.85), (5.2, 1.1), (9.0, 1.2)])
def test_a_fast_speaker_is_spoken_fast_within_limits(syllables_per_s: float, speed: float) -> None:
    assert nearest(speaker(200, syllables_per_s), engine("hibari")).speed == pytest.approx(speed, abs=0.01)


def test_an_engine_that_nobody_knows_speaks_with_its_first_voice() -> None:
    assert nearest(speaker(110), engine("stranger", "one", "two")) == Recipe("one")
