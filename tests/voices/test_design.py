from __future__ import annotations

import math

import pytest

from saystream.engines.base import EngineInfo
from saystream.voices.design import designed
from saystream.voices.recipes import Recipe
from saystream.voices.rule import bases_of


def engine(name: str, *voices: str) -> EngineInfo:
    named = {part.partition(":")[0] for base in bases_of(name) for part in base.name.split("+")}
    return EngineInfo(name, 24000, {"*": "native"}, voices or tuple(sorted(named)))


KOKORO = engine("kokoro")
HIBARI = engine("hibari")
ESPEAK = engine("espeak")
UNKNOWN = engine("mine", "only")
HEARTS_HZ = 183


@pytest.mark.parametrize("info", [KOKORO, HIBARI, ESPEAK, UNKNOWN])
def test_the_same_description_gives_the_same_voice_and_another_one_another(info: EngineInfo) -> None:
    texts = [
        "a calm man",
        "a calm male voice",
        "A calm man",
        "温柔的女声",
        "温柔的女性声音",
        "",
        "nothing that is known",
    ]
    assert all(designed(text, info) == designed(text, info) for text in texts)
    assert len({designed(text, info) for text in texts}) == len(texts)


def test_blanks_make_no_difference() -> None:
    assert designed(" a  calm\nman ", KOKORO) == designed("a calm man", KOKORO)


@pytest.mark.parametrize("language", ["en", "zh", "fr", "ja", "ru", ""])
def test_an_engine_with_many_voices_takes_one_of_the_sex_that_was_named(language: str) -> None:
    kinds = {name: base.kind for base in bases_of("kokoro") for name in [base.name]}
    woman = designed("a woman", KOKORO, language)
    man = designed("a man", KOKORO, language)
    assert woman.base.partition(":")[0][1] == "f", kinds
    if language not in ("fr",):  # the only French voice of Kokoro is a woman
        assert man.base.partition(":")[0][1] == "m"


def test_the_language_of_the_description_is_that_of_the_voice_unless_another_is_named() -> None:
    assert designed("沉稳的男声", KOKORO).base.startswith("zm")
    assert not designed("沉稳的男声", KOKORO, "en").base.startswith("zm")


def test_only_voices_that_the_engine_has_are_taken() -> None:
    few = engine("kokoro", "af_heart", "am_onyx")
    assert designed("a man with a high voice", few).base == "am_onyx"
    assert designed("男声", few, "zh").base in ("af_heart", "am_onyx")


def hertz(description: str) -> float:
    return designed(description, HIBARI).pitch * HEARTS_HZ


@pytest.mark.parametrize(
    ("description", "lowest", "highest"),
    [
        ("a man", 110, 132),
        ("a man with a very deep voice", 75, 100),
        ("a man with a high voice", 138, 165),
        ("a shrill teenage boy", 145, 165),
        ("a woman", 195, 220),
        ("a woman with a low voice", 160, 185),
        ("a woman with a very high voice", 240, 290),
        ("an old man", 100, 120),
        ("a little girl", 270, 302),
        ("a little boy", 260, 302),
        ("an androgynous voice", 155, 180),
        ("a deep voice", 85, 112),
        ("a high voice", 225, 260),
    ],
)
def test_sex_age_and_pitch_are_those_described(description: str, lowest: float, highest: float) -> None:
    assert lowest <= hertz(description) <= highest


@pytest.mark.parametrize("info", [KOKORO, HIBARI, ESPEAK, UNKNOWN])
def test_speed_is_that_described(info: EngineInfo) -> None:
    slow, usual, fast, faster = (
        designed(f"a man who speaks {how}", info).speed for how in ("slowly", "as usual", "fast", "very fast")
    )
    assert slow < usual or info is KOKORO  # whose men have tempos of their own
    assert slow < fast < faster


def test_a_slow_base_is_hurried_and_a_fast_one_slowed() -> None:
    slow_base, fast_base = engine("kokoro", "bm_george"), engine("kokoro", "am_puck")
    assert designed("a man", slow_base, "en").speed > 1.1 > 1.0 > designed("a man", fast_base, "en").speed


def test_an_old_speaker_is_slow_unless_the_description_says_how_fast() -> None:
    assert designed("an old man", HIBARI).speed < designed("a man", HIBARI).speed
    assert designed("an old man, fast", HIBARI).speed == pytest.approx(
        designed("a man, fast", HIBARI).speed, rel=0.05
    )


def test_the_size_of_the_speaker_goes_with_sex_age_and_timbre() -> None:
    child, woman, man, giant = (
        designed(text, HIBARI).formant for text in ("a child", "a woman", "a man", "a man, booming and rich")
    )
    assert child > woman > man > giant


def test_intonation_loudness_and_pauses_are_part_of_the_voice() -> None:
    lively, flat = designed("a lively woman", KOKORO), designed("a monotonous, hushed woman", KOKORO)
    assert lively.intonation > 1.2 > 0.8 > flat.intonation
    assert flat.loudness_db < 0
    assert designed("a hesitant man", KOKORO).pauses > 1.2


def test_of_an_engine_that_is_not_known_the_first_voice_is_changed() -> None:
    made = designed("a man", UNKNOWN)
    assert made.base == "only"
    assert made.pitch < 0.8
    assert isinstance(made, Recipe)


@pytest.mark.parametrize("info", [KOKORO, HIBARI, ESPEAK, engine("supertonic"), engine("qwen3"), UNKNOWN])
def test_no_ratio_is_beyond_what_engines_take(info: EngineInfo) -> None:
    for text in (
        "a shrill little girl who shouts very fast, very expressive, with very long pauses",
        "a booming bass, an old man, extremely slow, very monotone, whispering, nonstop",
    ):
        made = designed(text, info)
        assert 0.5 <= made.speed <= 2
        assert 0.5 <= made.pitch <= 1.65
        assert 0.78 <= made.formant <= 1.25
        assert 0.4 < made.intonation < 2.2
        assert abs(made.loudness_db) <= 6
        assert 0.3 < made.pauses < 3
        assert not math.isnan(made.speed)
