"""Recipes by rule: every voice of the task models sounds like its sex and age, and like itself alone."""

from __future__ import annotations

from itertools import combinations

import pytest

import rule_file
from saystream.catalog import Voice, load
from saystream.engines.base import EngineInfo
from saystream.engines.kokoro.voices import MAX_PARTS, parse_voice
from saystream.languages import LANGUAGE_CODES
from saystream.voices.recipes import Recipe, quality, recipe
from saystream.voices.rule import LEAST_DISTANCE, UNKNOWN, Base, Made, bases_of, by_rule, distance, person

from .test_recipes import KOKORO_VOICES

CATALOG = load()
FAMILIES = rule_file.families()
TASK_VOICES = [voice for members in FAMILIES.values() for voice in members]
KNOWN = tuple(engine for engine in rule_file.ENGINES if engine)
OF_NO_ENGINE = CATALOG.voice("sambert-zhinan-v1")


def engine(name: str, voices: tuple[str, ...] = ("first", "second")) -> EngineInfo:
    return EngineInfo(name=name or "stranger", sample_rate=8000, languages={"*": "native"}, voices=voices)


def as_made(name: str, voice: Voice) -> Made:
    """What ``recipe`` says, with what the rule knows of its base."""
    told = recipe(voice, engine(name))
    bases = {base.name: base for base in bases_of(name)}
    return Made(bases.get(told.base, Base(told.base, "", 1.0)), told.speed, told.pitch, told.formant)


def hertz(name: str, voice: Voice) -> float:
    """Fundamental frequency; with an engine that we do not know, relative to its voice."""
    made = as_made(name, voice)
    return made.base.hz * made.pitch


def grown(sex: str) -> list[Voice]:
    return [voice for voice in TASK_VOICES if voice.sex == sex and voice.age != "child"]


def test_the_file_of_recipes_is_up_to_date() -> None:
    assert rule_file.PATH.read_text("utf-8") == rule_file.written(), "run scripts/docs"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", rule_file.ENGINES)
def test_no_two_voices_of_a_family_are_alike(name: str, family: str) -> None:
    made = {voice.name: as_made(name, voice) for voice in FAMILIES[family]}
    near = [
        (one, other)
        for one, other in combinations(made, 2)
        if distance(made[one], made[other]) < LEAST_DISTANCE
    ]
    assert len(made) >= 20
    assert near == []


@pytest.mark.parametrize("name", rule_file.ENGINES)
def test_men_are_below_women_and_women_below_children(name: str) -> None:
    # The first voice of a family is the engine's own, whoever that is.
    changed = [
        voice for voice in TASK_VOICES if as_made(name, voice) != as_made("", CATALOG.voice("longanyang"))
    ]
    men, women, children = (
        [hertz(name, voice) for voice in voices if voice in changed]
        for voices in (
            grown("male"),
            grown("female"),
            [voice for voice in TASK_VOICES if voice.age == "child"],
        )
    )
    assert max(men) < min(women)
    assert max(women) < min(children)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("sex", ["female", "male"])
def test_the_old_are_slower_and_lower_than_others_of_their_sex(name: str, sex: str) -> None:
    old = [voice for voice in grown(sex) if voice.age == "old"]
    others = [voice for voice in grown(sex) if voice.age != "old"]

    def mean(numbers: list[float]) -> float:
        return sum(numbers) / len(numbers)

    assert max(as_made(name, voice).speed for voice in old) < mean(
        [as_made(name, voice).speed for voice in others]
    )
    assert max(hertz(name, voice) for voice in old) < mean([hertz(name, voice) for voice in others])


@pytest.mark.parametrize("name", rule_file.ENGINES)
def test_lively_voices_are_faster_than_calm_ones(name: str) -> None:
    for lively, calm in (("longanhuan", "longyingtao_v3"), ("longfei_v3", "longanwen_v3")):
        assert as_made(name, CATALOG.voice(lively)).speed > as_made(name, CATALOG.voice(calm)).speed


