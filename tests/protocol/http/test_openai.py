"""Bodies of OpenAI's speech interface: what is taken, and how each mistake is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.errors import InvalidBody, InvalidRequest, InvalidValue, TextTooLong
from saystream.protocol.http.openai import (
    MAX_INPUT_CHARACTERS,
    RESPONSE_FORMATS,
    SpeechAudioDone,
    SpeechError,
    SpeechRequest,
    SpeechUsage,
    audio_delta,
    decode_speech_request,
    encode_event,
    error_body,
)

SECRET = "what is to be spoken"


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "tts-1", "input": SECRET, "voice": "alloy", **fields}).encode()


def refused(given: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as error:
        decode_speech_request(given)
    assert SECRET not in error.value.message
    return error.value


def test_the_least_that_is_needed_has_the_documented_defaults() -> None:
    assert decode_speech_request(body()) == SpeechRequest(
        model="tts-1", input=SECRET, voice="alloy", response_format="mp3", speed=1.0, stream_format="audio"
    )


@pytest.mark.parametrize("name", RESPONSE_FORMATS)
def test_every_format_is_taken(name: str) -> None:
    assert decode_speech_request(body(response_format=name)).response_format == name


@pytest.mark.parametrize("speed", [0.25, 1, 4.0])
def test_the_documented_speeds_are_taken(speed: float) -> None:
    assert decode_speech_request(body(speed=speed)).speed == speed


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "ogg"}, "response_format"),
        ({"stream_format": "ws"}, "stream_format"),
        ({"response_format": 3}, "response_format"),
        ({"speed": 0.2}, "speed"),
        ({"speed": 4.01}, "speed"),
        ({"speed": "1"}, "speed"),
        ({"speed": True}, "speed"),
        ({"speed": None}, "speed"),
        ({"input": 1}, "input"),
        ({"input": None}, "input"),
        ({"voice": {"id": "voice_1"}}, "voice"),
        ({"nonsense": 1}, "nonsense"),
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


@pytest.mark.parametrize("field", ["model", "input", "voice"])
def test_a_missing_field_is_named(field: str) -> None:
    fields = json.loads(body())
    del fields[field]
    assert refused(json.dumps(fields).encode()).param == field


def test_too_long_a_text_is_refused_with_both_numbers() -> None:
    assert decode_speech_request(body(input="a" * MAX_INPUT_CHARACTERS))
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
        b'{"input":"\\ud800"}',
        b'{"input":"\\udc00\\ud800"}',
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
    except InvalidRequest:
        pass


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


def test_events_are_framed_as_openai_frames_them() -> None:
    assert encode_event(audio_delta(b"\0\1")) == b'data: {"type":"speech.audio.delta","audio":"AAE="}\n\n'
    done = json.loads(encode_event(SpeechAudioDone(SpeechUsage(1, 2, 3)))[6:])
    assert done == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    }
    error = json.loads(encode_event(SpeechError(error_body(InvalidValue("voice", "a", ["b"])).error))[6:])
    assert (error["type"], error["error"]["param"]) == ("error", "voice")
