from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.catalog import load
from saystream.engines.base import EngineInfo, Likeness, SynthesisRequest
from saystream.errors import EngineUnavailable, InvalidValue, ModelMissing
from saystream.voices.casting import Casting, Choice
from saystream.voices.custom.voice import Rendition
from saystream.voices.recipes import Recipe, recipe

from .custom.voices_of_tests import cloned

SYSTEM_VOICES = tuple(voice.name for voice in load().system_voices)


def engine(
    name: str,
    *languages: str,
    quality: str = "native",
    approximate: tuple[str, ...] = (),
    realtime_factor: float | None = None,
    side_by_side: int = 0,
    enrolls: Likeness = "",
) -> EngineInfo:
    """With a voice for every name, where we have no recipes for it."""
    spoken = {**dict.fromkeys(languages, quality), **dict.fromkeys(approximate, "approximate")}
    return EngineInfo(
        name=name,
        sample_rate=24000,
        languages=spoken,
        voices=SYSTEM_VOICES,
        realtime_factor=realtime_factor,
        concurrency=max(1, side_by_side),
        parallel=side_by_side,
        chunk_ms=1200.0 if side_by_side else 0.0,
        enrolls=enrolls,
    )


HIBARI = engine("hibari", "en")
ESPEAK = engine("espeak", "en", "de", "zh", quality="robotic")
TONE = engine("tone", "*", quality="approximate")


def casting(
    *order: str,
    installed: tuple[EngineInfo, ...] = (HIBARI, ESPEAK, TONE),
    faults: Mapping[str, EngineUnavailable] | None = None,
) -> Casting:
    engines = {one.name: one for one in installed}
    return Casting(order, engines, faults, catalog=load(), max_realtime_factor=0.9)


def chosen_for(language: str, among: Casting) -> Choice:
    return next(choice for choice in among.describe() if choice.language == language)


@pytest.mark.parametrize(
    ("order", "language", "chosen"),
    [
        (("hibari", "espeak"), "en", "hibari"),
        (("espeak", "hibari"), "en", "espeak"),
        (("hibari", "espeak"), "zh", "espeak"),
        (("hibari", "tone"), "th", "tone"),
        (("absent", "hibari"), "en", "hibari"),
        (("tone",), "en", "tone"),
    ],
)
def test_the_first_of_the_order_that_speaks_the_language_is_chosen(
    order: tuple[str, ...], language: str, chosen: str
) -> None:
    assert casting(*order).role(voice="Cherry", language=language).engine == chosen


def missing(model: str, *languages: str, approximate: tuple[str, ...] = ()) -> EngineUnavailable:
    spoken = engine(model, *languages, approximate=approximate).languages
    return ModelMissing(f"The model '{model}' is not here.", model=model, languages=spoken)


def test_an_engine_that_has_not_learnt_a_language_gives_way_to_one_that_has() -> None:
    accented = engine("kokoro", "zh", approximate=("de",))
    germans = engine("piper", "zh", "de")

    both = casting("kokoro", "piper", "espeak", installed=(accented, germans, ESPEAK))
    assert both.role(voice="Cherry", language="de").engine == "piper"
    assert both.role(voice="Cherry", language="de", spoke_before="kokoro").engine == "piper"
    assert both.role(voice="Cherry", language="zh").engine == "kokoro"

    alone = casting("kokoro", "espeak", installed=(accented, ESPEAK))
    assert alone.role(voice="Cherry", language="de").engine == "kokoro"
    assert alone.role(voice="Cherry", language="de").quality == "approximate"
    assert [alone.is_settled(language) for language in ("zh", "de", "th")] == [True, False, False]
    assert both.is_settled("de")
    german = chosen_for("de", alone)
    assert (german.engine, german.quality, german.native_voices) == ("kokoro", "approximate", 0)


