"""MP3 at a constant bit rate (LAME): one stream of frames, which can be played from any frame on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lameenc
import numpy as np

if TYPE_CHECKING:
    from saystream.audio import AudioFormat, Samples

__all__ = ["MP3_DELAY_SAMPLES", "Mp3Encoder", "allowed_bit_rates"]

_MPEG1_BIT_RATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_BIT_RATES = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""kbit/s, in the order of their index in a frame header, which begins with 1 (ISO/IEC 11172-3 and 13818-3)."""
_MPEG25_BIT_RATES = _MPEG2_BIT_RATES[:8]
"""At 8 kHz LAME writes no more than these."""

MP3_DELAY_SAMPLES = 576 + 529
"""Samples that a decoder returns before the first one of the input: LAME's delay plus that of every decoder. A tag
could tell decoders to skip them, but libav warns of a tag that does not also state the length of the sound."""

_FIRST_FRAME_SAMPLES = {576: 800, 1152: 1376}
"""Input that LAME takes before it returns the first frame, by the samples of a frame."""

_QUALITY = 5
"""LAME's scale from 0 (best, slow) to 9. Measured at 24 kHz: 378 times real time; 7 reaches 726."""


def allowed_bit_rates(sample_rate: int) -> tuple[int, ...]:
    """The constant bit rates in kbit/s that an mp3 of this rate may have, lowest first."""
    if _is_mpeg1(sample_rate):
        return _MPEG1_BIT_RATES
    return _MPEG2_BIT_RATES if sample_rate >= 16000 else _MPEG25_BIT_RATES


class Mp3Encoder:
    """Ends with the last frame that holds sound. Samples beyond ±1 are clipped.

    ``audio_format.bit_rate_kbps`` is one of ``allowed_bit_rates``.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        self._sample_rate = audio_format.sample_rate
        self._encoder = lameenc.Encoder()
        self._encoder.silence()
        self._encoder.set_channels(1)
        self._encoder.set_in_sample_rate(self._sample_rate)
        self._encoder.set_out_sample_rate(self._sample_rate)
        self._encoder.set_bit_rate(audio_format.bit_rate_kbps)
        self._encoder.set_quality(_QUALITY)
        self._frame_samples = 1152 if _is_mpeg1(self._sample_rate) else 576
        self.delay_ms = _FIRST_FRAME_SAMPLES[self._frame_samples] * 1000 / self._sample_rate
        self._num_in = 0
        self._num_frames_out = 0
        self._next_frame = 0
        """Where the next frame begins in what will be encoded from now on."""

    def push(self, samples: Samples) -> bytes:
        if not len(samples):
            return b""
        self._num_in += len(samples)
        scaled = np.clip(np.rint(np.multiply(samples, 32767.0, dtype=np.float32)), -32768.0, 32767.0)
        encoded = bytes(self._encoder.encode(scaled.astype("<i2").tobytes()))
        self._count_frames(encoded)
        return encoded

    def flush(self) -> bytes:
        if not self._num_in:
            return b""
        # LAME ends with one frame more than the sound needs, 72 ms of silence at 8 kHz.
        needed = -(-(MP3_DELAY_SAMPLES + self._num_in) // self._frame_samples)
        encoded = bytes(self._encoder.flush())
        return encoded[: self._count_frames(encoded, at_most=needed - self._num_frames_out)]

    def _count_frames(self, encoded: bytes, *, at_most: int | None = None) -> int:
        """Follow the frames through ``encoded``. Returns where the last of ``at_most`` frames ends in it."""
        position = self._next_frame
        counted = 0
        while position < len(encoded) and counted != at_most:
            position += _frame_bytes(encoded[position : position + 4], self._sample_rate)
            counted += 1
        self._num_frames_out += counted
        self._next_frame = position - len(encoded)
        return position


def _is_mpeg1(sample_rate: int) -> bool:
    return sample_rate >= 32000


def _frame_bytes(header: bytes, sample_rate: int) -> int:
    """Length of the frame with this header."""
    bit_rate_kbps = allowed_bit_rates(sample_rate)[(header[2] >> 4) - 1]
    padding = header[2] >> 1 & 1
    return (144 if _is_mpeg1(sample_rate) else 72) * 1000 * bit_rate_kbps // sample_rate + padding
