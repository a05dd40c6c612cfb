"""Request and response bodies of Qwen-TTS over HTTP (protocol reference, http §2).

What a peer sends becomes a request or raises an error that names the field at fault; spoken text is never
quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import pybase64
from msgspec import UNSET, UnsetType

from saystream.audio import Mark
from saystream.errors import InvalidRequest, InvalidValue, MissingInput, MissingModel, quote
from saystream.parameters import PARAMETERS, Markup
from saystream.protocol.json import decode_body_object, type_name
from saystream.protocol.usage import HttpUsage, Usage
from saystream.protocol.word_times import WordTime, word_times

__all__ = [
    "PATH",
    "STYLE_PARAMETERS",
    "AudioBody",
    "GenerationAnswer",
    "GenerationRequest",
    "Output",
    "decode_request",
    "encode_part",
]

PATH: Final = "/api/v1/services/aigc/multimodal-generation/generation"

_PARAMETERS: Final = tuple(name for name, entry in PARAMETERS.items() if "generation" in entry.doors)
STYLE_PARAMETERS: Final = tuple(name for name in _PARAMETERS if name != "voice")
"""Those that may stand in ``input`` or in ``parameters``."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a client wants to hear."""

    model: str
    text: str
    voice: str
    language_type: str = "Auto"
    """Spelled as in ``LANGUAGE_TYPES``."""
    instructions: str = ""
    optimize_instructions: bool = False
    word_timestamps: bool = False
    markup: Markup = "auto"
    unknown_fields: tuple[str, ...] = ()
    """Ignored, but worth a line in the log. Cut to a limited length."""

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters that this interface shares with a session."""
        return {name: getattr(self, name) for name in _PARAMETERS}


def decode_request(body: bytes) -> GenerationRequest:
    """The request in ``body``.

    ``language_type``, ``instructions``, ``optimize_instructions``, ``word_timestamps`` and ``markup`` may stand in
    ``input`` or in ``parameters``; ``input`` wins (ruling 19). A null field counts as missing.

    Raises InvalidBody if the body is not a JSON object, MissingModel, MissingInput, and InvalidValue whose
    ``param`` is the path of the field at fault.
    """
    fields = decode_body_object(body)
    model = _string(fields, "model", "model")
    if not model:
        raise MissingModel("The model property is required.", param="model")
    given = _object(fields, "input")
    if not given:
        raise MissingInput("The input property is required.", param="input")
    parameters = _object(fields, "parameters")
    text = _string(given, "text", "input.text")
    if not text:
        raise InvalidRequest("The text property is required.", param="input.text")
    voice = _string(given, "voice", "input.voice")
    if not voice:
        raise InvalidRequest("The voice property is required.", param="input.voice")
    return GenerationRequest(
        model=model,
        text=text,
        voice=voice,
        language_type=_word("language_type", given, parameters),
        instructions=_string(*_place("instructions", given, parameters)),
        optimize_instructions=_boolean(*_place("optimize_instructions", given, parameters)),
        word_timestamps=_boolean(*_place("word_timestamps", given, parameters)),
        markup=_word("markup", given, parameters),
        unknown_fields=_unknown(given, parameters),
    )


class AudioBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    data: str
    """Base64; empty if the audio is at ``url``."""
    expires_at: int
    """Unix seconds, after which ``url`` no longer works."""
    id: str
    url: str | UnsetType = UNSET
    """Link to the whole file, only once it is complete."""


class Output(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    finish_reason: Literal["null", "stop"]
    """The *word* null while more is to come."""
    audio: AudioBody
    words: list[WordTime] | UnsetType = UNSET
    """An addition of this server: the words that begin in the audio, if the request has ``word_timestamps``."""


class GenerationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an answer without SSE; with SSE, the data of the last frame."""

    output: Output
    usage: HttpUsage
    request_id: str

    @classmethod
    def complete(cls, *, request_id: str, url: str, expires_at: int, usage: Usage) -> GenerationAnswer:
        audio = AudioBody(data="", expires_at=expires_at, id=_audio_id(request_id), url=url)
        output = Output(finish_reason="stop", audio=audio)
        return cls(output=output, usage=HttpUsage.of(usage), request_id=request_id)

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


def encode_part(
    audio: bytes, *, request_id: str, expires_at: int, usage: Usage, words: Sequence[Mark] = ()
) -> bytes:
    """The data of a frame that carries audio; ``words`` are those that begin in it."""
    body = AudioBody(
        data=pybase64.b64encode_as_string(audio), expires_at=expires_at, id=_audio_id(request_id)
    )
    output = Output(finish_reason="null", audio=body, words=word_times(words) if words else UNSET)
    return GenerationAnswer(output=output, usage=HttpUsage.of(usage), request_id=request_id).encode()


def _audio_id(request_id: str) -> str:
    return f"audio_{request_id}"


# --- reading ---------------------------------------------------------------------------------------------------------


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if value is not None and not isinstance(value, dict):
        raise InvalidValue(name, type_name(value), "an object")
    return value or {}


def _place(name: str, given: dict[str, Any], parameters: dict[str, Any]) -> tuple[dict[str, Any], str, str]:
    if given.get(name) is not None:
        return given, name, f"input.{name}"
    return parameters, name, f"parameters.{name}"


def _string(fields: dict[str, Any], name: str, param: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidValue(param, type_name(value), "a string")
    if "\0" in value:
        raise InvalidRequest(f"{param} holds a NUL character.", param=param)
    return value


def _boolean(fields: dict[str, Any], name: str, param: str) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidValue(param, type_name(value), "true or false")
    return bool(value)


def _word(name: str, given: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """The value of a parameter that is one of several words."""
    fields, name, param = _place(name, given, parameters)
    parameter = PARAMETERS[name]
    return parameter.kept(_string(fields, name, param) or parameter.default, param=param)


def _unknown(given: dict[str, Any], parameters: dict[str, Any]) -> tuple[str, ...]:
    """``stream`` counts as known: one class of the official SDK sends it, and it has no meaning."""
    names = [f"input.{name}" for name in given if name not in ("text", *_PARAMETERS)]
    names += [f"parameters.{name}" for name in parameters if name not in (*STYLE_PARAMETERS, "stream")]
    return tuple(quote(name) for name in names[:10])
