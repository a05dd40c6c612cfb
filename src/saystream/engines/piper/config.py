"""The file beside a Piper voice, ``NAME.onnx.json``: what its phonemes are and what input it expects.

The format is that of piper-tts 1.8.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from saystream.errors import EngineUnavailable
from saystream.protocol.json import NOT_JSON

__all__ = ["BEGIN", "END", "PAD", "VoiceConfig", "read_config"]

PAD, BEGIN, END = "_", "^", "$"
"""Symbols of every voice: between two others, before the first and after the last."""

_READERS = ("espeak", "text")
"""Phoneme types that we can produce; the others need their own dictionary or model."""

_LANGUAGES = {"cmn": "zh", "nb": "no"}
"""Languages that Piper or eSpeak names differently from a session."""

_Ratio = Annotated[float, msgspec.Meta(ge=0, le=10)]


class _Audio(msgspec.Struct, frozen=True):
    sample_rate: Annotated[int, msgspec.Meta(ge=8000, le=192_000)]


class _Espeak(msgspec.Struct, frozen=True):
    voice: str = ""


class _Language(msgspec.Struct, frozen=True):
    family: str = ""


class _Inference(msgspec.Struct, frozen=True):
    noise_scale: _Ratio = 0.667
    length_scale: Annotated[float, msgspec.Meta(gt=0, le=10)] = 1.0
    noise_w: _Ratio = 0.8


class VoiceConfig(msgspec.Struct, frozen=True):
    """The part of the file that is needed here; the rest is ignored."""

    audio: _Audio
    phoneme_id_map: dict[str, list[int]]
    """The model's numbers for a symbol, which is one code point or a cluster of vowels."""
    espeak: _Espeak = _Espeak()
    language: _Language = _Language()
    inference: _Inference = _Inference()
    phoneme_type: str = "espeak"
    """``espeak``, or ``text`` if the letters themselves are the symbols."""
    phoneme_map: dict[str, list[str]] = {}
    """Symbols that replace one."""
    vowel_clusters: list[list[str]] = []
    """Symbols that count as one when they follow each other."""
    num_speakers: Annotated[int, msgspec.Meta(ge=1)] = 1
    speaker_id_map: dict[str, int] = {}
    default_speaker_id: int = 0

    @property
    def iso_639_1(self) -> str:
        code = (self.language.family or self.espeak.voice.split("-")[0]).lower()
        return _LANGUAGES.get(code, code)

    @property
    def speakers(self) -> dict[str, int]:
        """Names and numbers; empty if there is only one."""
        if self.num_speakers == 1:
            return {}
        return self.speaker_id_map or {str(number): number for number in range(self.num_speakers)}


def read_config(path: Path) -> VoiceConfig:
    """Raises EngineUnavailable if the file is missing or its voice cannot be spoken here."""
    try:
        config = msgspec.json.decode(path.read_bytes(), type=VoiceConfig)
    except OSError as error:
        raise EngineUnavailable(f"{path} cannot be read: {error.strerror}.") from error
    except NOT_JSON as error:
        raise EngineUnavailable(f"{path} does not describe a Piper voice: {error}.") from error
    if problem := _problem(config):
        raise EngineUnavailable(f"The Piper voice of {path} cannot be used: {problem}")
    return config


def _problem(config: VoiceConfig) -> str:
    if config.phoneme_type not in _READERS:
        return f"its phonemes are of the type '{config.phoneme_type}'; known are {' and '.join(_READERS)}."
    if config.phoneme_type == "espeak" and not config.espeak.voice:
        return "it names no voice of eSpeak NG for its phonemes."
    if missing := [symbol for symbol in (PAD, BEGIN, END) if not config.phoneme_id_map.get(symbol)]:
        return f"it has no number for {' and '.join(missing)}."
    if len(config.iso_639_1) != 2 or not config.iso_639_1.isalpha():
        return f"its language is '{config.iso_639_1}', which is no code of ISO 639-1."
    return ""
