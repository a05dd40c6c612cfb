"""Bytes of audio, however they are split, as samples."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from saystream.errors import EngineOutputInvalid

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["AudioPiece", "Encoding", "SoundReader", "encoding_of"]

_SCALE = np.float32(1 / 32767)
"""The inverse of our own encoder: 16-bit samples from another server of ours come out unchanged."""

_MAX_HEADER_BYTES = 64 * 1024
_RATES = (4000, 192_000)
_PCM, _EXTENSIBLE = 1, 0xFFFE


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a server writes its samples: 16-bit little-endian mono, raw or with a WAV header."""

    container: Literal["pcm", "wav"]
    sample_rate: int
    """Hz; for ``wav`` the rate in its header counts instead."""

    @property
    def bytes_per_second(self) -> int:
        return 2 * self.sample_rate


@dataclass(frozen=True, slots=True)
class AudioPiece:
    """Some bytes of a server's answer, split anywhere."""

    encoded: bytes
    encoding: Encoding


def encoding_of(content_type: str, rate_header: str | None, default_rate: int) -> Encoding:
    """From the headers of an answer. Raises EngineOutputInvalid if it is not such audio.

    A server that does not tell its rate is assumed to use ``default_rate``.
    """
    kind, _, parameters = content_type.lower().partition(";")
    kind = kind.strip()
    rate = re.search(r"\brate\s*=\s*\"?(\d+)", parameters)
    told = rate_header if rate_header is not None else rate[1] if rate is not None else str(default_rate)
    sample_rate = int(told) if re.fullmatch(r" *[0-9]{1,6} *", told) else 0
    if not _RATES[0] <= sample_rate <= _RATES[1]:
        raise EngineOutputInvalid(f"It states a sample rate of {told[:20]} Hz.")
    if kind in ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"):
        return Encoding("wav", sample_rate)
    # Servers use different names for raw samples, and some send none.
    if kind in ("", "audio/pcm", "audio/x-pcm", "audio/l16", "audio/raw", "application/octet-stream"):
        return Encoding("pcm", sample_rate)
    raise EngineOutputInvalid(f"It answers with {kind[:40]} instead of 16-bit pcm.")


class SoundReader:
    """Bytes in, samples out; the same samples however the bytes are split."""

    def __init__(self, encoding: Encoding) -> None:
        self.sample_rate = encoding.sample_rate
        """Hz; for WAV correct from the first samples on."""
        self._rest = b""
        self._in_header = encoding.container == "wav"
        self._left: int | None = None
        """Bytes of samples still to come in a WAV file, if its header says so."""

    def push(self, received: bytes) -> Samples:
        """Raises EngineOutputInvalid if the header is not that of 16-bit mono."""
        received = self._rest + received
        if self._in_header:
            after = self._read_header(received)
            if after is None:
                self._rest = received
                return np.zeros(0, np.float32)
            self._in_header = False
            received = received[after:]
        if self._left is not None:  # what follows the samples in a WAV file is not audio
            received = received[: self._left]
        whole = len(received) - len(received) % 2
        self._rest = received[whole:]
        if self._left is not None:
            self._left -= whole
        return np.frombuffer(received[:whole], "<i2").astype(np.float32) * _SCALE

    def flush(self) -> None:
        """The end. Raises EngineOutputInvalid if a sample or a header is incomplete."""
        if self._rest or self._in_header:
            raise EngineOutputInvalid("Its audio ends in the middle of a sample or of its header.")

    def _read_header(self, received: bytes) -> int | None:
        """Where the samples begin, once the whole header has arrived."""
        if len(received) < 12:
            return None
        if received[:4] != b"RIFF" or received[8:12] != b"WAVE":
            raise EngineOutputInvalid("It says that its answer is WAV, but it is not.")
        start, known = 12, False
        while len(received) >= start + 8:
            name, num_bytes = (
                received[start : start + 4],
                int.from_bytes(received[start + 4 : start + 8], "little"),
            )
            start += 8
            if name == b"data":
                if not known:
                    raise EngineOutputInvalid("Its WAV header does not state the format of the samples.")
                # Servers that do not know the length yet write 0 or the largest number.
                self._left = num_bytes if 0 < num_bytes < 0x7FFFFF00 else None
                return start
            if name == b"fmt " and len(received) >= start + 16:
                self._read_format(received[start : start + 16])
                known = True
            start += num_bytes + num_bytes % 2
            if start > _MAX_HEADER_BYTES:
                raise EngineOutputInvalid(f"Its WAV header has more than {_MAX_HEADER_BYTES} bytes.")
        return None

    def _read_format(self, fields: bytes) -> None:
        code, channels, sample_rate, _, _, bits = struct.unpack("<HHIIHH", fields)
        if code not in (_PCM, _EXTENSIBLE) or channels != 1 or bits != 16:
            raise EngineOutputInvalid(
                f"Its WAV has {channels} channels of {bits} bits, format {code}; 16-bit mono is needed."
            )
        if not _RATES[0] <= sample_rate <= _RATES[1]:
            raise EngineOutputInvalid(f"Its WAV header states {sample_rate} Hz.")
        self.sample_rate = sample_rate
