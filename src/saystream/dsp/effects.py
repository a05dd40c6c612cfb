"""What makes one voice out of another: tempo, pitch and the size of the speaker.

Sonic's pitch shift resamples, so it moves the resonances of the vocal tract along with the pitch. To give a voice a
pitch ``p`` and resonances ``f`` relative to the base voice, follow ``Sonic(pitch=p)`` by ``Formant(ratio=f / p)``.

Every stage is ``push(x) -> [y]`` and ``flush() -> [y]``; the output does not depend on how the input was cut.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from saystream.dsp.stage import flush_all, push_all, within
from saystream.dsp.tempo import make_tempo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from saystream.audio import Samples
    from saystream.dsp.stage import Stage

__all__ = ["FORMANT_RANGE", "Formant", "shaped", "timbre"]

FORMANT_RANGE = (0.4, 2.5)
"""Wide enough for the most extreme recipe, formant over pitch."""

_FRAME_MS = 40
"""Long enough for two periods of a low man's voice, short enough to follow a syllable."""

_PITCH_RANGE_HZ = (70.0, 450.0)
"""Range in which the pitch of a frame is searched."""

_VOICED_CEPSTRUM = 0.1
"""Height of the cepstrum's peak at the pitch period from which a frame counts as voiced. Measured: at most
0.09 in noise, 0.14 to 0.3 in voiced speech."""

_UNVOICED_LIFTER_MS = 2.5
"""Detail of the envelope if there is no pitch to limit it."""

_MAX_GAIN = 2.3
"""Natural log of 20 dB: a band that holds nothing must not be amplified into hiss."""

_LOG_FLOOR = 1e-10
"""Power added before the logarithm, far below 16-bit silence after the window's gain."""

_OVERLAP = 4
"""Frames over each sample. Hann on the way in and out adds up to a constant from 3 on; 4 divides a frame."""


