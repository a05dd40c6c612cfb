"""What a response is billed for, by the model that spoke it (ruling 22)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from saystream.protocol.usage import Usage
from saystream.text.counting import audio_tokens, billed_characters, estimated_text_tokens

if TYPE_CHECKING:
    from saystream.catalog.entries import Model

__all__ = ["CharacterBill", "TokenBill", "bill"]


@dataclass(frozen=True, slots=True)
class CharacterBill:
    """What a Qwen3-TTS model bills."""

    characters: int

    def usage(self) -> Usage:
        return Usage.of_characters(self.characters)


@dataclass(frozen=True, slots=True)
class TokenBill:
    """What a Qwen-TTS model bills, and any model at OpenAI's interface, which counts only tokens."""

    text_tokens: int
    audio_tokens: int

    @classmethod
    def of(cls, text: str, audio_ms: float) -> TokenBill:
        return cls(estimated_text_tokens(text), audio_tokens(audio_ms))

    def usage(self) -> Usage:
        return Usage.of_tokens(text_tokens=self.text_tokens, audio_tokens=self.audio_tokens)


def bill(model: Model, text: str, audio_ms: float) -> CharacterBill | TokenBill:
    """What ``model`` charges for ``text`` and ``audio_ms`` of its audio."""
    if model.usage == "characters":
        return CharacterBill(billed_characters(text))
    return TokenBill.of(text, audio_ms)