@pytest.mark.parametrize("name", rule_file.ENGINES)
def test_every_recipe_is_within_what_effects_can_do_well(name: str) -> None:
    for voice in TASK_VOICES:
        made = recipe(voice, engine(name))
        assert 0.8 <= made.speed <= 1.3, voice.name
        assert 0.5 <= made.pitch <= 1.6, voice.name
        assert 0.8 <= made.formant <= 1.2, voice.name


@pytest.mark.parametrize("name", rule_file.ENGINES)
def test_most_versions_of_a_voice_sound_the_same(name: str) -> None:
    people: dict[str, list[Recipe]] = {}
    for voice in TASK_VOICES:
        people.setdefault(person(voice), []).append(recipe(voice, engine(name)))
    several = [made for made in people.values() if len(made) > 1]
    same = [made for made in several if len(set(made)) == 1]
    assert len(several) > 60 and len(same) > 0.7 * len(several)


def test_a_voice_for_a_language_begins_with_a_voice_of_it_where_kokoro_has_one() -> None:
    first_letters = {"ja": "j", "ko": "j", "en-GB": "b", "en-US": "a", "es": "e", "it": "i", "": "z"}
    for voice in TASK_VOICES:
        if (letter := first_letters.get(voice.language)) and voice.age != "child":
            base = recipe(voice, engine("kokoro")).base
            assert base.startswith(letter), (voice.name, base)
            assert {part.partition("_")[0][1] for part in base.split("+")} == {voice.sex[0]}


def test_a_voice_speaks_its_own_language_without_a_loan() -> None:
    riko = CATALOG.voice("loongriko_v3")
    assert recipe(riko, engine("kokoro"), "ja") == recipe(riko, engine("kokoro"))
    assert "pf_dora" in recipe(riko, engine("kokoro"), "pt").base


def test_kokoro_takes_every_mix_also_with_one_voice_lent() -> None:
    for voice in TASK_VOICES:
        for language in ("", *LANGUAGE_CODES.values()):
            mix = parse_voice(recipe(voice, engine("kokoro"), language).base, KOKORO_VOICES)
            assert len(mix) <= MAX_PARTS


def test_the_nearest_of_qwen3s_nine_speakers_are_of_the_sex_of_the_voice() -> None:
    men = {"uncle_fu", "ryan", "aiden", "eric"}
    for voice in TASK_VOICES:
        base = recipe(voice, engine("qwen3")).base
        assert (base in men) == (voice.sex == "male" and voice.age != "child"), voice.name
    assert recipe(CATALOG.voice("longchuanshu_v3.6"), engine("qwen3")).base == "eric"
    assert recipe(CATALOG.voice("loongriko_v3"), engine("qwen3")).base == "ono_anna"
    assert recipe(CATALOG.voice("loongkyong_v3"), engine("qwen3")).base == "sohee"


def test_an_engine_that_nobody_knows_speaks_with_its_own_voice_of_the_name() -> None:
    assert recipe(OF_NO_ENGINE, engine("", ("first", OF_NO_ENGINE.name))) == Recipe(OF_NO_ENGINE.name)


def test_an_engine_that_nobody_knows_speaks_the_default_voice_as_it_is_and_others_with_changes() -> None:
    first, second = (recipe(CATALOG.voice(name), engine("")) for name in ("longanyang", "longanhuan"))
    assert first == Recipe("first")
    assert second.base == "first" and second != first


def test_a_voice_that_is_added_at_the_end_changes_no_other() -> None:
    members = FAMILIES["cosyvoice-v1"]
    fewer = by_rule(members[:-1], UNKNOWN)
    more = by_rule(members, UNKNOWN)
    assert {name: more[name] for name in fewer} == fewer and len(more) == len(members)


def test_a_voice_by_rule_is_native_if_it_is_not_shifted_far() -> None:
    hibari = engine("hibari")
    assert quality(CATALOG.voice("longxiaochun_v2"), "zh", hibari) == "native"
    assert quality(CATALOG.voice("longanyang"), "en", hibari) == "approximate"
    assert quality(CATALOG.voice("longanyue_v3"), "zh", engine("kokoro")) == "approximate"
    assert quality(CATALOG.voice("longanyue_v3"), "en", engine("kokoro")) == "native"
    assert quality(CATALOG.voice("longanyue_v3"), "en", engine("")) == "approximate"
