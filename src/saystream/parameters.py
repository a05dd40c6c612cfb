"""The parameters of a session: the one table of what each takes, its default, and the doors that have it.

Session fields, the catalogue's checks, the OpenAPI document, command-line help and the reference pages follow from
``PARAMETERS``, or are tested equal to it. ``catalog/models.toml`` says which model takes which parameter.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import msgspec

from saystream.audio import SAMPLE_RATES, Container
from saystream.errors import InvalidValue
from saystream.languages import AUTO, LANGUAGE_TYPES

__all__ = [
    "MARKUPS",
    "MODES",
    "PARAMETERS",
    "RESPONSE_FORMATS",
    "SPEECH_RATES",
    "Choices",
    "Markup",
    "Mode",
    "Parameter",
    "Range",
    "Words",
]

Mode = Literal["server_commit", "commit"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)

Markup = Literal["auto", "strip", "read"]
MARKUPS: Final[tuple[Markup, ...]] = get_args(Markup)

RESPONSE_FORMATS: Final[tuple[Container, ...]] = ("pcm", "wav", "mp3", "opus")

_JSON_TYPES: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}


class Choices(msgspec.Struct, frozen=True):
    """One of several values."""

    values: tuple[str | int, ...]
    any_case: bool = False
    """A client may write it in any case; it is stored as spelled in ``values``."""

    def kept(self, value: Any) -> Any:
        """``value`` as it is stored; ``None`` if it is not allowed."""
        if value in self.values or not self.any_case:
            return value if value in self.values else None
        return next((own for own in self.values if str(own).lower() == str(value).lower()), None)

    def __str__(self) -> str:
        *first, last = map(str, self.values)
        return f"{', '.join(first)} or {last}"


class Range(msgspec.Struct, frozen=True):
    """A number between two limits, inclusive."""

    lowest: float
    highest: float

    def kept(self, value: Any) -> Any:
        return value if self.lowest <= value <= self.highest else None

    def __str__(self) -> str:
        return f"{self.lowest} to {self.highest}"


class Words(msgspec.Struct, frozen=True):
    """Any value of the type, except a blank one if the parameter must not be blank."""

    allowed: str
    """The allowed values, in words."""
    blank: bool = True
    """Whether it may be text of blanks alone."""

    def kept(self, value: Any) -> Any:
        return value if self.blank or value.strip() else None

    def __str__(self) -> str:
        return self.allowed


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """What one parameter of a session takes."""

    name: str
    """The name of the field on the wire."""
    default: str | int | float | bool
    """Its type is the parameter's type; empty text means none."""
    values: Choices | Range | Words
    unit: str = ""
    meaning: str
    """One line of text."""
    doors: tuple[str, ...] = ("realtime",)
    """Which of ``realtime``, ``generation`` and ``openai`` have it by this name and with these values."""
    is_listed: bool = False
    """A model takes values other than the default only if ``models.toml`` lists the parameter for it."""
    is_rare: bool = False
    """Few models have it: ``session.updated`` shows it only if it is not the default."""

    @property
    def wire_type(self) -> str:
        """The JSON type in words, such as ``an integer``."""
        name = _JSON_TYPES[type(self.default)]
        return f"{'an' if name == 'integer' else 'a'} {name}"

    @property
    def allowed(self) -> tuple[str | int, ...] | str:
        """The allowed values, or a sentence that describes them."""
        match self.values:
            case Choices(values):
                return values
            case Range(lowest, highest):
                unit = f" ({self.unit})" if self.unit else ""
                return f"{self.wire_type} from {lowest} to {highest}{unit}"
            case Words(allowed):  # pragma: no branch - there is no fourth kind
                return allowed

    @property
    def allowed_words(self) -> str:
        """``allowed`` as one line."""
        if isinstance(self.allowed, str):
            return self.allowed
        return f"{self.wire_type}, one of {', '.join(map(str, self.allowed))}"

    def kept(self, value: Any, *, param: str) -> Any:
        """``value``, which has the right type, as it is stored.

        Raises InvalidValue for ``param`` if it is not allowed.
        """
        kept = self.values.kept(value)
        if kept is None:
            # Python refuses to print integers with thousands of digits; no allowed number needs more than 64 bits.
            is_long = isinstance(value, int) and value.bit_length() > 64
            raise InvalidValue(param, "an integer of more than 64 bits" if is_long else value, self.allowed)
        return kept

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        schema: dict[str, Any] = {"type": _JSON_TYPES[type(self.default)], "description": self.meaning}
        match self.values:
            case Choices(values):
                schema["enum"] = list(values)
            case Range(lowest, highest):
                schema |= {"minimum": lowest, "maximum": highest}
            case Words():  # pragma: no branch - there is no fourth kind
                pass
        return schema if self.default == "" else {**schema, "default": self.default}


