"""What a program asks of OpenAI's speech interface, ``POST /v1/audio/speech``, and what is made of it.

Programs were written for many servers: fields that this one does not know, and fields that are null or empty, are as if
they were absent; names may be written in any case; a number may be a string.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, NoReturn, get_args

import msgspec
from msgspec import Meta

from saystream.errors import InvalidRequest, InvalidValue, TextTooLong, quote
from saystream.languages import AUTO, LANGUAGE_TYPES, language_type_of
from saystream.parameters import MARKUPS, PARAMETERS, Markup
from saystream.protocol.json import decode_body_object, type_name

__all__ = [
    "MAX_INPUT_CHARACTERS",
    "RESPONSE_FORMATS",
    "SPEECH_SCHEMA",
    "SPEED_RANGE",
    "STREAM_FORMATS",
    "ResponseFormat",
    "SpeechRequest",
    "decode_speech_request",
]

MAX_INPUT_CHARACTERS: Final = 4096
"""Limit for one text."""

SPEED_RANGE: Final = (0.25, 4.0)

ResponseFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
RESPONSE_FORMATS: Final[tuple[ResponseFormat, ...]] = get_args(ResponseFormat)

StreamFormat = Literal["audio", "sse"]
STREAM_FORMATS: Final[tuple[StreamFormat, ...]] = get_args(StreamFormat)

_CHOICES: Final = {
    "response_format": RESPONSE_FORMATS,
    "stream_format": STREAM_FORMATS,
    "markup": MARKUPS,
}

_MOST_NAMED = 20
"""Unknown fields that are named."""

_PLACED = re.compile(r"(?P<problem>.*) - at `\$\.(?P<field>[^`]*)`", re.DOTALL)
_NO_CHOICE = re.compile(r"Invalid enum value .*", re.DOTALL)
"""msgspec's message. If it ever changes, it is passed on as it is."""


class SpeechRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants to hear."""

    input: str
    model: str = ""
    """Empty for the server's choice, as ``voice`` is."""
    voice: str = ""
    instructions: str = ""
    response_format: ResponseFormat = "mp3"
    speed: Annotated[float, Meta(ge=SPEED_RANGE[0], le=SPEED_RANGE[1])] = 1.0
    stream_format: StreamFormat = "audio"
    language: str = AUTO
    """A word of ``LANGUAGE_TYPES``."""
    markup: Markup = "auto"
    """A field of this server's own."""


def _may_be_absent(*schemas: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {"anyOf": [*schemas, {"type": "null"}, {"const": ""}], **facts}


_NAME: Final = {"type": "string", "pattern": "^[^\\x00]*$"}
SPEECH_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["input"],
    "properties": {
        "model": _may_be_absent(
            _NAME, description="A name of `GET /v1/models`, in any case.", examples=["gpt-4o-mini-tts"]
        ),
        "input": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_INPUT_CHARACTERS,
            "description": "What to say.",
            "examples": ["Hello."],
        },
        "voice": _may_be_absent(
            _NAME,
            {"type": "object", "required": ["id"], "properties": {"id": _NAME}},
            description="A name of `GET /v1/voices`, or one of OpenAI's, in any case.",
            examples=["alloy"],
        ),
        "instructions": _may_be_absent(_NAME, description="How to speak, in words."),
        "response_format": _may_be_absent({"enum": list(RESPONSE_FORMATS)}, default="mp3"),
        "speed": _may_be_absent(
            {"type": "number", "minimum": SPEED_RANGE[0], "maximum": SPEED_RANGE[1]},
            {"type": "string", "pattern": "^[0-9.]+$"},
            default=1.0,
        ),
        "stream_format": _may_be_absent(
            {"enum": list(STREAM_FORMATS)},
            description="`audio`: the bytes of the file; `sse`: events.",
            default="audio",
        ),
        "language": _may_be_absent(
            {"type": "string"},
            description="A name or code such as `German`, `de` or `de-AT`; without it the text decides.",
            examples=["de"],
        ),
        "markup": _may_be_absent({"enum": list(MARKUPS)}, description=PARAMETERS["markup"].meaning),
    },
}
"""The JSON Schema of a body. Other fields are ignored."""


def decode_speech_request(body: bytes) -> tuple[SpeechRequest, tuple[str, ...]]:
    """The request in ``body``, and the names of the fields in it that nobody knows here.

    Raises InvalidBody if the body is not a JSON object, TextTooLong, or another InvalidRequest whose ``param`` is
    the field at fault, also if it is missing. The content of ``input`` is never quoted.
    """
    given = decode_body_object(body)
    known = SpeechRequest.__struct_fields__
    fields = {name: value for name in known if (value := _meant(name, given.get(name))) is not None}
    if "input" not in fields:
        raise InvalidRequest("The field 'input' is missing or empty.", param="input")
    try:
        request = msgspec.convert(fields, SpeechRequest, strict=False)
    except msgspec.ValidationError as error:
        _refuse(str(error), fields)
    _check_texts(request)
    return request, tuple(quote(name) for name in given if name not in known)[:_MOST_NAMED]


def _meant(name: str, value: Any) -> Any:
    """``value`` as it is read; ``None`` if it is as good as absent."""
    if name == "voice" and isinstance(value, dict):
        value = value.get("id", value)
    if value == "" or (isinstance(value, str) and name != "input" and not value.strip()):
        return None
    if name in _CHOICES and isinstance(value, str):
        return value.strip().lower()
    if name == "language" and isinstance(value, str):
        if (language := language_type_of(value)) is None:
            raise InvalidValue("language", value, LANGUAGE_TYPES, reason="Codes such as 'de' are taken too.")
        return language
    if name == "speed" and isinstance(value, bool):
        raise InvalidValue("speed", "a boolean", f"a number from {SPEED_RANGE[0]} to {SPEED_RANGE[1]}")
    return value


def _check_texts(request: SpeechRequest) -> None:
    for param in ("input", "instructions", "voice", "model"):
        if "\0" in getattr(request, param):
            raise InvalidRequest(f"{param} holds a NUL character.", param=param)
    if len(request.input) > MAX_INPUT_CHARACTERS:
        raise TextTooLong(
            f"input has {len(request.input)} characters; at most {MAX_INPUT_CHARACTERS} are allowed.",
            param="input",
        )


def _refuse(message: str, fields: dict[str, Any]) -> NoReturn:
    """Raises msgspec's ``message`` as an error of the field; if there are only a few choices, with all of them."""
    placed = _PLACED.fullmatch(message)
    assert placed is not None, "an object is always given"
    problem, field = placed["problem"], placed["field"]
    if _NO_CHOICE.fullmatch(problem) is not None and field in _CHOICES:
        raise InvalidValue(field, fields[field], _CHOICES[field])
    if field == "speed":
        value = fields[field]
        said = value if isinstance(value, str | int | float) else type_name(value)
        raise InvalidValue(field, said, f"a number from {SPEED_RANGE[0]} to {SPEED_RANGE[1]}")
    raise InvalidRequest(f"{quote(problem)} in {field}.", param=field)
