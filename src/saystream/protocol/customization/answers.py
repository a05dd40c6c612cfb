"""What a client is told about voices of one's own (protocol reference, http §4).

Each family has names of its own for the same things. ``fallback_mode`` and ``fallback_reason`` are the service's,
``similarity`` and ``warnings`` additions of this server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import msgspec
import pybase64
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from saystream.protocol.customization.names import Family, Origin, Status, timestamp
from saystream.protocol.customization.requests import PreviewFormat

__all__ = [
    "CustomizationAnswer",
    "CustomizationOutput",
    "FallbackMode",
    "Likeness",
    "Preview",
    "PreviewAudio",
    "VoiceCount",
    "VoiceEntry",
    "VoiceFacts",
    "changed",
    "created",
    "deleted",
    "listed",
    "queried",
]

FallbackMode: TypeAlias = Literal["voice_match", "nearest_voice"]
"""The engine cannot have the speaker's own voice. It has made one as like as it can (``voice_match``), or speaks with
that of its voices which comes nearest."""


class VoiceFacts(Protocol):
    """What is told of a voice. Its times are in UTC."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> Family: ...
    @property
    def origin(self) -> Origin: ...
    @property
    def target_model(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def preview_text(self) -> str: ...
    @property
    def status(self) -> Status: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def modified_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like the recorded speaker a voice is."""

    fallback_mode: FallbackMode | None = None
    """``None``: it is the speaker's own."""
    similarity: float | None = None
    """From 0 to 1, if it was measured."""
    warnings: Sequence[str] = ()
    """What would be better in another recording."""


@dataclass(frozen=True, slots=True)
class Preview:
    audio: bytes
    sample_rate: int
    """Hz."""
    response_format: PreviewFormat


class PreviewAudio(msgspec.Struct, frozen=True, kw_only=True):
    data: str
    """Base64 of a file."""
    sample_rate: int
    response_format: PreviewFormat


class VoiceEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One voice of a list."""

    voice: str | UnsetType = UNSET
    """Its name; CosyVoice says ``voice_id``."""
    voice_id: str | UnsetType = UNSET
    gmt_create: str
    """``YYYY-MM-DD hh:mm:ss``, UTC."""
    gmt_modified: str
    language: str | UnsetType = UNSET
    target_model: str | UnsetType = UNSET
    voice_prompt: str | UnsetType = UNSET
    preview_text: str | UnsetType = UNSET
    status: Status | UnsetType = UNSET


class CustomizationOutput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What there is of it depends on the family and the action."""

    voice: str | UnsetType = UNSET
    """Its name; CosyVoice says ``voice_id``."""
    voice_id: str | UnsetType = UNSET
    target_model: str | UnsetType = UNSET
    fallback_mode: FallbackMode | UnsetType = UNSET
    """Absent if the voice is the speaker's own."""
    fallback_reason: str | UnsetType = UNSET
    similarity: float | UnsetType = UNSET
    """To the speaker, from 0 to 1, if it was measured."""
    warnings: Sequence[str] | UnsetType = UNSET
    """What would be better in another recording."""
    preview_audio: PreviewAudio | UnsetType = UNSET
    page_index: int | UnsetType = UNSET
    page_size: int | UnsetType = UNSET
    total_count: int | UnsetType = UNSET
    voice_list: Sequence[VoiceEntry] | UnsetType = UNSET
    gmt_create: str | UnsetType = UNSET
    gmt_modified: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    voice_prompt: str | UnsetType = UNSET
    preview_text: str | UnsetType = UNSET
    resource_link: str | UnsetType = UNSET
    """To the recording, for a while."""
    status: Status | UnsetType = UNSET


class VoiceCount(msgspec.Struct, frozen=True):
    count: int
    """Voices made; CosyVoice counts every request as one."""


class CustomizationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    output: CustomizationOutput
    usage: VoiceCount
    request_id: str

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


_NO_CLONING = "no_cloning_engine"
"""Why a voice is not the speaker's own: no engine here clones voices for the model's languages."""


def created(
    voice: VoiceFacts, *, request_id: str, likeness: Likeness | None = None, preview: Preview | None = None
) -> CustomizationAnswer:
    """A voice was made: a cloned one with its ``likeness``, a designed one with its ``preview``."""
    of_cosyvoice = voice.family == "voice-enrollment"
    output = CustomizationOutput(
        voice=UNSET if of_cosyvoice else voice.name,
        voice_id=voice.name if of_cosyvoice else UNSET,
        target_model=UNSET if of_cosyvoice and preview is None else voice.target_model,
        preview_audio=UNSET if preview is None else _preview_audio(preview),
    )
    return CustomizationAnswer(output=_with(output, likeness), usage=VoiceCount(1), request_id=request_id)


def changed(likeness: Likeness, *, request_id: str) -> CustomizationAnswer:
    """A voice of CosyVoice has another recording."""
    output = _with(CustomizationOutput(), likeness)
    return CustomizationAnswer(output=output, usage=VoiceCount(1), request_id=request_id)


def deleted(family: Family, name: str, *, request_id: str) -> CustomizationAnswer:
    output = CustomizationOutput() if family == "voice-enrollment" else CustomizationOutput(voice=name)
    return CustomizationAnswer(output=output, usage=_count(family), request_id=request_id)


def listed(
    family: Family,
    voices: Sequence[VoiceFacts],
    *,
    page_index: int,
    page_size: int,
    total_count: int,
    request_id: str,
) -> CustomizationAnswer:
    """One page of voices."""
    output = CustomizationOutput(voice_list=[_entry(voice) for voice in voices])
    if family != "voice-enrollment":
        output = replace(output, page_index=page_index, page_size=page_size, total_count=total_count)
    return CustomizationAnswer(output=output, usage=_count(family), request_id=request_id)


def queried(voice: VoiceFacts, *, request_id: str, resource_link: str | None = None) -> CustomizationAnswer:
    """All that is told of one voice; ``resource_link`` leads to its recording."""
    of_cosyvoice = voice.family == "voice-enrollment"
    output = CustomizationOutput(
        voice=UNSET if of_cosyvoice else voice.name,
        voice_id=voice.name if of_cosyvoice else UNSET,
        target_model=voice.target_model,
        gmt_create=timestamp(voice.created_at),
        gmt_modified=timestamp(voice.modified_at),
        language=UNSET if of_cosyvoice else voice.language,
        voice_prompt=voice.description if voice.origin == "designed" else UNSET,
        preview_text=voice.preview_text if voice.origin == "designed" else UNSET,
        resource_link=UNSET if resource_link is None else resource_link,
        status=voice.status if of_cosyvoice else UNSET,
    )
    return CustomizationAnswer(output=output, usage=_count(voice.family), request_id=request_id)


def _entry(voice: VoiceFacts) -> VoiceEntry:
    of_cosyvoice = voice.family == "voice-enrollment"
    return VoiceEntry(
        voice=UNSET if of_cosyvoice else voice.name,
        voice_id=voice.name if of_cosyvoice else UNSET,
        gmt_create=timestamp(voice.created_at),
        gmt_modified=timestamp(voice.modified_at),
        language=UNSET if of_cosyvoice else voice.language,
        target_model=UNSET if of_cosyvoice else voice.target_model,
        voice_prompt=voice.description if voice.origin == "designed" else UNSET,
        preview_text=voice.preview_text if voice.origin == "designed" else UNSET,
        status=voice.status if of_cosyvoice else UNSET,
    )


def _with(output: CustomizationOutput, likeness: Likeness | None) -> CustomizationOutput:
    if likeness is None:
        return output
    if likeness.fallback_mode is not None:
        output = replace(output, fallback_mode=likeness.fallback_mode, fallback_reason=_NO_CLONING)
    if likeness.similarity is not None:
        output = replace(output, similarity=round(likeness.similarity, 3))
    return replace(output, warnings=list(likeness.warnings)) if likeness.warnings else output


def _count(family: Family) -> VoiceCount:
    return VoiceCount(1 if family == "voice-enrollment" else 0)


def _preview_audio(preview: Preview) -> PreviewAudio:
    return PreviewAudio(
        data=pybase64.b64encode_as_string(preview.audio),
        sample_rate=preview.sample_rate,
        response_format=preview.response_format,
    )