def test_advice_for_a_language_that_is_only_approximated_is_an_engine_that_has_learnt_it() -> None:
    faults = {"supertonic": missing("supertonic-3", "de", "zh")}
    accented = engine("kokoro", "zh", approximate=("de",))
    order = ("kokoro", "supertonic", "espeak")
    speaking = casting(*order, installed=(accented, ESPEAK), faults=faults)
    assert speaking.advice("de") == "saystream models pull supertonic-3"
    assert speaking.advice("zh") == ""

    accent = missing("kokoro", "zh", approximate=("de",))
    neither = casting(*order, installed=(ESPEAK,), faults={"kokoro": accent, **faults})
    assert neither.advice("de") == "saystream models pull supertonic-3"
    assert neither.advice("zh") == "saystream models pull kokoro"


def test_an_engine_that_is_too_slow_here_gives_way_to_a_native_one_that_is_not() -> None:
    order = ("kokoro", "hibari", "piper", "espeak")
    slow = engine("kokoro", "en", "zh", "it", realtime_factor=0.91)
    slower = engine("piper", "it", realtime_factor=2.0)
    speaking = casting(*order, installed=(slow, slower, HIBARI, ESPEAK))

    assert speaking.role(voice="Ethan", language="en").engine == "hibari"
    assert speaking.role(voice="Ethan", language="en", spoke_before="kokoro").engine == "hibari"
    assert speaking.role(voice="Ethan", language="zh").engine == "kokoro", "the other one is a robot"
    assert speaking.role(voice="Ethan", language="it").engine == "kokoro", "the other one is slow, too"
    assert [speaking.is_settled(language) for language in ("en", "zh", "it")] == [True, False, False]

    fast = engine("kokoro", "en", "zh", realtime_factor=0.9)
    assert casting(*order, installed=(fast, HIBARI)).role(voice="Ethan", language="en").engine == "kokoro"


def test_an_engine_is_as_fast_as_all_the_cores_that_make_one_text() -> None:
    pair = engine("kokoro", "en", realtime_factor=1.7, side_by_side=2)
    one = engine("kokoro", "en", realtime_factor=1.7, side_by_side=1)
    assert (
        casting("kokoro", "hibari", installed=(pair, HIBARI)).role(voice="Ethan", language="en").engine
        == "kokoro"
    )
    assert (
        casting("kokoro", "hibari", installed=(one, HIBARI)).role(voice="Ethan", language="en").engine
        == "hibari"
    )


def test_a_choice_says_why_it_is_this_engine() -> None:
    order = ("qwen3", "kokoro", "hibari", "piper", "espeak")
    slow = engine("kokoro", "en", "zh", approximate=("de",), realtime_factor=1.25)
    faults = {"qwen3": missing("qwen3", "en", "zh")}
    speaking = casting(*order, installed=(slow, HIBARI, engine("piper", "de"), ESPEAK), faults=faults)

    slowness = "kokoro is too slow here: 1.2 s for a second of sound"
    assert chosen_for("en", speaking).reason == f"qwen3 cannot run; {slowness}"
    assert chosen_for("zh", speaking).reason == "qwen3 cannot run"
    assert chosen_for("de", speaking).reason == slowness
    assert chosen_for("ko", speaking).reason == ""
    assert chosen_for("de", casting("espeak", installed=(ESPEAK,))).reason == "first in the order"

    accented = engine("kokoro", "zh", approximate=("de",))
    otherwise = casting("kokoro", "piper", installed=(accented, engine("piper", "de")))
    assert chosen_for("de", otherwise).reason == "kokoro only approximates it"
    alone = casting("kokoro", installed=(accented,))
    assert chosen_for("de", alone).reason.startswith("kokoro only approximates it, but no engine here")


KOKORO = engine("kokoro", "en", "zh")


