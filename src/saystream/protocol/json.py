"""How the doors read JSON: what was sent, and why it is invalid. Callers refuse it with their protocol's own error."""

from __future__ import annotations

import codecs
from typing import Any, Final

import msgspec

from saystream.errors import FrameTooLarge, InvalidBody, quote
from saystream.protocol.surrogates import decode_with_halves, mended

__all__ = ["NOT_JSON", "check_frame_size", "decode_body_object", "type_name", "why_not_json"]

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


def check_frame_size(frame: str, max_frame_bytes: int) -> None:
    """Raise ``FrameTooLarge`` when ``frame`` has more than ``max_frame_bytes`` bytes as UTF-8."""
    if len(frame) * 4 <= max_frame_bytes:
        return  # no character takes more than four bytes
    size = len(frame) if frame.isascii() else len(frame.encode("utf-8", "surrogatepass"))
    if size > max_frame_bytes:
        raise FrameTooLarge(f"A frame of {size} bytes came; the limit is {max_frame_bytes}.")


def decode_body_object(body: bytes) -> dict[str, Any]:
    """The fields of a request's body, with values of any type. A byte order mark is skipped, and halves of characters
    are mended (``surrogates``). Raises InvalidBody if it is not a JSON object."""
    try:
        fields = decode_with_halves(body.removeprefix(codecs.BOM_UTF8))
    except msgspec.DecodeError as error:  # also for a number beyond all bounds, such as 1e999
        raise InvalidBody(f"The body is not valid JSON: {why_not_json(error)}.") from error
    except (RecursionError, UnicodeDecodeError) as error:
        raise InvalidBody(f"The body is not valid JSON: it is {why_not_json(error)}.") from error
    if not isinstance(fields, dict):
        raise InvalidBody(f"The body must be a JSON object; {type_name(fields)} came.")
    mended_fields: dict[str, Any] = mended(fields)
    return mended_fields
