"""What a door tells the spine, and what the spine tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from saystream.audio import AudioFormat, Effects, Mark
from saystream.errors import ServerFault
from saystream.languages import LANGUAGE_CODES
from saystream.parameters import Markup

if TYPE_CHECKING:
    from saystream.protocol.realtime.session_config import SessionConfig
    from saystream.voices.custom.voice import OwnVoice

__all__ = [
    "ResponseAudio",
    "ResponseEnded",
    "ResponseStarted",
    "SegmentBegun",
    "SegmentFailed",
    "SpeechConfig",
    "SpeechEvent",
]


@dataclass(frozen=True, slots=True)
class SpeechConfig:
    """What the spine needs from a session's configuration."""

    voice: str
    language_type: str = "Auto"
    audio_format: AudioFormat = field(default_factory=AudioFormat)
    effects: Effects = field(default_factory=Effects)
    server_commit: bool = True
    """Cut and speak text as it comes; otherwise each commit is one response."""
    instructions: str = ""
    """How to speak, in words; for an engine that cannot follow them they become speed, pitch and the like."""
    optimize_instructions: bool = False
    """Say in plain words, to an engine that follows them, what follows from the instructions."""
    normalize_text: bool = True
    """Read numbers, dates and the like as words."""
    marks: bool = False
    """Say when each word sounds, where the engine can tell."""
    seed: int | None = None
    """The same seed gives the same audio for the same text, with engines that can repeat themselves."""
    one_response: bool = False
    """With ``server_commit``: the response stays open until ``finish`` or ``cancel``, however long no text comes."""
    phonemes: bool = False
    """With ``marks``: and each sound of it."""
    further_language: str = ""
    """The code of a language that has no word in ``language_type``, which then is ``Auto``."""
    own_voice: OwnVoice | None = None
    """What ``voice`` is, if it is cloned or designed."""
    usual_language: str = ""
    """The language (ISO 639-1) that decides where a text could be in several; "" for that of the settings."""
    markup: Markup = "auto"
    """Whether Markdown, tags and emoji in plain text are left out."""

    @property
    def language(self) -> str | None:
        """The code (ISO 639) of the language that was asked for; ``None`` if it is to be detected."""
        return LANGUAGE_CODES.get(self.language_type) or self.further_language or None

    @classmethod
    def of_session(cls, config: SessionConfig, own_voice: OwnVoice | None = None) -> SpeechConfig:
        """What the spine needs from a realtime session's configuration; ``own_voice`` is its voice, if that is one."""
        return cls(
            voice=config.voice,
            language_type=config.language_type,
            audio_format=AudioFormat(config.response_format, config.sample_rate, config.bit_rate),
            effects=Effects(config.speech_rate, config.pitch_rate, config.volume),
            server_commit=config.mode == "server_commit",
            instructions=config.instructions,
            optimize_instructions=config.optimize_instructions,
            normalize_text=config.enable_tn,
            marks=config.word_timestamps,
            own_voice=own_voice,
            markup=config.markup,
        )


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """A response begins: one continuous stream with one header and one encoder."""


@dataclass(frozen=True, slots=True)
class SegmentBegun:
    """The audio that comes next says this part of the text: events of a response follow each other without a gap.

    The last of the audio before it may still come with the first of its own.
    """

    start: int
    """Where the part begins in ``ResponseEnded.text``…"""
    end: int
    """…and where it ends, as far as is known."""
    ends_sentence: bool
    """A sentence ends with it; else the next part belongs to the same sentence."""
    duration_ms: ClassVar[float] = 0.0
    """It stands among the audio and is none."""


@dataclass(frozen=True, slots=True)
class ResponseAudio:
    encoded: bytes
    duration_ms: float
    late_ms: float
    """How long the listener had been without sound, if playback began with the first audio; 0 when in time."""
    marks: tuple[Mark, ...] = ()
    """Marks of the words that begin in this audio: places in the text of the response as it was pushed, times in its
    audio."""


@dataclass(frozen=True, slots=True)
class SegmentFailed:
    """A segment broke off, or was not spoken at all; the response goes on with the next one."""

    fault: ServerFault
    start: int
    """Where its text begins in ``ResponseEnded.text``…"""
    end: int
    """…and where it ends. What was heard is in there, and the rest of it is lost."""
    duration_ms: ClassVar[float] = 0.0
    """It stands among the audio and is none."""


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    status: Literal["completed", "cancelled", "failed"]
    text: str
    """What was spoken; for counting, never for logs."""
    audio_ms: float
    fault: ServerFault | None = None
    """Why it failed, or last failed in a part."""
    ends_session: bool = False
    """Because of the fault nothing more is spoken, and no event follows."""


SpeechEvent = ResponseStarted | SegmentBegun | ResponseAudio | SegmentFailed | ResponseEnded
