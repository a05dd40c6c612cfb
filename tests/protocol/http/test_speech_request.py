"""Bodies of OpenAI's speech interface: what is taken, and how each mistake is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.errors import InvalidBody, InvalidRequest, InvalidValue, TextTooLong
from saystream.protocol.http.speech_request import (
    MAX_INPUT_CHARACTERS,
    RESPONSE_FORMATS,
    SpeechRequest,
    decode_speech_request,
)

SECRET = "what is to be spoken"


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "tts-1", "input": SECRET, "voice": "alloy", **fields}).encode()


def asked(**fields: Any) -> SpeechRequest:
    return decode_speech_request(body(**fields))[0]


def refused(given: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as error:
        decode_speech_request(given)
    assert SECRET not in error.value.message
    return error.value


def test_the_least_that_is_needed_has_the_documented_defaults() -> None:
    assert asked() == SpeechRequest(
        model="tts-1", input=SECRET, voice="alloy", response_format="mp3", speed=1.0, stream_format="audio"
    )


@pytest.mark.parametrize("name", RESPONSE_FORMATS)
def test_every_format_is_taken(name: str) -> None:
    assert asked(response_format=name).response_format == name


@pytest.mark.parametrize("speed", [0.25, 1, 4.0])
def test_the_documented_speeds_are_taken(speed: float) -> None:
    assert asked(speed=speed).speed == speed


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "ogg"}, "response_format"),
        ({"stream_format": "ws"}, "stream_format"),
        ({"response_format": 3}, "response_format"),
        ({"speed": 0.2}, "speed"),
        ({"speed": 4.01}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"speed": "nan"}, "speed"),
        ({"speed": "inf"}, "speed"),
        ({"speed": [1]}, "speed"),
        ({"speed": True}, "speed"),
        ({"response_format": ["mp3"]}, "response_format"),
        ({"language": "Klingon"}, "language"),
        ({"language": 1}, "language"),
        ({"input": ""}, "input"),
        ({"input": 1}, "input"),
        ({"input": None}, "input"),
        ({"voice": {"name": "alloy"}}, "voice"),
        ({"voice": {"id": 1}}, "voice"),
        ({"input": f"{SECRET}\0"}, "input"),
        ({"voice": "al\0loy"}, "voice"),
        ({"instructions": "\0"}, "instructions"),
    ],
)
def test_a_mistake_names_its_field(fields: dict[str, Any], param: str) -> None:
    assert refused(body(**fields)).param == param


def test_a_wrong_choice_is_answered_with_all_right_ones() -> None:
    error = refused(body(response_format="ogg"))
    assert isinstance(error, InvalidValue)
    assert all(f"'{name}'" in error.message for name in RESPONSE_FORMATS)


def test_only_the_text_must_be_there() -> None:
    assert refused(b"{}").param == "input"
    alone, unknown = decode_speech_request(b'{"input":"Hello."}')
    assert (alone.model, alone.voice, unknown) == ("", "", ())


@pytest.mark.parametrize("absent", [None, "", "  "])
def test_what_is_null_or_empty_is_as_if_it_were_absent(absent: str | None) -> None:
    names = ("model", "voice", "instructions", "response_format", "speed", "stream_format", "language")
    assert asked(**dict.fromkeys(names, absent)) == SpeechRequest(input=SECRET)


def test_what_programs_write_in_their_own_way_is_understood() -> None:
    assert asked(speed="1.5").speed == 1.5
    assert asked(voice={"id": "alloy"}).voice == "alloy"
    assert asked(response_format=" MP3 ").response_format == "mp3"
    assert asked(stream_format="SSE").stream_format == "sse"
    assert decode_speech_request(b"\xef\xbb\xbf" + body())[0] == asked()


@pytest.mark.parametrize("language", ["German", "german", "de", "DE", "de-AT", "de_CH"])
def test_a_language_has_names_and_codes(language: str) -> None:
    assert asked(language=language).language == "German"
    assert asked(language="auto").language == "Auto"


def test_unknown_fields_are_ignored_and_named() -> None:
    request, unknown = decode_speech_request(body(user="ann", lang_code="a", return_timestamps=False))
    assert request == asked()
    assert unknown == ("user", "lang_code", "return_timestamps")


def test_too_long_a_text_is_refused_with_both_numbers() -> None:
    assert asked(input="a" * MAX_INPUT_CHARACTERS)
    error = refused(body(input="a" * (MAX_INPUT_CHARACTERS + 1)))
    assert isinstance(error, TextTooLong)
    assert "4097" in error.message and "4096" in error.message


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        body()[:-1],
        b"\xff\xfe",
        b'{"input":"\xed\xa0\x80"}',
        b'{"input":"\\ud800',
        b'{"input":"\\ud800","speed":NaN}',
        b'{"speed":NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_object_is_refused_as_that(given: Any) -> None:
    error = refused(given)
    assert isinstance(error, InvalidBody) or error.param


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes_give_a_request_or_a_documented_error(given: bytes) -> None:
    try:
        decode_speech_request(given)
    except InvalidRequest as refused:
        assert refused.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["model", "input"]), inner)
        ),
    )
)
def test_any_json_gives_a_request_or_a_documented_error(value: Any) -> None:
    try:
        decode_speech_request(json.dumps(value).encode())
    except InvalidRequest as error:
        assert len(error.message) < 300
