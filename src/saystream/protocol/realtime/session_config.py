"""The configuration of a session in its four shapes: in force, requested, shown by a server, given by a caller.

``saystream.parameters`` says what each field takes; the fields are written out here for the type checker, and tests
compare them with that table.
"""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec
from msgspec import UNSET, UnsetType

from saystream.audio import Container
from saystream.errors import InvalidValue
from saystream.parameters import PARAMETERS, Markup, Mode

__all__ = ["Session", "SessionConfig", "SessionPatch", "SessionSettings"]


class SessionPatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The ``session`` object of a ``session.update``: only the fields that the client names.

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
    word_timestamps: bool | UnsetType = UNSET
    markup: str | UnsetType = UNSET

    def fields_set(self) -> dict[str, Any]:
        """The fields that the client named, with their values, in the order of ``PARAMETERS``."""
        return {name: value for name in PARAMETERS if (value := getattr(self, name)) is not UNSET}


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration in force. Creating it with a bad value raises ``InvalidValue``."""

    voice: str = ""
    """Empty only before the first update, for a model that has no voice of its own."""
    mode: Mode = "server_commit"
    response_format: Container = "pcm"
    sample_rate: int = 24000
    """Hz."""
    language_type: str = "Auto"
    """A client may write it in any case; stored as spelled in ``LANGUAGE_TYPES``."""
    speech_rate: float = 1.0
    """Speed: 2.0 is twice as fast."""
    volume: int = 50
    """50 leaves the voice unchanged."""
    pitch_rate: float = 1.0
    bit_rate: int = 128
    """kbit/s; only for formats that compress."""
    enable_tn: bool = True
    """Text normalisation: numbers and symbols become words before they are spoken."""
    instructions: str = ""
    """How to speak, in words."""
    optimize_instructions: bool = False
    word_timestamps: bool = False
    markup: Markup = "auto"
    """Say when each word sounds, in events of saystream's own."""

    def __post_init__(self) -> None:
        for name, value in self.fields().items():
            if name == "voice" and not value:
                continue
            if _kept(name, value) != value:
                raise InvalidValue(f"session.{name}", value, PARAMETERS[name].allowed)

    def fields(self) -> dict[str, Any]:
        """The value of each parameter."""
        return {name: getattr(self, name) for name in PARAMETERS}

    def changes(self) -> dict[str, Any]:
        """The parameters that are not at their defaults."""
        return {name: value for name, value in self.fields().items() if value != PARAMETERS[name].default}

    def merged(self, patch: SessionPatch) -> SessionConfig:
        """This configuration with the fields of ``patch`` applied.

        Raises ``InvalidValue`` that names every field at fault, the first as its ``param``, ``session.<field>``; then
        nothing of the patch is applied.
        """
        changes: dict[str, Any] = {}
        faults: list[InvalidValue] = []
        for name, value in patch.fields_set().items():
            try:
                changes[name] = _kept(name, value)
            except InvalidValue as fault:
                faults.append(fault)
        if faults:
            raise InvalidValue.all_of(faults)
        return msgspec.structs.replace(self, **changes)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """The ``session`` object that a server sends."""

    object: str = "realtime.session"
    mode: Mode
    model: str
    voice: str
    response_format: str
    sample_rate: int
    """Hz."""
    id: str
    """``sess_…``"""
    language_type: str | UnsetType = UNSET
    speech_rate: float | UnsetType = UNSET
    volume: int | UnsetType = UNSET
    pitch_rate: float | UnsetType = UNSET
    bit_rate: int | UnsetType = UNSET
    """kbit/s"""
    enable_tn: bool | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    optimize_instructions: bool | UnsetType = UNSET
    word_timestamps: bool | UnsetType = UNSET
    markup: str | UnsetType = UNSET

    @classmethod
    def created(cls, *, session_id: str, model: str, config: SessionConfig) -> Session:
        """The short form for ``session.created``: the fields of the documented example, no more."""
        return cls(
            mode=config.mode,
            model=model,
            voice=config.voice,
            response_format=config.response_format,
            sample_rate=config.sample_rate,
            id=session_id,
        )

    @classmethod
    def updated(cls, *, session_id: str, model: str, config: SessionConfig) -> Session:
        """The whole configuration in force; fields that few models have are left out unless set."""
        changes = config.changes()
        shown = {
            name: value
            for name, value in config.fields().items()
            if name in changes or not PARAMETERS[name].is_rare
        }
        return cls(model=model, id=session_id, **shown)


class SessionSettings(TypedDict, total=False):
    """What callers of the client may request by keyword; values and ranges are those of the protocol."""

    voice: str
    mode: str
    """``server_commit`` or ``commit``."""
    response_format: str
    """``pcm``, ``wav``, ``mp3`` or ``opus``."""
    sample_rate: int
    """Hz."""
    language_type: str
    speech_rate: float
    volume: int
    pitch_rate: float
    bit_rate: int
    """kbit/s."""
    enable_tn: bool
    instructions: str
    optimize_instructions: bool
    word_timestamps: bool
    markup: str


def _kept(name: str, value: Any) -> Any:
    return PARAMETERS[name].kept(value, param=f"session.{name}")
