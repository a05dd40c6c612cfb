from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.errors import InvalidBody
from saystream.protocol.json import NOT_JSON, decode_body_object, type_name, why_not_json


class Point(msgspec.Struct):
    x: int


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('"a"', "a string"),
        ("1", "a number"),
        ("1.5", "a number"),
        ("true", "a boolean"),
        ("{}", "an object"),
        ("[]", "an array"),
        ("null", "null"),
    ],
)
def test_every_json_type_has_a_name(text: str, name: str) -> None:
    assert type_name(msgspec.json.decode(text)) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('"\ud800"', "a lone surrogate"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        ("{", "Input data was truncated"),
    ],
)
def test_what_is_no_json_says_why(text: str | bytes, why: str) -> None:
    with pytest.raises(NOT_JSON) as caught:
        msgspec.json.decode(text)
    assert why_not_json(caught.value) == why


def test_a_body_gives_what_was_wanted() -> None:
    assert decode_body_object(b'{"x": [null]}') == {"x": [None]}
    assert decode_body_object(b'\xef\xbb\xbf{"x": 1}') == {"x": 1}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The body is not valid JSON: Input data was truncated."),
        (b"[" * 100_000, "The body is not valid JSON: it is nested too deeply."),
        (b'{"x": "\xff"}', "The body is not valid JSON: it is not UTF-8."),
        (b'{"x": 1e999}', "The body is not valid JSON: Number out of range - at `$[...]`."),
        (b"[1]", "The body must be a JSON object; an array came."),
    ],
)
def test_a_body_that_is_no_object_is_refused_with_the_reason(body: bytes, message: str) -> None:
    with pytest.raises(InvalidBody) as caught:
        decode_body_object(body)
    assert caught.value.message == message


def test_half_a_character_in_a_body_is_mended() -> None:
    assert decode_body_object(b'{"x": "a\\ud83d"}') == {"x": "a\ufffd"}


@given(st.binary(max_size=200))
def test_any_body_is_an_object_or_refused(body: bytes) -> None:
    try:
        assert isinstance(decode_body_object(body), dict)
    except InvalidBody as refusal:
        assert len(refusal.message) < 400
