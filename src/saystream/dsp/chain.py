"""The way from an engine's samples to a listener's bytes: one chain for each response, whatever its segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saystream.dsp.encoders import make_encoder
from saystream.dsp.resample import Resampler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saystream.audio import AudioChunk, AudioFormat, Samples

__all__ = ["Chain", "EncodedAudio"]


@dataclass(frozen=True, slots=True)
class EncodedAudio:
    """What one delta carries."""

    encoded: bytes
    """Never empty."""
    duration_ms: float
    """Sound that went into the encoder for it."""


class Chain:
    """Resample, cut into deltas, encode.

    Nothing is held back but what the resampler and the encoder need: each push is cut into even pieces of at most
    ``delta_ms``, and the first piece of the response is ``first_delta_ms``, so that it leaves while the rest is still
    being worked on.
    """

    def __init__(self, audio_format: AudioFormat, *, first_delta_ms: float, delta_ms: float) -> None:
        """Raises :class:`~saystream.errors.InvalidValue` for a container that this build cannot write."""
        self._sample_rate = audio_format.sample_rate
        self._next_piece_samples = max(1, round(first_delta_ms * self._sample_rate / 1000))
        self._delta_samples = max(1, round(delta_ms * self._sample_rate / 1000))
        self._encoder = make_encoder(audio_format)
        self._samples_in_encoder = 0
        self._source_rate = self._sample_rate
        self._resampler: Resampler | None = None

    def push(self, chunk: AudioChunk) -> list[EncodedAudio]:
        """Another engine may speak the next segment, so the rate of the chunks may change between them."""
        tail: list[Samples] = []
        if chunk.sample_rate != self._source_rate:
            tail = self._flush_resampler()
            self._start_resampler(chunk.sample_rate)
        resampled = [chunk.samples] if self._resampler is None else self._resampler.push(chunk.samples)
        return self._encode([*tail, *resampled])

    def flush(self) -> list[EncodedAudio]:
        """Everything that was held back. The chain is used up afterwards."""
        return [*self._encode(self._flush_resampler()), *self._deltas(self._encoder.flush(), 0)]

    def _start_resampler(self, source_rate: int) -> None:
        self._source_rate = source_rate
        if source_rate == self._sample_rate:
            self._resampler = None
        else:
            self._resampler = Resampler(source_rate=source_rate, target_rate=self._sample_rate)

    def _flush_resampler(self) -> list[Samples]:
        return [] if self._resampler is None else self._resampler.flush()

    def _encode(self, stretches: Iterable[Samples]) -> list[EncodedAudio]:
        pieces = (piece for samples in stretches for piece in self._cut(samples))
        return [delta for piece in pieces for delta in self._deltas(self._encoder.push(piece), len(piece))]

    def _deltas(self, encoded: bytes, num_samples: int) -> list[EncodedAudio]:
        """No delta where the encoder still gathers input; the next one then stands for that input too."""
        self._samples_in_encoder += num_samples
        if not encoded:
            return []
        duration_ms = self._samples_in_encoder * 1000 / self._sample_rate
        self._samples_in_encoder = 0
        return [EncodedAudio(encoded, duration_ms)]

    def _cut(self, samples: Samples) -> list[Samples]:
        if not len(samples):
            return []
        first, rest = samples[: self._next_piece_samples], samples[self._next_piece_samples :]
        self._next_piece_samples = self._delta_samples
        if not len(rest):
            return [first]
        return [first, *np.array_split(rest, -(-len(rest) // self._delta_samples))]
