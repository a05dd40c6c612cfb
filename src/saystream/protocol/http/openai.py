"""Bodies and events of OpenAI's speech interface, ``POST /v1/audio/speech``, and of its list of models."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, get_args

import msgspec
import pybase64
from msgspec import Meta

from saystream.errors import InvalidBody, InvalidRequest, InvalidValue, SaystreamError, TextTooLong, quote
from saystream.protocol.http.errors import OpenAIError, OpenAIErrorDetails
from saystream.protocol.json import decode_body

__all__ = [
    "MAX_INPUT_CHARACTERS",
    "RESPONSE_FORMATS",
    "SPEED_RANGE",
    "STREAM_FORMATS",
    "ModelEntry",
    "ModelList",
    "ResponseFormat",
    "SpeechAudioDelta",
    "SpeechAudioDone",
    "SpeechError",
    "SpeechRequest",
    "SpeechUsage",
    "audio_delta",
    "decode_speech_request",
    "encode_event",
    "error_body",
]

MAX_INPUT_CHARACTERS: Final = 4096
"""Limit for one text."""

SPEED_RANGE: Final = (0.25, 4.0)

ResponseFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
RESPONSE_FORMATS: Final[tuple[ResponseFormat, ...]] = get_args(ResponseFormat)

StreamFormat = Literal["audio", "sse"]
STREAM_FORMATS: Final[tuple[StreamFormat, ...]] = get_args(StreamFormat)

_CHOICES: Final = {"response_format": RESPONSE_FORMATS, "stream_format": STREAM_FORMATS}

_PLACED = re.compile(r"(?P<problem>.*) - at `\$\.(?P<field>[^`]*)`", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING_FIELD = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_NO_CHOICE = re.compile(r"Invalid enum value (?P<value>.*)", re.DOTALL)
"""msgspec's message. If it ever changes, it is passed on as it is."""


class SpeechRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client wants to hear."""

    model: Annotated[str, Meta(description="A name of `GET /v1/models`.", examples=["gpt-4o-mini-tts"])]
    input: Annotated[
        str,
        Meta(
            description="What to say.",
            examples=["Hello."],
            extra_json_schema={"minLength": 1, "maxLength": MAX_INPUT_CHARACTERS},
        ),
    ]
    voice: Annotated[
        str, Meta(description="A name of `GET /v1/voices`, or one of OpenAI's.", examples=["alloy"])
    ]
    instructions: Annotated[
        str | None, Meta(description="How to speak; of use only where the engine takes instructions.")
    ] = None
    response_format: ResponseFormat = "mp3"
    speed: Annotated[float, Meta(ge=SPEED_RANGE[0], le=SPEED_RANGE[1])] = 1.0
    stream_format: Annotated[
        StreamFormat, Meta(description="`audio`: the bytes of the file; `sse`: events.")
    ] = "audio"


class SpeechUsage(msgspec.Struct, frozen=True):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechAudioDelta(msgspec.Struct, frozen=True, tag="speech.audio.delta", tag_field="type"):
    audio: str
    """Base64 of the next bytes of the file."""


class SpeechAudioDone(msgspec.Struct, frozen=True, tag="speech.audio.done", tag_field="type"):
    usage: SpeechUsage


class SpeechError(msgspec.Struct, frozen=True, tag="error", tag_field="type"):
    """What went wrong after the stream had begun. No event follows it."""

    error: OpenAIErrorDetails


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    """Unix seconds."""
    owned_by: str
    object: Literal["model"] = "model"


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    data: list[ModelEntry]
    object: Literal["list"] = "list"


def decode_speech_request(body: bytes) -> SpeechRequest:
    """The request in ``body``.

    Raises InvalidBody if the body is not a JSON object, TextTooLong, or another InvalidRequest whose ``param`` is
    the field at fault, also if it is missing or unknown. The content of ``input`` is never quoted.
    """
    try:
        request = decode_body(body, SpeechRequest)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None
    _check_texts(request)
    return request


def encode_event(event: SpeechAudioDelta | SpeechAudioDone | SpeechError) -> bytes:
    """One server-sent event."""
    return b"data: %s\n\n" % msgspec.json.encode(event)


def audio_delta(audio: bytes) -> SpeechAudioDelta:
    return SpeechAudioDelta(pybase64.b64encode_as_string(audio))


def error_body(error: SaystreamError) -> OpenAIError:
    return OpenAIError(OpenAIErrorDetails(error.message, error.kind, error.param, error.code))


def _check_texts(request: SpeechRequest) -> None:
    for param in ("input", "instructions", "voice", "model"):
        if "\0" in (getattr(request, param) or ""):
            raise InvalidRequest(f"{param} holds a NUL character.", param=param)
    if len(request.input) > MAX_INPUT_CHARACTERS:
        raise TextTooLong(
            f"input has {len(request.input)} characters; at most {MAX_INPUT_CHARACTERS} are allowed.",
            param="input",
        )


def _explained(message: str) -> InvalidRequest:
    """msgspec's message, with the field as ``param`` and, if there are only a few choices, all of them."""
    if (unknown := _UNKNOWN_FIELD.fullmatch(message)) is not None:
        name = quote(unknown["name"])
        return InvalidRequest(f"There is no field '{name}'.", param=name)
    if (missing := _MISSING_FIELD.fullmatch(message)) is not None:
        return InvalidRequest(f"The field '{missing['name']}' is missing.", param=missing["name"])
    placed = _PLACED.fullmatch(message)
    if placed is None:
        return InvalidBody(f"{quote(message)} as the body.")
    problem, field = placed["problem"], placed["field"]
    if (bad := _NO_CHOICE.fullmatch(problem)) is not None and field in _CHOICES:
        return InvalidValue(field, bad["value"].strip("'"), _CHOICES[field])
    return InvalidRequest(f"{quote(problem)} in {field}.", param=field)
