"""What a client asks at ``POST /services/audio/tts/customization`` (protocol reference, http §4).

Three families share the path, and name the same things differently: here they become the same requests. What a
description, a text or an address holds is never quoted in an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from saystream.errors import (
    InvalidRequest,
    InvalidValue,
    MissingInput,
    MissingModel,
    ModelNotFound,
    TextTooLong,
    quote,
)
from saystream.languages import LANGUAGE_CODES, LANGUAGES, language_type_of
from saystream.protocol.customization.names import FAMILIES, Family
from saystream.protocol.json import decode_body_object, type_name
from saystream.protocol.task.parameters import hints
from saystream.protocol.values import Reader, flag, number, one_of, string, whole

__all__ = [
    "ACTIONS",
    "LIMITS",
    "PATH",
    "PREVIEW_FORMATS",
    "PREVIEW_SAMPLE_RATES",
    "CloneVoice",
    "CustomizationRequest",
    "DeleteVoice",
    "DesignVoice",
    "FamilyLimits",
    "ListVoices",
    "PreviewFormat",
    "QueryVoice",
    "UpdateVoice",
    "decode_customization",
]

PATH: Final = "/api/v1/services/audio/tts/customization"

PreviewFormat: TypeAlias = Literal["wav", "pcm", "mp3", "opus"]
PREVIEW_FORMATS: Final[tuple[PreviewFormat, ...]] = ("wav", "pcm", "mp3", "opus")
PREVIEW_SAMPLE_RATES: Final = (8000, 16000, 24000, 48000)
"""Hz."""

_MAX_TRANSCRIPT_CHARACTERS: Final = 4096
_MAX_CONSENT_CHARACTERS: Final = 1024
_MAX_PAGE_INDEX: Final = 1_000_000
_MAX_PAGE_SIZE: Final = 1000
_MAX_NAMED: Final = 10
"""Unknown fields that are kept for the log."""
_DEFAULT_PREFIX: Final = "voice"


@dataclass(frozen=True, slots=True)
class FamilyLimits:
    """What the documents of one family allow. Texts are counted in code points."""

    prefix: re.Pattern[str]
    prefix_rule: str
    description_characters: int
    preview_characters: int
    min_sample_rate: int
    """Of a recording, in Hz."""
    min_speech_s: float
    """Without a long pause, in a recording."""


LIMITS: Final[Mapping[Family, FamilyLimits]] = MappingProxyType(
    {
        "qwen-voice-enrollment": FamilyLimits(
            re.compile(r"[A-Za-z0-9_]{1,16}"), "1 to 16 letters, digits or underscores", 0, 0, 24_000, 3.0
        ),
        "qwen-voice-design": FamilyLimits(
            re.compile(r"[A-Za-z0-9_]{1,16}"), "1 to 16 letters, digits or underscores", 2048, 1024, 0, 0.0
        ),
        "voice-enrollment": FamilyLimits(
            re.compile(r"[A-Za-z0-9]{1,10}"), "1 to 10 letters or digits", 500, 200, 16_000, 5.0
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneVoice:
    """A voice like that of a recording."""

    family: Family
    target_model: str
    prefix: str
    """What its owner calls it."""
    source: str
    """A data URI or an address."""
    source_param: str
    """The path of the field with it."""
    language: str = ""
    """ISO 639-1; "" if it was not said."""
    transcript: str = ""
    consent: str = ""
    """An addition of this server: a note of who agreed to the use of the recording."""
    max_duration_s: float | None = None
    """Of the recording, as much as is to be used; ``None``: all of it."""
    preprocess: bool = False
    """Noise is to be reduced."""
    normalize_volume: bool = False
    unknown_fields: tuple[str, ...] = ()
    """Ignored, but worth a line in the log. Cut to a limited length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignVoice:
    """A voice as it is described."""

    family: Family
    target_model: str
    prefix: str
    description: str
    preview_text: str
    language: str = ""
    sample_rate: int = 24_000
    """Of the preview, in Hz."""
    response_format: PreviewFormat = "wav"
    unknown_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListVoices:
    """One page of the voices of a family, the newest first."""

    family: Family
    prefix: str = ""
    """How what their owner calls them begins."""
    page_index: int = 0
    page_size: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryVoice:
    family: Family
    voice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateVoice:
    """Another recording for a voice that exists."""

    family: Family
    voice: str
    source: str
    source_param: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVoice:
    family: Family
    voice: str