SPEECH_RATES: Final = (0.5, 2.0)
"""The slowest and the fastest."""

_BIT_RATES: Final = Range(6, 510)

_TABLE: Final = (
    Parameter(
        name="voice",
        default="",  # the model's own
        values=Words("the name of a voice", blank=False),
        meaning="See `saystream voices`.",
        doors=("realtime", "generation", "openai"),
    ),
    Parameter(
        name="mode",
        default="server_commit",
        values=Choices(MODES),
        meaning="server_commit speaks text as it arrives, commit speaks whole texts.",
    ),
    Parameter(
        name="response_format",
        default="pcm",
        values=Choices(RESPONSE_FORMATS),
        meaning="The format of the audio.",
    ),
    Parameter(
        name="sample_rate",
        default=24000,
        values=Choices(SAMPLE_RATES),
        unit="Hz",
        meaning=f"{Choices(SAMPLE_RATES)} Hz.",
    ),
    Parameter(
        name="language_type",
        default=AUTO,
        values=Choices(LANGUAGE_TYPES, any_case=True),
        meaning="Auto, Chinese, English and so on.",
        doors=("realtime", "generation"),
    ),
    Parameter(
        name="speech_rate",
        default=1.0,
        values=Range(*SPEECH_RATES),
        meaning="Speed: 0.5 is half, 2 is twice as fast.",
        is_listed=True,
    ),
    Parameter(
        name="volume",
        default=50,
        values=Range(0, 100),
        meaning="0 is silence, 50 leaves the voice as it is, 100 doubles its amplitude.",
        is_listed=True,
    ),
    Parameter(
        name="pitch_rate",
        default=1.0,
        values=Range(0.5, 2.0),
        meaning="0.5 is an octave lower, 2 an octave higher.",
        is_listed=True,
    ),
    Parameter(
        name="bit_rate",
        default=128,
        values=_BIT_RATES,
        unit="kbit/s",
        meaning=f"{_BIT_RATES} kbit/s, for mp3 and opus.",
        is_listed=True,
    ),
    Parameter(
        name="enable_tn",
        default=True,
        values=Words("true or false"),
        meaning="Whether numbers and symbols are turned into words before they are spoken.",
    ),
    Parameter(
        name="instructions",
        default="",
        values=Words("a text"),
        meaning="How to speak, in words; for models that take instructions.",
        doors=("realtime", "generation", "openai"),
        is_listed=True,
        is_rare=True,
    ),
    Parameter(
        name="optimize_instructions",
        default=False,
        values=Words("true or false"),
        meaning="Whether what follows from instructions is put into plain words, for engines that follow them.",
        doors=("realtime", "generation"),
        is_listed=True,
        is_rare=True,
    ),
    Parameter(
        name="word_timestamps",
        default=False,
        values=Words("true or false"),
        meaning="Whether events of saystream's own say when each word sounds.",
        doors=("realtime", "generation"),
        is_rare=True,
    ),
    Parameter(
        name="markup",
        default="auto",
        values=Choices(MARKUPS, any_case=True),
        meaning="strip leaves Markdown, tags and emoji out, read reads their signs; auto is the server's setting.",
        doors=("realtime", "generation", "openai"),
        is_rare=True,
    ),
)

PARAMETERS: Final = MappingProxyType({parameter.name: parameter for parameter in _TABLE})
"""Every parameter that a client may set, in the order of the protocol reference, realtime §4."""
