"""How the doors read JSON: what was sent, and why it is invalid. Callers refuse it with their protocol's own error."""

from __future__ import annotations

import codecs
from typing import Any, Final, TypeVar

import msgspec

from saystream.errors import InvalidBody, quote

__all__ = ["NOT_JSON", "decode_body", "decode_body_object", "type_name", "why_not_json"]

_Wanted = TypeVar("_Wanted")

NOT_JSON: Final = (msgspec.DecodeError, RecursionError, UnicodeError)
"""What a decoder raises: for broken JSON or the wrong shape, JSON nested too deeply, text with a lone surrogate, and
bytes that are not UTF-8."""

_TYPE_NAMES: Final = {
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
    type(None): "null",
}


def type_name(value: object) -> str:
    """The JSON type, such as ``an array``, of a ``value`` that was decoded without a type."""
    return _TYPE_NAMES[type(value)]


def why_not_json(error: BaseException) -> str:
    """The message of ``error``, one of ``NOT_JSON``, with a limited length."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "a lone surrogate"
    return quote(error)


def decode_body(body: bytes, wanted: type[_Wanted]) -> _Wanted:
    """The body of a request. Raises InvalidBody if it is not JSON, and msgspec's ValidationError, which the caller
    explains, if its shape is not that of ``wanted``. A byte order mark is skipped."""
    try:
        return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8), type=wanted)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        raise InvalidBody(f"The body is not valid JSON: {why_not_json(error)}.") from error
    except (RecursionError, UnicodeDecodeError) as error:
        raise InvalidBody(f"The body is not valid JSON: it is {why_not_json(error)}.") from error


def decode_body_object(body: bytes) -> dict[str, Any]:
    """The fields of a request's body, with values of any type. Raises InvalidBody if it is not a JSON object."""
    try:
        fields = decode_body(body, object)
    except msgspec.ValidationError as error:  # a number beyond all bounds, such as 1e999
        raise InvalidBody(f"The body is not valid JSON: {why_not_json(error)}.") from error
    if not isinstance(fields, dict):
        raise InvalidBody(f"The body must be a JSON object; {type_name(fields)} came.")
    return fields