CustomizationRequest: TypeAlias = (
    CloneVoice | DesignVoice | ListVoices | QueryVoice | UpdateVoice | DeleteVoice
)


def decode_customization(body: bytes) -> CustomizationRequest:
    """The request in ``body``. A field that is null or an empty string is as if it were absent.

    Raises InvalidBody if the body is not a JSON object, MissingModel, ModelNotFound for a model that makes no voices,
    MissingInput, TextTooLong, and InvalidRequest whose ``param`` is the path of the field at fault.
    """
    fields = _Fields(decode_body_object(body), "")
    model = fields.text("model").strip()
    if not model:
        raise MissingModel("The model property is required.", param="model")
    family = next((known for known in FAMILIES if known == model.lower()), None)
    if family is None:
        raise ModelNotFound(
            f"Model '{quote(model)}' makes no voices. Models: {', '.join(FAMILIES)}.", param="model"
        )
    given, parameters = fields.object("input"), fields.object("parameters")
    if not given.names:
        raise MissingInput("The input property is required.", param="input")
    actions = _READERS[family]
    action = one_of(*actions)("input.action", given.required("action"))
    return actions[action](family, given, parameters)


class _Fields:
    """The fields of an object, and where it is."""

    def __init__(self, fields: Mapping[str, Any], prefix: str) -> None:
        self._fields = {name: value for name, value in fields.items() if value is not None and value != ""}
        self._prefix = prefix
        self._read: set[str] = set()

    @property
    def names(self) -> Iterable[str]:
        return self._fields.keys()

    def param(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def object(self, name: str) -> _Fields:
        value = self._take(name)
        if value is not None and not isinstance(value, dict):
            raise InvalidValue(self.param(name), type_name(value), "an object")
        return _Fields(value or {}, f"{self.param(name)}.")

    def text(self, name: str, most: int | None = None) -> str:
        """ "" if it is absent. Its length, but not what it says, is in an error."""
        value = self._take(name)
        if value is None:
            return ""
        text = string(self.param(name), value)
        if "\0" in text:
            raise InvalidRequest(f"{self.param(name)} holds a NUL character.", param=self.param(name))
        if most is not None and len(text) > most:
            raise TextTooLong(
                f"{self.param(name)} has {len(text)} characters; at most {most} are allowed.",
                param=self.param(name),
            )
        return text

    def required(self, name: str, most: int | None = None) -> str:
        text = self.text(name, most)
        if not text.strip():
            raise InvalidRequest(f"The {name} property is required.", param=self.param(name))
        return text

    def value(self, name: str, reader: Reader, default: Any = None) -> Any:
        value = self._take(name)
        return default if value is None else reader(self.param(name), value)

    def unknown(self) -> tuple[str, ...]:
        """Those that nobody has asked for."""
        unread = [name for name in self._fields if name not in self._read]
        return tuple(quote(self.param(name)) for name in unread[:_MAX_NAMED])

    def _take(self, name: str) -> Any:
        self._read.add(name)
        return self._fields.get(name)


# --- the actions -----------------------------------------------------------------------------------------------------

_Decoder: TypeAlias = Callable[[Family, _Fields, _Fields], CustomizationRequest]


def _qwen_clone(family: Family, given: _Fields, parameters: _Fields) -> CloneVoice:
    audio = given.object("audio")
    return CloneVoice(
        family=family,
        target_model=given.required("target_model"),
        prefix=_prefix(family, given, "preferred_name"),
        source=audio.required("data"),
        source_param=audio.param("data"),
        language=_language(given),
        transcript=given.text("text", _MAX_TRANSCRIPT_CHARACTERS),
        consent=given.text("consent", _MAX_CONSENT_CHARACTERS),
        unknown_fields=(*given.unknown(), *audio.unknown(), *parameters.unknown()),
    )


def _cosy_voice(family: Family, given: _Fields, parameters: _Fields) -> CloneVoice | DesignVoice:
    described, recorded = "voice_prompt" in given.names, "url" in given.names
    if described and recorded:
        raise InvalidRequest(
            "input has both a url and a voice_prompt: a voice is cloned from the one or designed from the other.",
            param="input.url",
        )
    if described:
        return _design(family, given, parameters, name="prefix", language=_hint(given))
    return CloneVoice(
        family=family,
        target_model=given.required("target_model"),
        prefix=_prefix(family, given, "prefix"),
        source=given.required("url"),
        source_param=given.param("url"),
        language=_hint(given),
        transcript=given.text("text", _MAX_TRANSCRIPT_CHARACTERS),
        consent=given.text("consent", _MAX_CONSENT_CHARACTERS),
        max_duration_s=given.value("max_prompt_audio_length", number(3, 30, " (seconds)")),
        preprocess=given.value("enable_preprocess", flag, False),
        normalize_volume=given.value("enable_volume_normalization", flag, False),
        unknown_fields=(*given.unknown(), *parameters.unknown()),
    )


def _qwen_design(family: Family, given: _Fields, parameters: _Fields) -> DesignVoice:
    return _design(family, given, parameters, name="preferred_name", language=_language(given) or "zh")


def _design(family: Family, given: _Fields, parameters: _Fields, *, name: str, language: str) -> DesignVoice:
    limits = LIMITS[family]
    return DesignVoice(
        family=family,
        target_model=given.required("target_model"),
        prefix=_prefix(family, given, name),
        description=given.required("voice_prompt", limits.description_characters),
        preview_text=given.required("preview_text", limits.preview_characters),
        language=language,
        sample_rate=parameters.value("sample_rate", _sample_rate, 24_000),
        response_format=parameters.value("response_format", one_of(*PREVIEW_FORMATS), "wav"),
        unknown_fields=(*given.unknown(), *parameters.unknown()),
    )


def _list(family: Family, given: _Fields, parameters: _Fields) -> ListVoices:
    prefix = given.text("prefix") if family == "voice-enrollment" else ""
    return ListVoices(
        family=family,
        prefix=prefix,
        page_index=given.value("page_index", whole(0, _MAX_PAGE_INDEX), 0),
        page_size=given.value("page_size", whole(1, _MAX_PAGE_SIZE), 10),
    )


def _query(family: Family, given: _Fields, parameters: _Fields) -> QueryVoice:
    return QueryVoice(family=family, voice=_voice(family, given))


def _update(family: Family, given: _Fields, parameters: _Fields) -> UpdateVoice:
    return UpdateVoice(
        family=family,
        voice=_voice(family, given),
        source=given.required("url"),
        source_param=given.param("url"),
    )


def _delete(family: Family, given: _Fields, parameters: _Fields) -> DeleteVoice:
    return DeleteVoice(family=family, voice=_voice(family, given))


_READERS: Final[Mapping[Family, Mapping[str, _Decoder]]] = MappingProxyType(
    {
        "qwen-voice-enrollment": {"create": _qwen_clone, "list": _list, "query": _query, "delete": _delete},
        "qwen-voice-design": {"create": _qwen_design, "list": _list, "query": _query, "delete": _delete},
        "voice-enrollment": {
            "create_voice": _cosy_voice,
            "list_voice": _list,
            "query_voice": _query,
            "update_voice": _update,
            "delete_voice": _delete,
        },
    }
)

ACTIONS: Final = MappingProxyType({family: tuple(actions) for family, actions in _READERS.items()})
"""What each family does."""


# --- fields ----------------------------------------------------------------------------------------------------------


def _prefix(family: Family, given: _Fields, name: str) -> str:
    """The name is the client's wish; Qwen-TTS has one of its own without it."""
    limits = LIMITS[family]
    wanted = given.text(name).strip() or ("" if family == "voice-enrollment" else _DEFAULT_PREFIX)
    if not wanted:
        raise InvalidRequest(f"The {name} property is required.", param=given.param(name))
    if limits.prefix.fullmatch(wanted) is None:
        raise InvalidValue(given.param(name), wanted, limits.prefix_rule)
    return wanted


def _voice(family: Family, given: _Fields) -> str:
    return given.required("voice_id" if family == "voice-enrollment" else "voice").strip()


def _language(given: _Fields) -> str:
    """ISO 639-1, from a code or a name in any case; "" if it is absent."""
    name = given.text("language")
    if not name:
        return ""
    code = LANGUAGE_CODES.get(language_type_of(name) or "")
    if code is None:
        raise InvalidValue(given.param("language"), name, [language.code for language in LANGUAGES])
    return code


def _hint(given: _Fields) -> str:
    """The first of the hints, which is the one that counts; "" if there is none."""
    return next(iter(given.value("language_hints", hints, ())), "")


def _sample_rate(param: str, value: Any) -> int:
    rate: int = whole(0, 1_000_000)(param, value)
    if rate not in PREVIEW_SAMPLE_RATES:
        raise InvalidValue(param, rate, PREVIEW_SAMPLE_RATES)
    return rate
