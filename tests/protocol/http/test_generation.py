from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.audio import Mark
from saystream.errors import InvalidBody, InvalidRequest, MissingInput, MissingModel
from saystream.protocol.http.generation import (
    GenerationAnswer,
    GenerationRequest,
    decode_request,
    encode_part,
)
from saystream.protocol.usage import Usage

WHOLE: dict[str, Any] = {"model": "qwen3-tts-flash", "input": {"text": "Hello.", "voice": "Cherry"}}


def decode(body: Any) -> GenerationRequest:
    return decode_request(json.dumps(body).encode())


def changed(place: str, **fields: Any) -> dict[str, Any]:
    return {**WHOLE, place: {**WHOLE.get(place, {}), **fields}}


def test_a_request_with_only_what_is_required_takes_the_defaults() -> None:
    assert decode(WHOLE) == GenerationRequest(
        model="qwen3-tts-flash", text="Hello.", voice="Cherry", language_type="Auto"
    )


@pytest.mark.parametrize("place", ["input", "parameters"])
def test_the_tuning_fields_may_stand_in_either_place(place: str) -> None:
    request = decode(
        changed(place, language_type="chinese", instructions="Fast.", optimize_instructions=True)
    )
    assert (request.language_type, request.instructions, request.optimize_instructions) == (
        *("Chinese", "Fast.", True),
    )
    assert request.unknown_fields == ()


def test_where_a_field_stands_in_both_places_the_input_wins() -> None:
    body = {**changed("input", language_type="French"), "parameters": {"language_type": "German"}}
    assert decode(body).language_type == "French"
    body["input"]["language_type"] = None
    assert decode(body).language_type == "German"


def test_unknown_fields_are_named_and_change_nothing() -> None:
    body = {**changed("input", format="mp3"), "parameters": {"x": 1, "stream": True}, "extra": []}
    assert decode(body).unknown_fields == ("input.format", "parameters.x")


def test_absent_and_null_parameters_are_the_same() -> None:
    assert decode({**WHOLE, "parameters": None}) == decode(WHOLE)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "truncated"),
        (b'{"model":', "truncated"),
        (b"[]", "an array came"),
        (b"null", "null came"),
        (b"\xff\xfe", "malformed"),
        (b'{"model":"\xed\xa0\x80"}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"model":"m","input":{"text":"\\ud800","voice":"c"', "JSON"),
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(InvalidBody, match=why):
        decode_request(body)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, MissingModel),
        ({**WHOLE, "model": ""}, MissingModel),
        ({**WHOLE, "model": None}, MissingModel),
        ({"model": "m"}, MissingInput),
        ({"model": "m", "input": {}}, MissingInput),
    ],
)
def test_a_missing_part_has_a_code_of_its_own(body: Any, error: type[InvalidRequest]) -> None:
    with pytest.raises(error):
        decode(body)


def test_an_empty_model_is_a_missing_one() -> None:
    with pytest.raises(MissingModel):
        decode({**WHOLE, "model": ""})


@pytest.mark.parametrize(
    ("field", "given"), [("voice", {"text": "Hello."}), ("text", {"voice": "Cherry"}), ("text", {"text": ""})]
)
def test_a_missing_text_or_voice_is_said_in_the_words_of_the_service(
    field: str, given: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequest, match=rf"^The {field} property is required\.$") as raised:
        decode({"model": "m", "input": given})
    assert (raised.value.param, raised.value.http_status, raised.value.http_code) == (
        *(f"input.{field}", 400, "InvalidParameter"),
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({**WHOLE, "model": 1}, "model"),
        ({**WHOLE, "input": "text"}, "input"),
        ({**WHOLE, "parameters": []}, "parameters"),
        (changed("input", text=["secret words"]), "input.text"),
        (changed("input", text="secret\0words"), "input.text"),
        (changed("input", voice=1.5), "input.voice"),
        (changed("input", voice="\0"), "input.voice"),
        (changed("input", language_type=True), "input.language_type"),
        (changed("input", language_type="Klingon"), "input.language_type"),
        (changed("parameters", language_type="Klingon"), "parameters.language_type"),
        (changed("parameters", instructions={}), "parameters.instructions"),
        (changed("parameters", optimize_instructions="true"), "parameters.optimize_instructions"),
    ],
)
def test_a_bad_value_is_refused_by_the_path_of_its_field(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode(body)
    assert raised.value.param == param
    assert param in raised.value.message
    assert "secret" not in raised.value.message


@given(
    st.binary()
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_any_body_is_a_request_or_a_documented_refusal(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_request(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {
            "model": json_values,
            "input": st.dictionaries(st.sampled_from(["text", "voice", "language_type"]), json_values),
        },
        optional={"parameters": json_values},
    )
)
def test_any_object_is_a_request_or_a_documented_refusal(body: Any) -> None:
    try:
        request = decode(body)
    except InvalidRequest as error:
        assert error.http_status == 400
    else:
        assert request.model and request.text and request.voice


def test_an_answer_has_the_documented_bytes() -> None:
    answer = GenerationAnswer.complete(
        request_id="r1", url="http://h/a.wav", expires_at=1766113409, usage=Usage.of_characters(195)
    )
    assert answer.encode() == (
        b'{"output":{"finish_reason":"stop","audio":{"data":"","expires_at":1766113409,"id":"audio_r1",'
        b'"url":"http://h/a.wav"}},"usage":{"characters":195},"request_id":"r1"}'
    )


def test_a_part_has_the_documented_bytes() -> None:
    part = encode_part(
        b"\x00\x01\x00", request_id="r1", expires_at=1758619200, usage=Usage.of_characters(195)
    )
    assert part == (
        b'{"output":{"finish_reason":"null","audio":{"data":"AAEA","expires_at":1758619200,"id":"audio_r1"}},'
        b'"usage":{"characters":195},"request_id":"r1"}'
    )


def test_a_part_may_say_when_its_words_sound() -> None:
    marks = [Mark(0, 5, 60.4, 180.0)]
    part = encode_part(b"", request_id="r", expires_at=0, usage=Usage.of_characters(1), words=marks)
    assert json.loads(part)["output"]["words"] == [
        {"begin_index": 0, "end_index": 5, "begin_time": 60, "end_time": 180}
    ]


@pytest.mark.parametrize("place", ["input", "parameters"])
def test_times_of_words_are_asked_for_in_either_place(place: str) -> None:
    assert decode(changed(place, word_timestamps=True)).word_timestamps
    assert not decode(WHOLE).word_timestamps


def test_the_usage_of_a_token_model_has_the_documented_bytes() -> None:
    answer = GenerationAnswer.complete(
        request_id="r", url="u", expires_at=0, usage=Usage.of_tokens(text_tokens=76, audio_tokens=1045)
    )
    assert (
        b'"usage":{"total_tokens":1121,"input_tokens":76,"output_tokens":1045,"input_tokens_details":{"text_tokens":76},'
        b'"output_tokens_details":{"audio_tokens":1045,"text_tokens":0}}'
    ) in answer.encode()
