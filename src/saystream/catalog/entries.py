"""What the catalogue says about a model and about a voice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from saystream.audio import Container

__all__ = ["FEATURES", "Age", "Door", "Feature", "Model", "Sex", "TaskKind", "Voice", "VoiceKind"]

Age = Literal["child", "young", "adult", "old"]
Door = Literal["realtime", "http", "inference"]
Sex = Literal["female", "male"]
TaskKind = Literal["duplex", "out"]
VoiceKind = Literal["system", "cloned", "designed", "custom"]
"""``custom`` voices are cloned or designed."""

Feature = Literal[
    "ssml",
    "timestamps",
    "phonemes",
    "instruction",
    "seed",
    "hot_fix",
    "language_hints",
    "bit_rate",
    "opus",
    "markdown_filter",
    "aigc",
    "http",
]
FEATURES: tuple[Feature, ...] = get_args(Feature)
"""What a task may ask of some models; ``http`` means that the model is served at its ``http_path`` too."""

_VERSION = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|latest)$")


@dataclass(frozen=True, slots=True)
class Model:
    """One model name and everything it takes."""

    name: str
    door: Door
    """The protocol that serves it."""
    path: str
    """The door's path, such as ``/api-ws/v1/realtime``."""
    family: str
    """Such as ``instruct-flash``, ``vc`` or ``cosyvoice-v2``: models that take the same."""
    summary: str
    stands_for: str | None
    """The dated model that an undated name currently means; ``None`` for a dated name."""
    voice_kind: VoiceKind
    voice_set: str | None
    """Which system voices it takes; ``None`` unless ``voice_kind`` is ``system``."""
    default_voice: str
    """Empty if the model has no voice of its own."""
    languages: tuple[str, ...]
    """Words of ``language_type``; every model also takes ``Auto``."""
    response_formats: tuple[Container, ...]
    sample_rates: tuple[int, ...]
    """Hz."""
    parameters: tuple[str, ...]
    """The parameters it takes beyond those of every model."""
    usage: Literal["characters", "tokens"]
    """The unit of its usage."""
    max_characters: int | None
    """Limit for one text, or for a task; ``None`` if there is none, or it is in tokens."""
    max_tokens: int | None
    """Limit for one text; ``None`` if there is none, or it is in characters."""
    checkpoints: tuple[str, ...] = ()
    """Open weights of the same kind, by name in ``saystream models``, best first."""
    task: TaskKind | None = None
    """Of a task: its text comes in pieces (``duplex``), or at once (``out``). ``None`` at other doors."""
    default_format: Container = "pcm"
    """Of a task that names none."""
    default_sample_rate: int = 24000
    """Hz, of a task that names none."""
    features: frozenset[Feature] = frozenset()
    """What a task may ask for; empty at other doors."""
    http_path: str = ""
    """Where a model of the task door is served over HTTP; empty if nowhere."""

    @property
    def undated(self) -> str:
        """The name without its date or ``-latest``: what the versions of a model have in common."""
        return _VERSION.sub("", self.name)


@dataclass(frozen=True, slots=True)
class Voice:
    """One system voice."""

    name: str
    """As sent on the wire; case matters."""
    chinese_name: str
    sex: Sex
    age: Age
    character: str
    """A description in a few words."""
    dialect: str | None
    """Its Chinese dialect, if that is not Mandarin."""
    languages: tuple[str, ...]
    """Words of ``language_type``; the model may speak fewer."""
    models: tuple[str, ...]
    """Names of the models that take it, in the catalogue's order."""
    family: str = "qwen"
    """``qwen``, ``cosyvoice-v3``, ``cosyvoice-v2``, ``cosyvoice-v1``, ``qwen-audio`` or ``sambert``."""
    language: str = ""
    """What it was made for (BCP 47), if that is one language and not Chinese, such as ``en-GB``."""
    instructions: bool = False
    """It follows the ``instruction`` of a task, by the vendor's table."""
