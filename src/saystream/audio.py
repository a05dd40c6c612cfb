"""Audio types that every layer shares. Light to import: NumPy is needed only by code that holds samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]
    """Mono samples, shape ``(num_samples,)``, nominally in -1…1."""

__all__ = [
    "SAMPLE_RATES",
    "AudioChunk",
    "AudioFormat",
    "Container",
    "Effects",
    "Mark",
    "PhonemeMark",
    "SpeechChunk",
]

Container = Literal["pcm", "wav", "mp3", "opus", "aac", "flac"]

SAMPLE_RATES = (8000, 16000, 22050, 24000, 44100, 48000)
"""Output rates in Hz. The documents name 8, 16, 24 and 48 kHz; the official SDK's docstring adds the other two."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a listener receives: the container and sample rate of mono audio."""

    container: Container = "pcm"
    sample_rate: int = 24000
    """Hz."""
    bit_rate_kbps: int = 128
    """Only for containers that compress."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Changes to the voice that a listener wants. The defaults leave it unchanged."""

    speech_rate: float = 1.0
    """2.0 is twice as fast."""
    pitch_rate: float = 1.0
    """2.0 is an octave higher."""
    volume: int = 50
    """0 is silence, 50 leaves the voice unchanged, 100 is twice the amplitude."""


@dataclass(frozen=True, slots=True)
class PhonemeMark:
    """A speech sound and the time at which it is heard; times are those of the ``Mark`` that holds it."""

    text: str
    """In the symbols of the engine."""
    start_ms: float
    end_ms: float
    tone: str = ""
    """Of a Chinese syllable, ``1`` to ``5``, at the part of it that carries the tone."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the text and the time at which it is heard."""

    start: int
    """The place is ``text[start:end]`` of the whole response, in code points."""
    end: int
    start_ms: float
    """Time in the audio, from the first sample of the engine's stream or of the response, whichever the audio is."""
    end_ms: float
    phonemes: tuple[PhonemeMark, ...] = ()
    """What it sounds of, in order; only if they were asked for and the engine knows them."""

    def moved(self, moved_ms: Callable[[float], float]) -> Mark:
        """The same with each of its times ``moved_ms(time)``, which never falls."""
        return Mark(
            self.start,
            self.end,
            moved_ms(self.start_ms),
            moved_ms(self.end_ms),
            tuple(
                replace(each, start_ms=moved_ms(each.start_ms), end_ms=moved_ms(each.end_ms))
                for each in self.phonemes
            ),
        )


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A stretch of speech as an engine produces it: mono, at the engine's rate."""

    samples: Samples
    marks: tuple[Mark, ...] = ()
    """In the order of the text. None begins before this chunk; one may begin after it."""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of mono audio with its sample rate."""

    samples: Samples
    sample_rate: int
    """Hz."""
    marks: tuple[Mark, ...] = ()
    """Those of the ``SpeechChunk`` of which it is the whole or the first part."""

    @property
    def duration_ms(self) -> float:
        return len(self.samples) * 1000 / self.sample_rate
