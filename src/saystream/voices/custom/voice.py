"""A voice of one's own: cloned from a recording, or designed from a description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from saystream.protocol.customization.names import Family, Origin, Status
from saystream.voices.recipes import Recipe

__all__ = ["Family", "Origin", "OwnVoice", "Rendition", "Status"]


@dataclass(frozen=True, slots=True)
class Rendition:
    """How one engine speaks it."""

    recipe: Recipe
    """The engine's voice that comes nearest, and what is changed in it."""
    material: bytes = b""
    """What ``Engine.enroll`` made of the recording, spoken instead of the recipe's voice; empty if nothing was made."""
    similarity: float | None = None
    """How like the speaker it is, from 0 to 1, if that has been measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnVoice:
    """What is known of one. Its recording is kept apart: it is large and seldom wanted."""

    name: str
    """As sent on the wire, such as ``qwen-tts-vc-anna-voice-20300102030405678-9f3c``."""
    prefix: str = ""
    """What its owner called it: a part of ``name``."""
    workspace: str
    """Whose it is; "" where keys have none."""
    family: Family
    origin: Origin
    target_model: str
    """The only model that takes it."""
    language: str = ""
    """Of the speaker or the description, ISO 639-1; "" if unknown."""
    description: str = ""
    """The words it was designed from."""
    preview_text: str = ""
    transcript: str = ""
    """What is said in the recording, if that is known."""
    consent: str = ""
    """A note of who agreed to the use of the recording."""
    status: Status = "OK"
    created_at: datetime
    modified_at: datetime
    used_at: datetime | None = None
    """When it last spoke, to within a day."""
    id: str = field(default_factory=lambda: uuid4().hex)
    """Tells it from others that had or will have its name."""
    renditions: Mapping[str, Rendition] = field(default_factory=dict)
    """By engine; made when an engine first speaks it, so that a voice outlives a change of engines."""