class Formant:
    """Moves the resonances of the voice by ``ratio`` and leaves its pitch: below 1 for a larger speaker.

    The smooth envelope of each short-time spectrum (its low cepstrum) is stretched along the frequency axis, and the
    spectrum is multiplied by the new envelope over the old one. Exactly as many samples come out as go in. With
    ``ratio`` 1.0 samples pass unchanged and without delay.

    Raises ``InvalidValue`` for a number outside ``FORMANT_RANGE``.
    """

    def __init__(self, sample_rate: int, *, ratio: float) -> None:
        within("formant ratio", ratio, FORMANT_RANGE)
        self._passes = ratio == 1.0
        self._hop = 1 << round(np.log2(sample_rate * _FRAME_MS / 1000 / _OVERLAP))
        self._frame = self._hop * _OVERLAP
        self.delay_ms = 0.0 if self._passes else self._frame * 1000 / sample_rate
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self._frame) / self._frame)
        self._window = hann.astype(np.float32)
        # The sum of Hann squared over the overlapping frames is 3/8 of their number.
        self._synthesis_window = (hann / (0.375 * _OVERLAP)).astype(np.float32)
        self._sample_rate = sample_rate
        self._below, self._above, self._fraction = _stretch(self._frame // 2 + 1, ratio)
        # The first sample needs as many frames over it as every other: the frames begin in silence.
        self._pending = np.zeros(self._frame - self._hop, np.float32)
        self._earlier = np.zeros((_OVERLAP - 1, self._frame), np.float32)
        self._num_in = 0
        self._num_out = self._hop - self._frame

    def push(self, samples: Samples) -> list[Samples]:
        if self._passes:
            return [samples] if len(samples) else []
        self._num_in += len(samples)
        return self._process(samples)

    def flush(self) -> list[Samples]:
        if self._passes:
            return []
        num_hops = -((self._num_out - self._num_in) // self._hop)
        needed = (num_hops - 1) * self._hop + self._frame - len(self._pending) if num_hops > 0 else 0
        return self._process(np.zeros(needed, np.float32))

    def _process(self, samples: Samples) -> list[Samples]:
        pending = np.concatenate((self._pending, samples))
        num_frames = (len(pending) - self._frame) // self._hop + 1
        if num_frames <= 0:
            self._pending = pending
            return []
        self._pending = pending[num_frames * self._hop :]
        frames = np.lib.stride_tricks.sliding_window_view(pending, self._frame)[:: self._hop][:num_frames]
        shaped = np.concatenate((self._earlier, self._shape(frames * self._window) * self._synthesis_window))
        self._earlier = shaped[num_frames:]
        # Summed from newest to oldest however the input was cut, so that the rounding is the same too.
        blocks = shaped.reshape(-1, _OVERLAP, self._hop)
        output = sum(
            (blocks[_OVERLAP - 1 - age : _OVERLAP - 1 - age + num_frames, age] for age in range(1, _OVERLAP)),
            start=blocks[_OVERLAP - 1 :, 0],
        ).reshape(-1)
        return self._clip_to_input(output)

    def _shape(self, frames: NDArray[np.float32]) -> NDArray[np.floating]:
        spectrum = np.fft.rfft(frames, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        cepstrum = np.fft.irfft(np.log(power + np.float32(_LOG_FLOOR)) * np.float32(0.5), axis=1)
        envelope = np.fft.rfft(cepstrum * self._lifters(cepstrum), axis=1).real
        stretched = (
            envelope[:, self._below] * (1 - self._fraction) + envelope[:, self._above] * self._fraction
        )
        spectrum *= np.exp(np.minimum(stretched - envelope, np.float32(_MAX_GAIN)))
        return np.fft.irfft(spectrum, axis=1)

    def _lifters(self, cepstrum: NDArray[np.floating]) -> NDArray[np.float32]:
        """For each frame the weights that keep the envelope part of its cepstrum.

        A raised cosine that ends at the pitch period: the most detail that does not follow the harmonics. A fixed
        length either blurs the formants of a man, which then stay where they were, or moves the pitch of a child.
        """
        longest, shortest = (round(self._sample_rate / pitch) for pitch in _PITCH_RANGE_HZ)
        candidates = cepstrum[:, shortest:longest]
        peak = candidates.argmax(axis=1)
        voiced = np.take_along_axis(candidates, peak[:, np.newaxis], axis=1)[:, 0] > _VOICED_CEPSTRUM
        length = np.where(voiced, peak + shortest, round(self._sample_rate * _UNVOICED_LIFTER_MS / 1000))
        return _all_lifters(self._frame, longest)[length]

    def _clip_to_input(self, output: Samples) -> list[Samples]:
        """``output`` without the silence before the first sample and the padding after the last one."""
        start = max(0, -self._num_out)
        end = min(len(output), self._num_in - self._num_out)
        self._num_out += len(output)
        return [output[start:end]] if end > start else []


def timbre(sample_rate: int, *, speed: float, pitch: float, formant: float) -> list[Stage]:
    """The stages that give a base voice another tempo, pitch and formant, all relative to it.

    Raises ``InvalidValue`` for a number that a stage refuses.
    """
    stages: list[Stage] = []
    if speed != 1.0 or pitch != 1.0:
        stages.append(make_tempo(sample_rate, speed=speed, pitch=pitch))
    if formant != pitch:
        stages.append(Formant(sample_rate, ratio=formant / pitch))
    return stages


def shaped(chunks: Iterable[Samples], stages: Sequence[Stage]) -> Iterator[Samples]:
    """``chunks`` sent through ``stages`` one after the other, each output as soon as it is ready."""
    for samples in chunks:
        yield from push_all(stages, [samples])
    yield from flush_all(stages)


@lru_cache(maxsize=8)
def _all_lifters(frame: int, longest: int) -> NDArray[np.float32]:
    """Row ``n``: weights for a symmetric cepstrum, a raised cosine that falls to 0 at quefrency ``n``."""
    quefrency = np.minimum(np.arange(frame), frame - np.arange(frame))
    length = np.arange(longest + 1)[:, np.newaxis]
    weights = 0.5 + 0.5 * np.cos(np.pi * np.minimum(quefrency / np.maximum(length, 1), 1.0))
    return weights.astype(np.float32)


def _stretch(num_bins: int, ratio: float) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each bin the two old bins between which it is interpolated, and the share of the second."""
    position = np.minimum(np.arange(num_bins) / ratio, num_bins - 1)
    below = position.astype(np.intp)
    above = np.minimum(below + 1, num_bins - 1)
    return below, above, (position - below).astype(np.float32)
