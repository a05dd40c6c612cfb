"""The configuration of a session: its fields, ranges and defaults, and how a ``session.update`` changes it.

``FIELDS`` is the one place that says what a field takes: refusals are made from it and the reference page is
tested against it. What a *model* takes of this (which voice, which format) is the catalogue's matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import UNSET, UnsetType

from saystream.audio import SAMPLE_RATES, Container
from saystream.errors import InvalidValue

__all__ = [
    "FIELDS",
    "LANGUAGE_TYPES",
    "MODES",
    "RESPONSE_FORMATS",
    "ConfigField",
    "Mode",
    "SessionConfig",
    "SessionPatch",
]

Mode = Literal["server_commit", "commit"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)

RESPONSE_FORMATS: Final[tuple[Container, ...]] = ("pcm", "wav", "mp3", "opus")

LANGUAGE_TYPES: Final = (
    "Auto",
    "Chinese",
    "English",
    "German",
    "Italian",
    "Portuguese",
    "Spanish",
    "Japanese",
    "Korean",
    "French",
    "Russian",
)
_LANGUAGE_OF: Final = {name.lower(): name for name in LANGUAGE_TYPES}


@dataclass(frozen=True, slots=True)
class ConfigField:
    """What one field of ``session`` takes."""

    wire_type: str
    """The JSON type in words, such as ``an integer``."""
    allowed: tuple[str | int, ...] | str
    """The values one by one, or a sentence that says which."""
    accepts: Callable[[Any], bool]
    """Whether a value of the right type is allowed."""

    @property
    def allowed_words(self) -> str:
        """``allowed`` as one line."""
        if isinstance(self.allowed, str):
            return self.allowed
        return f"{self.wire_type}, one of {', '.join(map(str, self.allowed))}"


def _one_of(wire_type: str, values: tuple[str | int, ...]) -> ConfigField:
    return ConfigField(wire_type, values, values.__contains__)


def _number(low: float, high: float) -> ConfigField:
    return ConfigField("a number", f"a number from {low} to {high}", lambda value: low <= value <= high)


def _integer(low: int, high: int, unit: str = "") -> ConfigField:
    allowed = f"an integer from {low} to {high}{unit}"
    return ConfigField("an integer", allowed, lambda value: low <= value <= high)


def _any(wire_type: str, allowed: str) -> ConfigField:
    return ConfigField(wire_type, allowed, lambda value: True)


FIELDS: Final = MappingProxyType(
    {
        "voice": ConfigField("a string", "the name of a voice", lambda value: bool(value.strip())),
        "mode": _one_of("a string", MODES),
        "response_format": _one_of("a string", RESPONSE_FORMATS),
        "sample_rate": _one_of("an integer", SAMPLE_RATES),
        "language_type": ConfigField(
            "a string", LANGUAGE_TYPES, lambda value: isinstance(value, str) and value.lower() in _LANGUAGE_OF
        ),
        "speech_rate": _number(0.5, 2.0),
        "volume": _integer(0, 100),
        "pitch_rate": _number(0.5, 2.0),
        "bit_rate": _integer(6, 510, " (kbit/s)"),
        "enable_tn": _any("a boolean", "true or false"),
        "instructions": _any("a string", "a text"),
        "optimize_instructions": _any("a boolean", "true or false"),
    }
)
"""Every field of ``session`` that a client may set, in the order of the protocol reference §4."""


class SessionPatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The ``session`` object of a ``session.update``: only what the client names.

    Types are checked when it is decoded, values when it is merged. Unknown keys are ignored (ruling 5).
    """

    voice: str | UnsetType = UNSET
    mode: str | UnsetType = UNSET
    response_format: str | UnsetType = UNSET
    sample_rate: int | UnsetType = UNSET
    language_type: str | UnsetType = UNSET
    speech_rate: float | UnsetType = UNSET
    volume: int | UnsetType = UNSET
    pitch_rate: float | UnsetType = UNSET
    bit_rate: int | UnsetType = UNSET
    enable_tn: bool | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    optimize_instructions: bool | UnsetType = UNSET

    def fields_set(self) -> dict[str, Any]:
        """The fields that the client named, with their values, in the order of ``FIELDS``."""
        return {name: value for name in FIELDS if (value := getattr(self, name)) is not UNSET}


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration in force. A bad value is refused when it is made: ``InvalidValue``."""

    voice: str = ""
    """Empty only before the first update, for a model that has no voice of its own."""
    mode: Mode = "server_commit"
    response_format: Container = "pcm"
    sample_rate: int = 24000
    """Hz."""
    language_type: str = "Auto"
    """A client may write it in any case; kept in the spelling of ``LANGUAGE_TYPES``."""
    speech_rate: float = 1.0
    """Speed: 2.0 is twice as fast."""
    volume: int = 50
    """50 is the voice as it is."""
    pitch_rate: float = 1.0
    bit_rate: int = 128
    """kbit/s; of use only in formats that compress."""
    enable_tn: bool = True
    """Text normalisation: numbers and symbols become words before they are spoken."""
    instructions: str = ""
    """How to speak, in words."""
    optimize_instructions: bool = False

    def __post_init__(self) -> None:
        for name in FIELDS:
            if name != "voice" or self.voice:
                _refuse_unless_allowed(name, getattr(self, name))
        if self.language_type not in LANGUAGE_TYPES:
            raise InvalidValue("session.language_type", self.language_type, LANGUAGE_TYPES)

    def merged(self, patch: SessionPatch) -> SessionConfig:
        """This configuration with the fields of ``patch`` put in.

        Raises ``InvalidValue`` whose ``param`` is ``session.<field>``; then nothing of the patch is in force.
        """
        changes = patch.fields_set()
        for name, value in changes.items():
            _refuse_unless_allowed(name, value)
        if "language_type" in changes:
            changes["language_type"] = _LANGUAGE_OF[changes["language_type"].lower()]
        return msgspec.structs.replace(self, **changes)


def _refuse_unless_allowed(name: str, value: Any) -> None:
    field = FIELDS[name]
    if field.accepts(value):
        return
    # Python refuses to print integers of thousands of digits; no allowed number needs more than 64 bits.
    shown = "an integer of more than 64 bits" if isinstance(value, int) and value.bit_length() > 64 else value
    raise InvalidValue(f"session.{name}", shown, field.allowed)
