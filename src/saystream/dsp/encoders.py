"""Encoders: float32 mono in, bytes of one container out. One encoder lives as long as one response.

An encoder is ``push(samples) -> bytes`` and ``flush() -> bytes``. Joined, its output is one well-formed stream of its
container, with one header.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from saystream.dsp.mp3 import Mp3Encoder, allowed_bit_rates
from saystream.dsp.muxing import OPUS_MAX_BIT_RATE_KBPS, AacEncoder, FlacEncoder, OpusEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from saystream.audio import AudioFormat, Container, Samples

__all__ = [
    "ENCODERS",
    "UNCOMPRESSED",
    "WAV_HEADER_BYTES",
    "Encoder",
    "PcmEncoder",
    "WavEncoder",
    "make_encoder",
    "settled",
    "wav_header",
    "with_sizes",
]

WAV_HEADER_BYTES = 44

_UNKNOWN_SIZE = 0xFFFFFFFF
"""RIFF sizes cannot be known while streaming; readers take this value as "until the end" (ruling 13)."""


_FLAC_FACTS = slice(18, 26)
"""Sample rate, channels, bits and number of samples in a FLAC file (RFC 9639, section 8.2)…"""
_FLAC_COUNT_BITS = 36
"""…of which the last is the number."""


class Encoder(Protocol):
    @property
    def delay_ms(self) -> float:
        """At most this much sound goes in before the first bytes of sound come out."""

    def push(self, samples: Samples) -> bytes: ...

    def flush(self) -> bytes: ...


class PcmEncoder:
    """16-bit little-endian samples without a header. Samples beyond ±1 are clipped."""

    delay_ms = 0.0

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


def with_sizes(file: bytes, audio_format: AudioFormat, num_samples: int) -> bytes:
    """A whole file as an encoder wrote it, with the sizes in its header that could not be known before."""
    match audio_format.container:
        case "wav":
            samples = file[WAV_HEADER_BYTES:]
            return wav_header(audio_format.sample_rate, num_bytes=len(samples)) + samples
        case "flac":
            facts = int.from_bytes(file[_FLAC_FACTS])
            sized = (facts >> _FLAC_COUNT_BITS << _FLAC_COUNT_BITS | num_samples).to_bytes(8)
            return file[: _FLAC_FACTS.start] + sized + file[_FLAC_FACTS.stop :]
        case _:
            return file


ENCODERS: dict[Container, Callable[[AudioFormat], Encoder]] = {
    "pcm": PcmEncoder,
    "wav": WavEncoder,
    "mp3": Mp3Encoder,
    "opus": OpusEncoder,
    "aac": AacEncoder,
    "flac": FlacEncoder,
}
"""The encoder of each container."""

UNCOMPRESSED: frozenset[Container] = frozenset({"pcm", "wav"})
"""Containers whose bytes are samples."""

_OPUS_RATES = {22050: 24000, 44100: 48000}
"""Opus does not have these two rates; the next higher one keeps everything that they hold."""


def settled(audio_format: AudioFormat) -> AudioFormat:
    """The format that is written if ``audio_format`` is requested.

    An mp3 has the highest bit rate that its sample rate allows and that is not above the requested one, or the lowest
    one if there is none; Opus with one channel ends at 256 kbit/s, and uses 24 kHz instead of 22.05 and 48 kHz instead
    of 44.1.
    """
    wanted_kbps = audio_format.bit_rate_kbps
    match audio_format.container:
        case "mp3":
            allowed = allowed_bit_rates(audio_format.sample_rate)
            fitting = [allowed_kbps for allowed_kbps in allowed if allowed_kbps <= wanted_kbps]
            return replace(audio_format, bit_rate_kbps=max(fitting, default=allowed[0]))
        case "opus":
            return replace(
                audio_format,
                sample_rate=_OPUS_RATES.get(audio_format.sample_rate, audio_format.sample_rate),
                bit_rate_kbps=min(wanted_kbps, OPUS_MAX_BIT_RATE_KBPS),
            )
        case _:
            return audio_format


def make_encoder(audio_format: AudioFormat) -> Encoder:
    """For a format that is ``settled``."""
    return ENCODERS[audio_format.container](audio_format)
