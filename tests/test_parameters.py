from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.audio import SAMPLE_RATES, AudioFormat, Effects
from saystream.catalog import load
from saystream.errors import InvalidValue
from saystream.languages import LANGUAGE_TYPES
from saystream.parameters import PARAMETERS, Parameter, Range, Words
from saystream.protocol.http.generation import GenerationRequest
from saystream.protocol.http.speech_request import SpeechRequest
from saystream.speech.events import SpeechConfig

NUMBERS = {name: entry for name, entry in PARAMETERS.items() if isinstance(entry.values, Range)}


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=PARAMETERS)
def test_a_default_is_allowed_and_a_line_says_what_the_parameter_does(parameter: Parameter) -> None:
    if parameter.default != "" or parameter.name == "instructions":
        assert parameter.kept(parameter.default, param="x") == parameter.default
    assert parameter.meaning.endswith(".") and "\n" not in parameter.meaning


@pytest.mark.parametrize("name", NUMBERS)
def test_both_ends_of_a_range_are_allowed_and_nothing_beyond_them(name: str) -> None:
    parameter = NUMBERS[name]
    assert isinstance(parameter.values, Range)
    lowest, highest = parameter.values.lowest, parameter.values.highest
    for number in (lowest, highest, parameter.default):
        assert parameter.kept(number, param=name) == number
    for number in (lowest - 0.01, highest + 0.01, math.nan, math.inf, -math.inf):
        with pytest.raises(
            InvalidValue, match=f"Invalid value for session.{name}: .* from {lowest} to {highest}"
        ):
            parameter.kept(number, param=f"session.{name}")


@given(name=st.sampled_from(["speech_rate", "pitch_rate"]), number=st.floats())
def test_a_rate_is_taken_exactly_from_a_half_to_two(name: str, number: float) -> None:
    if 0.5 <= number <= 2.0:
        assert PARAMETERS[name].kept(number, param=name) == number
    else:
        with pytest.raises(InvalidValue):
            PARAMETERS[name].kept(number, param=name)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("voice", "the name of a voice"),
        ("mode", ("server_commit", "commit")),
        ("response_format", ("pcm", "wav", "mp3", "opus")),
        ("sample_rate", SAMPLE_RATES),
        ("language_type", LANGUAGE_TYPES),
        ("speech_rate", "a number from 0.5 to 2.0"),
        ("volume", "an integer from 0 to 100"),
        ("pitch_rate", "a number from 0.5 to 2.0"),
        ("bit_rate", "an integer from 6 to 510 (kbit/s)"),
        ("enable_tn", "true or false"),
        ("instructions", "a text"),
        ("optimize_instructions", "true or false"),
    ],
)
def test_what_is_allowed_can_be_said(name: str, allowed: Any) -> None:
    assert PARAMETERS[name].allowed == allowed


def test_choices_are_said_with_their_type_in_one_line() -> None:
    assert PARAMETERS["mode"].allowed_words == "a string, one of server_commit, commit"
    assert PARAMETERS["volume"].allowed_words == "an integer from 0 to 100"


def test_a_language_may_come_in_any_case_and_a_mode_may_not() -> None:
    assert PARAMETERS["language_type"].kept("cHINESE", param="x") == "Chinese"
    for name, value in (("language_type", "Klingon"), ("mode", "COMMIT"), ("voice", " \t")):
        with pytest.raises(InvalidValue, match="Supported"):
            PARAMETERS[name].kept(value, param="x")


def test_an_integer_too_long_to_print_is_not_printed() -> None:
    with pytest.raises(InvalidValue, match="an integer of more than 64 bits"):
        PARAMETERS["volume"].kept(10**5000, param="volume")


def test_a_schema_says_what_a_parameter_takes() -> None:
    language, rate = PARAMETERS["language_type"].schema(), PARAMETERS["speech_rate"].schema()
    assert (language["type"], language["enum"], language["default"]) == (
        "string",
        list(LANGUAGE_TYPES),
        "Auto",
    )
    assert (rate["type"], rate["minimum"], rate["maximum"], rate["default"]) == ("number", 0.5, 2.0, 1.0)
    assert "default" not in PARAMETERS["instructions"].schema()


def test_models_list_those_parameters_that_say_so() -> None:
    listed = {name for model in load().models for name in model.parameters}
    assert listed == {name for name, parameter in PARAMETERS.items() if parameter.is_listed}


def test_the_doors_have_fields_for_their_parameters() -> None:
    requests = {
        "generation": GenerationRequest.__dataclass_fields__,
        "openai": SpeechRequest.__struct_fields__,
    }
    for door, fields in requests.items():
        assert {name for name, parameter in PARAMETERS.items() if door in parameter.doors} <= set(fields)
    assert all("realtime" in parameter.doors for parameter in PARAMETERS.values())
    defaults = GenerationRequest(model="m", text="t", voice="v").parameters()
    assert {name: PARAMETERS[name].default for name in defaults} == defaults | {"voice": ""}


def test_the_defaults_of_the_spine_are_those_of_the_table() -> None:
    values: dict[str, Any] = {name: parameter.default for name, parameter in PARAMETERS.items()}
    spine = SpeechConfig(voice="")
    assert spine.audio_format == AudioFormat(
        values["response_format"],
        values["sample_rate"],
        values["bit_rate"],
    )
    assert spine.effects == Effects(values["speech_rate"], values["pitch_rate"], values["volume"])
    assert (spine.language_type, spine.instructions) == (values["language_type"], values["instructions"])
    assert spine.normalize_text is values["enable_tn"] and spine.server_commit


def test_words_take_any_value_of_the_type() -> None:
    assert (
        Words("a text").kept(
            "",
        )
        == ""
        and Words("true or false").kept(False) is False
    )
    assert Words("a name", blank=False).kept(" ") is None


def test_words_that_say_what_is_allowed_are_printed_as_they_are() -> None:
    assert str(Words("any name")) == "any name"
