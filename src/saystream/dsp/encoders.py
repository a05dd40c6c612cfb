"""Encoders: float32 mono in, bytes of one container out. One encoder lives as long as one response.

An encoder is ``push(samples) -> bytes`` and ``flush() -> bytes``. Joined, what it gave is one well-formed stream of
its container, with one header.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

import numpy as np

from saystream.dsp.muxing import AacEncoder, FlacEncoder
from saystream.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from saystream.audio import AudioFormat, Container, Samples

__all__ = [
    "ENCODERS",
    "WAV_HEADER_BYTES",
    "Encoder",
    "PcmEncoder",
    "WavEncoder",
    "make_encoder",
    "wav_header",
]

WAV_HEADER_BYTES = 44

_UNKNOWN_SIZE = 0xFFFFFFFF
"""RIFF sizes cannot be known while streaming; readers take this value as "until the end" (ruling 13)."""


class Encoder(Protocol):
    def push(self, samples: Samples) -> bytes: ...

    def flush(self) -> bytes: ...


class PcmEncoder:
    """16-bit little-endian samples without a header. Samples beyond ±1 are clipped."""

    def __init__(self, audio_format: AudioFormat) -> None:
        pass

    def push(self, samples: Samples) -> bytes:
        scaled = np.multiply(samples, 32767.0, dtype=np.float32)
        np.rint(scaled, out=scaled)
        np.clip(scaled, -32768.0, 32767.0, out=scaled)
        return scaled.astype("<i2").tobytes()

    def flush(self) -> bytes:
        return b""


class WavEncoder(PcmEncoder):
    """One 44-byte header with unknown sizes, then pcm."""

    def __init__(self, audio_format: AudioFormat) -> None:
        super().__init__(audio_format)
        self._header = wav_header(audio_format.sample_rate)

    def push(self, samples: Samples) -> bytes:
        return self._take_header() + super().push(samples)

    def flush(self) -> bytes:
        return self._take_header()

    def _take_header(self) -> bytes:
        header, self._header = self._header, b""
        return header


def wav_header(sample_rate: int, *, num_bytes: int | None = None) -> bytes:
    """The header of mono 16-bit audio: ``num_bytes`` of samples, or as many as will follow."""
    bytes_per_frame = 2
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", _UNKNOWN_SIZE if num_bytes is None else WAV_HEADER_BYTES - 8 + num_bytes, b"WAVE"),
        *(b"fmt ", 16, 1, 1, sample_rate, sample_rate * bytes_per_frame, bytes_per_frame, 16),
        *(b"data", _UNKNOWN_SIZE if num_bytes is None else num_bytes),
    )


ENCODERS: dict[Container, Callable[[AudioFormat], Encoder]] = {
    "pcm": PcmEncoder,
    "wav": WavEncoder,
    "aac": AacEncoder,
    "flac": FlacEncoder,
}
"""Containers that this build can write."""


def make_encoder(audio_format: AudioFormat) -> Encoder:
    """Raises :class:`InvalidValue` for a container that this build cannot write."""
    encoder = ENCODERS.get(audio_format.container)
    if encoder is None:
        raise InvalidValue("session.response_format", audio_format.container, ENCODERS)
    return encoder(audio_format)
