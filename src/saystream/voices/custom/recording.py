"""Recordings of own voices as they are kept: FLAC, 16 bit, mono, at the rate they came with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saystream.audio import AudioChunk, AudioFormat
from saystream.dsp.decode import decode
from saystream.dsp.encoders import make_encoder, with_sizes

if TYPE_CHECKING:
    from saystream.engines.base import Recording

__all__ = ["decoded", "encoded"]

_MAX_DURATION_S = 3600.0
"""We have encoded it ourselves: its length was checked before that."""


def encoded(recording: Recording) -> bytes:
    """The file that is kept of ``recording``."""
    audio_format = AudioFormat("flac", recording.sample_rate)
    encoder = make_encoder(audio_format)
    file = encoder.push(recording.samples) + encoder.flush()
    return with_sizes(file, audio_format, len(recording.samples))


def decoded(file: bytes) -> AudioChunk:
    """The audio of a file that ``encoded`` made: float32 mono, shape ``(num_samples,)``."""
    audio = decode(file, max_duration_s=_MAX_DURATION_S)
    return AudioChunk(np.ascontiguousarray(audio.samples, np.float32), audio.sample_rate)
