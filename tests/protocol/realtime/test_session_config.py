from __future__ import annotations

import math
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from saystream.audio import SAMPLE_RATES
from saystream.errors import InvalidValue
from saystream.languages import LANGUAGE_TYPES
from saystream.parameters import PARAMETERS, RESPONSE_FORMATS
from saystream.protocol.realtime.session_config import (
    Session,
    SessionConfig,
    SessionPatch,
    SessionSettings,
)

DOCUMENTED_DEFAULTS = {
    "mode": "server_commit",
    "response_format": "pcm",
    "sample_rate": 24000,
    "language_type": "Auto",
    "speech_rate": 1.0,
    "volume": 50,
    "pitch_rate": 1.0,
    "bit_rate": 128,
    "enable_tn": True,
    "instructions": "",
    "optimize_instructions": False,
    "word_timestamps": False,
    "markup": "auto",
}

GOOD: dict[str, list[Any]] = {
    "voice": ["Cherry", "千雪"],
    "mode": ["server_commit", "commit"],
    "response_format": list(RESPONSE_FORMATS),
    "sample_rate": list(SAMPLE_RATES),
    "language_type": list(LANGUAGE_TYPES),
    "speech_rate": [0.5, 1, 1.25, 2.0],
    "volume": [0, 50, 100],
    "pitch_rate": [0.5, 1.0, 2],
    "bit_rate": [6, 128, 510],
    "enable_tn": [True, False],
    "instructions": ["", "Speak slowly."],
    "optimize_instructions": [True, False],
    "word_timestamps": [True, False],
    "markup": ["auto", "strip", "read"],
}

BAD: list[tuple[str, Any]] = [
    ("voice", ""),
    ("voice", " \t"),
    ("mode", "COMMIT"),
    ("mode", ""),
    ("response_format", "flac"),
    ("sample_rate", 0),
    ("sample_rate", 24001),
    ("language_type", "Klingon"),
    ("language_type", ""),
    ("speech_rate", 0.49),
    ("speech_rate", 2.01),
    ("speech_rate", math.nan),
    ("volume", -1),
    ("volume", 101),
    ("pitch_rate", 0.0),
    ("pitch_rate", math.inf),
    ("bit_rate", 5),
    ("bit_rate", 511),
]


def test_the_defaults_are_the_documented_ones() -> None:
    config = SessionConfig(voice="Cherry")
    assert msgspec.to_builtins(config) == {"voice": "Cherry"} | DOCUMENTED_DEFAULTS


def test_config_patch_settings_and_table_have_the_same_fields_in_the_same_order() -> None:
    assert (
        SessionConfig.__struct_fields__ == SessionPatch.__struct_fields__ == tuple(PARAMETERS) == tuple(GOOD)
    )
    assert list(SessionSettings.__annotations__) == list(PARAMETERS)


def test_what_a_server_shows_are_the_parameters_and_what_names_the_session() -> None:
    assert set(Session.__struct_fields__) == {"object", "model", "id", *PARAMETERS}


def test_the_fields_have_the_types_and_defaults_of_the_table() -> None:
    types = {bool: bool | UnsetType, int: int | UnsetType, float: float | UnsetType, str: str | UnsetType}
    patched, settings = get_type_hints(SessionPatch), get_type_hints(SessionSettings)
    for name, parameter in PARAMETERS.items():
        in_force = getattr(SessionConfig(), name)
        assert in_force == parameter.default and type(in_force) is type(parameter.default) is settings[name]
        assert patched[name] == types[type(in_force)]


def test_changes_are_what_is_not_at_its_default() -> None:
    assert SessionConfig().changes() == {}
    assert SessionConfig(voice="Cherry", volume=60, enable_tn=False).changes() == {
        "voice": "Cherry",
        "volume": 60,
        "enable_tn": False,
    }


def test_what_few_models_have_is_shown_only_where_it_is_set() -> None:
    plain = Session.updated(session_id="sess_1", model="m", config=SessionConfig(voice="Cherry"))
    assert plain.instructions is plain.optimize_instructions is UNSET and plain.enable_tn is True
    set_ = Session.updated(session_id="sess_1", model="m", config=SessionConfig(instructions="Whisper."))
    assert set_.instructions == "Whisper." and set_.optimize_instructions is UNSET


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in GOOD for value in GOOD[field]])
def test_an_allowed_value_comes_into_force_and_nothing_else_changes(field: str, value: Any) -> None:
    before = SessionConfig(voice="Ethan")
    after = before.merged(SessionPatch(**{field: value}))
    assert getattr(after, field) == value
    assert msgspec.structs.replace(after, **{field: getattr(before, field)}) == before


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_value_that_is_not_allowed_is_refused_by_its_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidValue) as refusal:
        SessionConfig(voice="Ethan").merged(SessionPatch(**{field: value}))
    assert refusal.value.param == f"session.{field}"
    assert "Supported" in refusal.value.message


@pytest.mark.parametrize(("field", "value"), [case for case in BAD if case != ("voice", "")])
def test_a_bad_configuration_cannot_be_made(field: str, value: Any) -> None:
    with pytest.raises(InvalidValue, match=f"session.{field}"):
        SessionConfig(**{field: value})


def test_a_model_without_a_voice_of_its_own_begins_with_none() -> None:
    assert SessionConfig().voice == ""


@given(st.sampled_from(LANGUAGE_TYPES), st.randoms(use_true_random=False))
def test_a_language_may_come_in_any_case_and_is_kept_in_the_documented_one(name: str, random: Any) -> None:
    spelled = "".join(random.choice((letter.lower(), letter.upper())) for letter in name)
    assert SessionConfig().merged(SessionPatch(language_type=spelled)).language_type == name


def test_only_the_documented_spelling_of_a_language_can_be_in_force() -> None:
    with pytest.raises(InvalidValue, match="'auto'"):
        SessionConfig(language_type="auto")


def test_an_integer_too_long_to_print_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidValue, match="more than 64 bits") as refusal:
        SessionConfig().merged(SessionPatch(volume=10**5000))
    assert refusal.value.param == "session.volume"


def test_a_patch_names_only_what_was_set() -> None:
    assert SessionPatch().fields_set() == {}
    assert SessionPatch(volume=0, enable_tn=False).fields_set() == {"volume": 0, "enable_tn": False}


def test_an_empty_patch_changes_nothing() -> None:
    config = SessionConfig(voice="Cherry", volume=3)
    assert config.merged(SessionPatch()) == config
