"""Request and response bodies of CosyVoice over HTTP (protocol reference, http §3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import pybase64
from msgspec import UNSET, UnsetType

from saystream.errors import InvalidRequest, InvalidValue, MissingInput, MissingModel
from saystream.protocol.http.generation import AudioBody
from saystream.protocol.json import decode_body_object, type_name
from saystream.protocol.task.events import Word
from saystream.protocol.task.parameters import TaskParameters, decode_parameters
from saystream.protocol.usage import Usage

__all__ = [
    "PATH",
    "Sentence",
    "SynthesisAnswer",
    "SynthesisOutput",
    "SynthesisRequest",
    "audio_body",
    "decode_synthesis",
]

PATH: Final = "/api/v1/services/audio/tts/SpeechSynthesizer"


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """What a client wants to hear."""

    model: str
    text: str
    parameters: TaskParameters


def decode_synthesis(body: bytes) -> SynthesisRequest:
    """The request in ``body``; the parameters stand beside the text in ``input``.

    Raises InvalidBody if the body is not a JSON object, MissingModel, MissingInput, and InvalidRequest whose ``param``
    is the path of the field at fault.
    """
    fields = decode_body_object(body)
    model = _string(fields, "model", "model")
    if not model:
        raise MissingModel("The model property is required.", param="model")
    given = fields.get("input")
    if given is not None and not isinstance(given, dict):
        raise InvalidValue("input", type_name(given), "an object")
    if not given:
        raise MissingInput("The input property is required.", param="input")
    text = _string(given, "text", "input.text")
    if not text:
        raise InvalidRequest("The text property is required.", param="input.text")
    parameters = decode_parameters(given, prefix="input.")
    if not parameters.voice:
        raise InvalidRequest("The voice property is required.", param="input.voice")
    return SynthesisRequest(model, text, parameters)


def _string(fields: dict[str, Any], name: str, param: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidValue(param, type_name(value), "a string")
    return value


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    """Counts from 0."""
    words: tuple[Word, ...] = ()


class SynthesisOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The last one has no ``type``, and the link."""

    type: Literal["sentence-begin", "sentence-synthesis", "sentence-end"] | UnsetType = UNSET
    original_text: str | UnsetType = UNSET
    sentence: Sentence | UnsetType = UNSET
    finish_reason: Literal["null", "stop"] = "null"
    """The *word* null while more is to come."""
    audio: AudioBody | UnsetType = UNSET


class SynthesisAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an answer without SSE; with SSE, the data of one frame."""

    output: SynthesisOutput
    usage: Usage | UnsetType = UNSET
    request_id: str

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


def audio_body(audio: bytes, *, request_id: str, expires_at: int, url: str | UnsetType = UNSET) -> AudioBody:
    """Audio, or the link to all of it."""
    data = pybase64.b64encode_as_string(audio)
    return AudioBody(data=data, expires_at=expires_at, id=f"audio_{request_id}", url=url)