@pytest.mark.parametrize(
    ("spoke_before", "language", "chosen"),
    [
        ("kokoro", "en", "kokoro"),
        ("hibari", "en", "hibari"),
        (None, "en", "hibari"),
        ("hibari", "zh", "kokoro"),
        ("espeak", "en", "hibari"),
        ("kokoro", "de", "espeak"),
        ("gone", "en", "hibari"),
    ],
)
def test_the_engine_that_spoke_before_goes_on_where_it_is_as_good(
    spoke_before: str | None, language: str, chosen: str
) -> None:
    several = casting("hibari", "kokoro", "espeak", installed=(HIBARI, KOKORO, ESPEAK))

    role = several.role(voice="Cherry", language=language, spoke_before=spoke_before)

    assert role.engine == chosen


def test_a_role_carries_the_recipe_and_the_quality() -> None:
    role = casting("hibari", "espeak").role(voice="Marcus", language="en")
    made = recipe(load().voice("Marcus"), HIBARI)

    assert role.request == SynthesisRequest(
        voice=made.base, language="en", speed=made.speed, pitch=made.pitch, formant=made.formant
    )
    assert (role.engine, role.quality) == ("hibari", "approximate")
    assert role.made_from == f"heart, speed {made.speed}, pitch {made.pitch}, formant {made.formant:g}"
    assert casting("hibari").role(voice="Cherry", language="en").made_from == "heart"
    assert casting("espeak").role(voice="Marcus", language="zh").quality == "robotic"


def test_a_voice_that_is_better_with_the_engine_that_spoke_before_stays_with_it() -> None:
    several = casting("hibari", "kokoro", installed=(HIBARI, KOKORO))

    assert several.role(voice="Ethan", language="en", spoke_before="kokoro").engine == "kokoro"
    assert several.role(voice="Ethan", language="en").quality == "approximate"


def test_a_voice_with_a_dialect_is_approximate_in_chinese_only() -> None:
    natural = casting("mandarin", installed=(engine("mandarin", "zh", "en"),))

    assert natural.role(voice="Marcus", language="zh").quality == "approximate"
    assert natural.role(voice="Marcus", language="en").quality == "native"
    assert natural.role(voice="Cherry", language="zh").quality == "native"


def test_an_unknown_voice_is_refused() -> None:
    with pytest.raises(InvalidValue):
        casting("tone").role(voice="Nobody", language="en")


def test_a_language_that_nobody_speaks_is_named_with_what_is_in_use() -> None:
    with pytest.raises(EngineUnavailable) as caught:
        casting("hibari", installed=(HIBARI,)).role(voice="Cherry", language="zh")

    assert "speaks Chinese (zh); in use: hibari (en)." in caught.value.message
    assert "`saystream engines`" in caught.value.message


def test_a_language_beyond_the_ten_is_named_by_its_code() -> None:
    with pytest.raises(EngineUnavailable, match="the language 'th'"):
        casting("hibari").role(voice="Cherry", language="th")


def test_an_able_engine_outside_the_order_is_offered() -> None:
    with pytest.raises(EngineUnavailable, match="Installed and able to: espeak, tone; choose by the setting"):
        casting("hibari").role(voice="Cherry", language="zh")


def test_an_engine_of_the_order_that_cannot_run_is_named() -> None:
    with pytest.raises(EngineUnavailable, match="not usable here: espeak, kokoro"):
        casting("hibari", "espeak", "kokoro", installed=(HIBARI,)).role(voice="Cherry", language="de")


def test_without_any_engine_the_message_says_so() -> None:
    with pytest.raises(EngineUnavailable, match="in use: none"):
        casting("hibari", installed=()).role(voice="Cherry", language="en")


def test_the_description_names_a_choice_for_each_of_the_ten_languages() -> None:
    choices = casting("hibari", "espeak").describe()

    assert len(choices) == 10
    assert Choice("English", "en", "hibari", "native", 21, "first in the order") in choices
    assert Choice("Chinese", "zh", "espeak", "robotic", 0, "first in the order") in choices
    assert Choice("Korean", "ko", None, None) in choices


