"""The parameters of a task of CosyVoice or Sambert, as an object of a frame or of an HTTP body has them.

Programs in many languages write them, so what does no harm is taken: ``null`` as absent, whole numbers as doubles,
numbers in strings, names in any case, keys that nobody knows. What is left is refused with one error that names every
field at fault (protocol reference, inference §2.2 and §2.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import msgspec

from saystream.audio import SAMPLE_RATES
from saystream.errors import InvalidRequest, InvalidValue, quote
from saystream.protocol.json import type_name
from saystream.protocol.values import Reader, as_number, flag, number, one_of, shown, string, whole

__all__ = [
    "LANGUAGE_HINTS",
    "PARAMETER_NAMES",
    "TASK_FORMATS",
    "HotFix",
    "TaskFormat",
    "TaskParameters",
    "decode_parameters",
    "hints",
]

TaskFormat = Literal["pcm", "wav", "mp3", "opus"]
TASK_FORMATS: Final[tuple[TaskFormat, ...]] = get_args(TaskFormat)

LANGUAGE_HINTS: Final = (
    *("zh", "en", "fr", "de", "ja", "ko", "ru", "pt", "th", "id", "vi"),
    *("es", "it", "ms", "fil", "ar"),
)
"""ISO 639 codes; the last five are those of newer models."""

_MAX_NAMED: Final = 10
"""Unknown keys that are kept for the log."""


class HotFix(msgspec.Struct, frozen=True, kw_only=True):
    """How some words are to be read."""

    pronunciation: tuple[tuple[str, str], ...] = ()
    """Words with how they sound: pinyin with tones, as in "tian1 qi4", or the phones of the CMU dictionary."""
    replace: tuple[tuple[str, str], ...] = ()
    """Words with what is said instead."""


class TaskParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What a task asks for. Values are within the protocol's ranges; a model may take fewer."""

    voice: str = ""
    """Empty if none was named."""
    format: TaskFormat | Literal[""] = ""
    """Empty means the model's own; so does ``Default``, which the official SDK sends."""
    sample_rate: int = 0
    """Hz; 0 means the model's own."""
    volume: int = 50
    rate: float = 1.0
    """2.0 is twice as fast."""
    pitch: float = 1.0
    bit_rate: int | None = None
    """kbit/s; only for formats that compress."""
    text_type: Literal["PlainText", "SSML"] = "PlainText"
    enable_ssml: bool = False
    word_timestamp_enabled: bool = False
    phoneme_timestamp_enabled: bool = False
    seed: int = 0
    language_hints: tuple[str, ...] = ()
    """Codes of ``LANGUAGE_HINTS``; only the first one counts."""
    instruction: str = ""
    """How to speak, in words."""
    hot_fix: HotFix = HotFix()
    enable_markdown_filter: bool = False
    enable_aigc_tag: bool = False
    aigc_propagator: str = ""
    aigc_propagate_id: str = ""
    type: int = 0
    """Sent by the official SDK and documented nowhere; without effect."""
    unknown_fields: tuple[str, ...] = ()
    """Ignored, but worth a line in the log. Cut to a limited length."""

    @property
    def may_be_ssml(self) -> bool:
        """Whether text that is SSML is read as such."""
        return self.enable_ssml or self.text_type == "SSML"

    def changes(self) -> dict[str, Any]:
        """The fields that are not at their defaults, as a client sends them."""
        defaults = TaskParameters()
        changes = {
            name: list(value) if isinstance(value, tuple) else value
            for name in PARAMETER_NAMES
            if (value := getattr(self, name)) != getattr(defaults, name) and name != "hot_fix"
        }
        fixes = {
            name: [{word: said} for word, said in pairs]
            for name in ("pronunciation", "replace")
            if (pairs := getattr(self.hot_fix, name))
        }
        return {**changes, "hot_fix": fixes} if fixes else changes


def decode_parameters(fields: Mapping[str, Any], *, prefix: str = "parameters.") -> TaskParameters:
    """The parameters in ``fields``, which is decoded JSON.

    Raises InvalidValue, whose ``param`` begins with ``prefix``, for one field at fault, and InvalidRequest, which names
    them all, for more.
    """
    read: dict[str, Any] = {}
    faults: list[InvalidValue] = []
    for name, reader in _READERS.items():
        if (value := fields.get(name)) is None:
            continue
        try:
            read[name] = reader(f"{prefix}{name}", value)
        except InvalidValue as fault:
            faults.append(fault)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise InvalidRequest(" ".join(fault.message for fault in faults), param=faults[0].param)
    unknown = [f"{prefix}{name}" for name in fields if name not in _READERS and name not in _IGNORED]
    return TaskParameters(**read, unknown_fields=tuple(map(quote, unknown[:_MAX_NAMED])))


# --- reading of one value --------------------------------------------------------------------------------------------


def _sample_rate(param: str, value: Any) -> int:
    given = as_number(value)
    if given is None or given not in (0, *SAMPLE_RATES):
        raise InvalidValue(param, shown(value), SAMPLE_RATES)
    return int(given)


def hints(param: str, value: Any) -> tuple[str, ...]:
    """Reads ``language_hints``: an array of codes, or one of them."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list):
        raise InvalidValue(param, type_name(value), "an array of strings")
    read = one_of(*LANGUAGE_HINTS, default=("",))
    return tuple(hint for each in given if each is not None and (hint := read(param, each)))


def _hot_fix(param: str, value: Any) -> HotFix:
    if not isinstance(value, dict):
        raise InvalidValue(param, type_name(value), "an object")
    kinds = {name: _pairs(f"{param}.{name}", value.get(name)) for name in ("pronunciation", "replace")}
    return HotFix(**kinds)


def _pairs(param: str, value: Any) -> tuple[tuple[str, str], ...]:
    """An array of objects, each of which maps words to what becomes of them; one object does as well."""
    entries = [value] if isinstance(value, dict) else value or []
    allowed = 'an array of objects of strings, such as [{"word": "reading"}]'
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidValue(param, type_name(value), allowed)
    pairs = [pair for entry in entries for pair in entry.items()]
    if not all(word and isinstance(said, str) for word, said in pairs):
        raise InvalidValue(param, type_name(value), allowed)
    return tuple(pairs)


_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "voice": string,
        "volume": whole(0, 100),
        "text_type": one_of("PlainText", "SSML"),
        "sample_rate": _sample_rate,
        "rate": number(0.5, 2.0),
        "format": one_of(*TASK_FORMATS, default=("default", "")),
        "pitch": number(0.5, 2.0),
        "seed": whole(0, 65535),
        "type": whole(-(1 << 31), (1 << 31) - 1),
        "bit_rate": whole(6, 510, " (kbit/s)"),
        "enable_ssml": flag,
        "word_timestamp_enabled": flag,
        "phoneme_timestamp_enabled": flag,
        "language_hints": hints,
        "instruction": string,
        "hot_fix": _hot_fix,
        "enable_markdown_filter": flag,
        "enable_aigc_tag": flag,
        "aigc_propagator": string,
        "aigc_propagate_id": string,
    }
)

PARAMETER_NAMES: Final = tuple(_READERS)
"""In the order in which the official SDK sends them."""

_IGNORED: Final = frozenset({"stream", "text"})
"""``stream`` comes from older SDKs; ``text`` stands beside the parameters in an HTTP body."""
