"""What a text and its audio are billed for, by the service's rules (protocol reference, realtime §3,
usage)."""

from __future__ import annotations

import math

from saystream.text.characters import is_ideograph

__all__ = ["audio_tokens", "billed_characters", "estimated_text_tokens"]

_AUDIO_TOKENS_PER_SECOND = 50
_LETTERS_PER_TOKEN = 4
_IDEOGRAPHS_PER_TOKEN = 1.5
"""Rough averages of the Qwen tokenizer on plain prose; the tokenizer itself is not part of the server."""


def billed_characters(text: str) -> int:
    """Han characters (hanzi, kanji, hanja) 2, everything else 1, counted on the text as sent.

    Spaces and punctuation of any width, kana, hangul and each code point of an emoji are "everything else"
    (protocol reference, realtime §3, usage).
    """
    return len(text) + sum(map(is_ideograph, text))


def audio_tokens(audio_ms: float) -> int:
    """50 for each started second."""
    return math.ceil(audio_ms / 1000) * _AUDIO_TOKENS_PER_SECOND


def estimated_text_tokens(text: str) -> int:
    """About as many tokens as the model would read; at least 1 for any text."""
    ideographs = sum(map(is_ideograph, text))
    return math.ceil(ideographs / _IDEOGRAPHS_PER_TOKEN + (len(text) - ideographs) / _LETTERS_PER_TOKEN)