def test_advice_is_the_remedy_of_the_first_engine_that_would_speak_better() -> None:
    faults = {
        "kokoro": missing("kokoro", "en", "zh"),
        "broken": EngineUnavailable("It crashes.", languages={"ko": "native"}),
        "supertonic": missing("supertonic-3", "de", "zh", "ko"),
    }
    order = ("hibari", "kokoro", "broken", "supertonic", "espeak")
    advised = casting(*order, installed=(HIBARI, ESPEAK), faults=faults)

    assert advised.advice("zh") == "saystream models pull kokoro"
    assert advised.advice("de") == "saystream models pull supertonic-3"
    assert advised.advice("en") == "", "hibari comes before kokoro"
    assert advised.advice("th") == "", "nobody is known to speak it"
    assert chosen_for("zh", advised).advice == "saystream models pull kokoro"


def test_an_engine_outside_the_order_gives_no_advice() -> None:
    advised = casting("espeak", installed=(ESPEAK,), faults={"kokoro": missing("kokoro", "zh")})
    assert advised.advice("zh") == ""


def test_a_language_that_nobody_speaks_is_refused_with_what_would_speak_it() -> None:
    faults = {"supertonic": missing("supertonic-3", "ko")}
    advised = casting("hibari", "supertonic", installed=(HIBARI,), faults=faults)

    with pytest.raises(EngineUnavailable, match=r"To get one: saystream models pull supertonic-3\."):
        advised.role(voice="Cherry", language="ko")
    assert (
        Choice("Korean", "ko", None, None, advice="saystream models pull supertonic-3") in advised.describe()
    )


LANGUAGES = ("en", "de", "zh", "th", "*")


@given(
    spoken=st.lists(st.sets(st.sampled_from(LANGUAGES)), max_size=5),
    language=st.sampled_from(LANGUAGES[:-1]),
    voice=st.sampled_from([voice.name for voice in load().system_voices]),
)
def test_a_choice_speaks_the_language_and_nobody_before_it_does(
    spoken: list[set[str]], language: str, voice: str
) -> None:
    installed = tuple(engine(f"e{number}", *sorted(some)) for number, some in enumerate(spoken))
    able = [one.name for one in installed if {language, "*"} & set(one.languages)]
    all_of_them = casting(*(one.name for one in installed), installed=installed)
    if able:
        assert all_of_them.role(voice=voice, language=language).engine == able[0]
    else:
        with pytest.raises(EngineUnavailable):
            all_of_them.role(voice=voice, language=language)


def test_a_voice_is_at_home_in_the_language_that_it_was_made_for_if_an_engine_speaks_it() -> None:
    homes = {
        voice: casting("hibari", "espeak").home_language(voice)
        for voice in ("Cherry", "longanyang", "loongabby_v3", "loongriko_v3", "sambert-waan-v1", "")
    }
    assert homes == {
        "Cherry": None,
        "longanyang": "zh",
        "loongabby_v3": "en",
        "loongriko_v3": None,  # nobody speaks Japanese
        "": None,
        "sambert-waan-v1": None,  # no session can ask for Thai
    }


def test_a_model_of_sambert_is_found_as_a_voice() -> None:
    role = casting("hibari").role(voice="sambert-zhiqi-v1", language="en")
    assert (role.engine, role.request.voice) == ("hibari", "heart")


MATCHING = engine("matching", "en", approximate=("zh",), enrolls="voice_match")
CLONING = engine("cloning", "en", "fr", enrolls="clone")
PLAIN = engine("plain", "en", "zh", "de")
ENROLLING = (PLAIN, MATCHING, CLONING)

BY_RECIPE = Rendition(Recipe("Ethan", 1.1, 0.9, 0.95))
BY_MATERIAL = Rendition(Recipe("Cherry"), b"a speaker")


