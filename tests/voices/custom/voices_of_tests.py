"""Own voices that tests make."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

from saystream.voices.custom.voice import OwnVoice

NOW = datetime(2030, 1, 2, 3, 4, 5, 678000, UTC)

_numbers = count()


def cloned(**facts: Any) -> OwnVoice:
    """A voice of CosyVoice, whose name nobody else has."""
    number = next(_numbers)
    return OwnVoice(
        **{
            "name": f"cosyvoice-v3-flash-anna-{number}",
            "prefix": "anna",
            "workspace": "home",
            "family": "voice-enrollment",
            "origin": "cloned",
            "target_model": "cosyvoice-v3-flash",
            "created_at": NOW,
            "modified_at": NOW,
            **facts,
        }
    )
