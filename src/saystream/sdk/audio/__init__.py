"""Speech."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from saystream.sdk.audio import qwen_tts_realtime

if TYPE_CHECKING:
    from saystream.sdk.audio import qwen_tts

__all__ = ["qwen_tts", "qwen_tts_realtime"]


def __getattr__(name: str) -> Any:
    """Import what needs an HTTP client only when it is first used."""
    if name == "qwen_tts":
        return import_module("saystream.sdk.audio.qwen_tts")
    raise AttributeError(f"module 'saystream.sdk.audio' has no attribute {name!r}")
