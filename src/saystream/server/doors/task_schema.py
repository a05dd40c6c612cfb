"""The parameters of a task as JSON schemas, for the OpenAPI document."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from saystream.audio import SAMPLE_RATES
from saystream.protocol.task.parameters import LANGUAGE_HINTS, TASK_FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PARAMETER_SCHEMAS"]

_FLAG: Final = {"type": "boolean", "default": False}
_SPEED: Final = {"type": "number", "minimum": 0.5, "maximum": 2.0, "default": 1.0}
_WITHOUT_EFFECT: Final = "Accepted, without effect."
_READINGS: Final = {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}}

PARAMETER_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "voice": {"type": "string", "minLength": 1, "examples": ["longanyang"]},
        "format": {"enum": list(TASK_FORMATS), "description": "The model's own if absent."},
        "sample_rate": {"enum": [0, *SAMPLE_RATES], "default": 0, "description": "Hz; 0 is the model's own."},
        "volume": {"type": "integer", "minimum": 0, "maximum": 100, "default": 50},
        "rate": {**_SPEED, "description": "2.0 is twice as fast."},
        "pitch": _SPEED,
        "bit_rate": {
            "type": "integer",
            "minimum": 6,
            "maximum": 510,
            "description": "kbit/s, if compressed.",
        },
        "text_type": {"enum": ["PlainText", "SSML"], "default": "PlainText"},
        "enable_ssml": {**_FLAG, "description": "Whether a text that is SSML is read as such."},
        "word_timestamp_enabled": {**_FLAG, "description": "Only with events."},
        "phoneme_timestamp_enabled": {**_FLAG, "description": _WITHOUT_EFFECT},
        "seed": {"type": "integer", "minimum": 0, "maximum": 65535, "default": 0},
        "type": {"type": "integer", "default": 0, "description": _WITHOUT_EFFECT},
        "language_hints": {
            "type": "array",
            "items": {"enum": list(LANGUAGE_HINTS)},
            "description": "The first one counts; the language is detected if absent.",
        },
        "instruction": {"type": "string", "description": "How to speak, in words."},
        "hot_fix": {
            "type": "object",
            "description": "How words are read, and what is said instead of them.",
            "properties": {"pronunciation": _READINGS, "replace": _READINGS},
        },
        "enable_markdown_filter": {**_FLAG, "description": "Whether signs of Markdown are left out."},
        "enable_aigc_tag": {**_FLAG, "description": _WITHOUT_EFFECT},
        "aigc_propagator": {"type": "string", "description": _WITHOUT_EFFECT},
        "aigc_propagate_id": {"type": "string", "description": _WITHOUT_EFFECT},
    }
)
"""By the names of the parameters."""
