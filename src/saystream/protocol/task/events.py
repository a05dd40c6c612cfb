"""What a server sends: the events of the task protocol, in the shapes and the order of keys that are documented
(protocol reference, inference §3). Audio is sent as binary frames between them.

Times are whole milliseconds, places in a text are code points.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

__all__ = [
    "Phoneme",
    "SentenceBegin",
    "SentenceEnd",
    "SentenceSynthesis",
    "SentenceTimes",
    "TaskEvent",
    "TaskFailed",
    "TaskFinished",
    "TaskStarted",
    "Word",
]


class Phoneme(msgspec.Struct, frozen=True, kw_only=True):
    """One sound of a word."""

    begin_time: int
    end_time: int
    text: str
    tone: str


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """When a word is heard. CosyVoice counts times from the begin of the sentence's audio and also says where the word
    stands in ``original_text``; Sambert counts from the begin of the task's audio and may add phonemes."""

    text: str
    begin_index: int | UnsetType = UNSET
    end_index: int | UnsetType = UNSET
    begin_time: int
    end_time: int
    phonemes: tuple[Phoneme, ...] | UnsetType = UNSET


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    task_id: str


class TaskStarted(_Event, frozen=True, kw_only=True):
    """The task was accepted: text may come."""


class SentenceBegin(_Event, frozen=True, kw_only=True):
    """CosyVoice: what follows is the audio of a sentence."""

    index: int
    """Counts from 0 in each task."""
    original_text: str
    """As the client sent it."""


class SentenceSynthesis(_Event, frozen=True, kw_only=True):
    """CosyVoice: the binary frame that follows, exactly one, is audio of the sentence."""

    index: int
    words: tuple[Word, ...] = ()
    """Those that begin in this audio, if times were asked for."""


class SentenceEnd(_Event, frozen=True, kw_only=True):
    """CosyVoice: the audio of a sentence is complete."""

    index: int
    original_text: str
    words: tuple[Word, ...] = ()
    """All of the sentence."""
    characters: int
    """Billed for the task so far."""


class SentenceTimes(_Event, frozen=True, kw_only=True):
    """Sambert: when a sentence and its words are heard."""

    begin_time: int
    end_time: int
    words: tuple[Word, ...] = ()
    characters: int | None = None


class TaskFinished(_Event, frozen=True, kw_only=True):
    """Everything has been sent."""

    characters: int
    """Billed for the task."""
    request_uuid: str | UnsetType = UNSET
    """CosyVoice."""
    null_output: bool = False
    """Sambert: its SDK needs ``"output": null``."""


class TaskFailed(_Event, frozen=True, kw_only=True):
    """The task has ended with an error. The connection is closed, once no other task is open."""

    error_code: str
    error_message: str


TaskEvent = (
    TaskStarted | SentenceBegin | SentenceSynthesis | SentenceEnd | SentenceTimes | TaskFinished | TaskFailed
)