def speaker_of(among: Casting, language: str, **renditions: Rendition) -> SynthesisRequest | None:
    role = among.role(voice="anna", language=language, own_voice=cloned(renditions=renditions))
    return role.request


def test_an_own_voice_is_spoken_by_the_engine_that_comes_nearest_to_its_speaker() -> None:
    among = casting("plain", "matching", "cloning", installed=ENROLLING)
    made = {"plain": BY_RECIPE, "matching": BY_MATERIAL, "cloning": BY_MATERIAL}

    def engine_for(language: str, **renditions: Rendition) -> str:
        return among.role(voice="anna", language=language, own_voice=cloned(renditions=renditions)).engine

    assert engine_for("en", **made) == "cloning"
    assert engine_for("en", plain=BY_RECIPE, matching=BY_MATERIAL) == "matching"
    assert engine_for("en", cloning=BY_RECIPE) == "cloning"
    assert engine_for("en", plain=BY_RECIPE, cloning=BY_RECIPE) == "plain"
    assert engine_for("zh", **made) == "plain"
    assert engine_for("de", **made) == "plain"
    assert engine_for("en") == "plain"


def test_an_own_voice_is_asked_for_by_its_recipe_or_its_material() -> None:
    among = casting("plain", "matching", installed=ENROLLING)
    assert speaker_of(among, "de", plain=BY_RECIPE) == SynthesisRequest("Ethan", "de", 1.1, 0.9, 0.95)
    assert speaker_of(among, "en", matching=BY_MATERIAL) == SynthesisRequest(
        "Cherry", "en", material=b"a speaker"
    )
    assert speaker_of(among, "en") == SynthesisRequest(SYSTEM_VOICES[0], "en")


def test_an_own_voice_keeps_the_engine_that_spoke_before_unless_another_is_more_like_it() -> None:
    among = casting("plain", "matching", "cloning", installed=ENROLLING)

    def engine_after(before: str, **renditions: Rendition) -> str:
        own = cloned(renditions=renditions)
        return among.role(voice="anna", language="en", spoke_before=before, own_voice=own).engine

    assert engine_after("cloning", plain=BY_RECIPE, cloning=BY_RECIPE) == "cloning"
    assert engine_after("plain", plain=BY_RECIPE, cloning=BY_MATERIAL) == "cloning"
    assert engine_after("absent", plain=BY_RECIPE) == "plain"


def test_an_engine_that_is_too_slow_clones_nobody() -> None:
    slow = engine("slow", "en", realtime_factor=2.0, enrolls="clone")
    among = casting("slow", "plain", installed=(slow, PLAIN))
    own = cloned(renditions={"slow": BY_MATERIAL, "plain": BY_RECIPE})
    assert among.role(voice="anna", language="en", own_voice=own).engine == "plain"


def test_no_engine_is_no_speaker_for_an_own_voice_either() -> None:
    with pytest.raises(EngineUnavailable, match="speaks Russian"):
        casting("plain", installed=ENROLLING).role(voice="anna", language="ru", own_voice=cloned())


def test_engines_are_asked_for_renditions_only_if_they_would_speak() -> None:
    among = casting("plain", "matching", "cloning", installed=ENROLLING)
    assert among.engines_for_own_voices(recorded=True) == ("plain", "cloning")
    assert among.engines_for_own_voices(recorded=False) == ("plain", "cloning")
    among = casting("plain", "matching", installed=ENROLLING)
    assert among.engines_for_own_voices(recorded=True) == ("plain", "matching")
    assert among.engines_for_own_voices(recorded=False) == ("plain",)


def test_an_own_voice_is_at_home_in_the_language_of_its_speaker() -> None:
    among = casting("plain", installed=ENROLLING)
    assert among.home_language("anna", cloned(language="zh")) == "zh"
    assert among.home_language("anna", cloned(language="ru")) is None
    assert among.home_language("anna", cloned()) is None
