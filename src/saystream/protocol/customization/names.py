"""Families of voices of one's own, the names that new ones get, and how their dates are written (protocol reference,
http §4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, get_args

__all__ = [
    "FAMILIES",
    "MAX_NAME_CHARACTERS",
    "NAME",
    "Family",
    "Origin",
    "Status",
    "new_name",
    "timestamp",
]

Family: TypeAlias = Literal["qwen-voice-enrollment", "qwen-voice-design", "voice-enrollment"]
"""What a voice was made with: the ``model`` of a request. The last one is CosyVoice's."""
FAMILIES: Final[tuple[Family, ...]] = get_args(Family)

Origin: TypeAlias = Literal["cloned", "designed"]

Status: TypeAlias = Literal["DEPLOYING", "OK", "UNDEPLOYED"]
"""It is being made, it speaks, or it cannot speak because of what it was made from."""

MAX_NAME_CHARACTERS: Final = 128
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""No other name can be one of these voices."""

_ID_DIGITS: Final = 4
"""Of the random number in names of Qwen-TTS."""


def new_name(
    family: Family, origin: Origin, *, target_model: str, prefix: str, at: datetime, random_hex: str
) -> str:
    """The name of a voice that is made now. ``random_hex`` is at least 32 random digits.

    Qwen-TTS: ``qwen-tts-vc-<prefix>-voice-<YYYYMMDDhhmmssmmm>-<4 digits>``, with ``vd`` for designed ones. CosyVoice:
    ``<target_model>-<prefix>-<32 digits>``, with ``vd-`` before the prefix.
    """
    if family == "voice-enrollment":
        kind = "vd-" if origin == "designed" else ""
        return f"{target_model}-{kind}{prefix}-{random_hex[:32]}"
    kind = "vd" if origin == "designed" else "vc"
    moment = at.astimezone(UTC)
    time = f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03d}"
    return f"qwen-tts-{kind}-{prefix}-voice-{time}-{random_hex[:_ID_DIGITS]}"


def timestamp(at: datetime) -> str:
    """Such as ``2030-01-02 03:04:05``, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
