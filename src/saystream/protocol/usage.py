"""What a response is billed for, as the realtime and the HTTP interface write it (protocol reference, realtime §3)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

__all__ = ["HttpOutputTokenDetails", "HttpUsage", "InputTokenDetails", "OutputTokenDetails", "Usage"]


class InputTokenDetails(msgspec.Struct, frozen=True):
    text_tokens: int


class OutputTokenDetails(msgspec.Struct, frozen=True, kw_only=True):
    text_tokens: int = 0
    audio_tokens: int


class HttpOutputTokenDetails(msgspec.Struct, frozen=True):
    audio_tokens: int
    text_tokens: int


class _Counts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    characters: int | UnsetType = UNSET
    total_tokens: int | UnsetType = UNSET
    input_tokens: int | UnsetType = UNSET
    output_tokens: int | UnsetType = UNSET
    input_tokens_details: InputTokenDetails | UnsetType = UNSET


class Usage(_Counts, frozen=True, kw_only=True, omit_defaults=True):
    """What is billed. Created by one of the class methods."""

    output_tokens_details: OutputTokenDetails | UnsetType = UNSET

    @classmethod
    def of_characters(cls, characters: int) -> Usage:
        """Usage of a Qwen3-TTS model."""
        return cls(characters=characters)

    @classmethod
    def of_tokens(cls, *, text_tokens: int, audio_tokens: int) -> Usage:
        """Usage of a Qwen-TTS model: ``text_tokens`` went in, ``audio_tokens`` came out."""
        return cls(
            total_tokens=text_tokens + audio_tokens,
            input_tokens=text_tokens,
            output_tokens=audio_tokens,
            input_tokens_details=InputTokenDetails(text_tokens),
            output_tokens_details=OutputTokenDetails(audio_tokens=audio_tokens),
        )


class HttpUsage(_Counts, frozen=True, kw_only=True, omit_defaults=True):
    """The same over HTTP, which documents the output details in the other order."""

    output_tokens_details: HttpOutputTokenDetails | UnsetType = UNSET

    @classmethod
    def of(cls, usage: Usage) -> HttpUsage:
        return msgspec.convert(msgspec.to_builtins(usage), cls)
