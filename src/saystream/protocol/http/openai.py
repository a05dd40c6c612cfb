"""Answers and events of OpenAI's speech interface, ``POST /v1/audio/speech``, and its list of models."""

from __future__ import annotations

from typing import Literal

import msgspec
import pybase64

from saystream.errors import SaystreamError
from saystream.protocol.http.errors import OpenAIError, OpenAIErrorDetails

__all__ = [
    "ModelEntry",
    "ModelList",
    "SpeechAudioDelta",
    "SpeechAudioDone",
    "SpeechError",
    "SpeechUsage",
    "audio_delta",
    "encode_event",
    "error_body",
]


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


def encode_event(event: SpeechAudioDelta | SpeechAudioDone | SpeechError) -> bytes:
    """One server-sent event."""
    return b"data: %s\n\n" % msgspec.json.encode(event)


def audio_delta(audio: bytes) -> SpeechAudioDelta:
    return SpeechAudioDelta(pybase64.b64encode_as_string(audio))


def error_body(error: SaystreamError) -> OpenAIError:
    return OpenAIError(OpenAIErrorDetails(error.message, error.kind, error.param, error.code))
