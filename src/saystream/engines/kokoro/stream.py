"""The model as a stream: a text is read whole, its sound is made window by window.

    symbols -> BERT -> prosody: durations, F0, energy -> decoder blocks -> generator, one window after another

Windows are possible because the statistics of the generator's norms, which the export takes over the whole sound, are
known before: ``statistics`` predicts them for a voice. A short text is made in one piece with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saystream.engines.intonation import intoned
from saystream.engines.kokoro.constants import FRAME_MS, FRAME_SAMPLES, Constants
from saystream.engines.kokoro.model import Reading
from saystream.engines.kokoro.parts import CONSTANTS, CROP_SAMPLES
from saystream.engines.kokoro.runtime import Session
from saystream.engines.kokoro.source import HarmonicSource
from saystream.engines.kokoro.splitting import Limits
from saystream.engines.kokoro.timing import bounds
from saystream.engines.kokoro.vocabulary import EDGE, numbers
from saystream.engines.kokoro.windows import FIRST_SIZES, HALO, SIZES, Precision, Trial, load_windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples
    from saystream.engines.kokoro.runtime import Interrupt
    from saystream.engines.kokoro.statistics import Statistics
    from saystream.engines.kokoro.styles import Styles

__all__ = ["Prosody", "StreamingModel", "whole_inputs"]

_WHOLE_FRAMES = 150
"""Up to here, 1.9 s with the silence around it, a text is made in one piece: of so little the statistics are not
predicted well. Of 22 English texts, spectra in windows were 2.7 to 10.3 dB from those in one piece up to 130 frames,
1.8 to 4.6 dB above."""

_TRIED = "ðə kwˈɪk bɹˈWn fˈɑks ʤˈʌmps ˈOvəɹ ðə lˈAzi dˈɔɡ."
"""What the runtimes are compared with: an English sentence."""

_MOST_THREADS_BEFORE = 4

_SILENT_ENERGY = -5.0
_MARGIN_FRAMES = 4
"""A frame whose energy is lower cannot be heard; those before the first and behind the last louder one are not made,
but for a margin."""

_HEARD_ENERGY = -4.0
"""Until the last frame with more energy, or 40 ms less, a text is louder than -60 dBFS (15 sentences)."""

_SYMBOL_FRAME_MS = 25.0
"""A symbol lasts a whole number of frames of the ASR features, two of the others."""

_MASK = "/encoder/bert/Where_2_output_0"
_HIDDEN = "/encoder/bert_encoder/Add_output_0"
_PROSODY = tuple(f"/encoder/{name}_output_0" for name in ("MatMul_1", "Reshape", "Reshape_1", "Gather"))
"""Of the part ``prosody``: ASR features, F0, energy, durations."""


@dataclass(frozen=True, slots=True)
class Prosody:
    """How a text is going to be said."""

    asr: Samples
    """(1, 512, frames), 40 a second."""
    f0: Samples
    """Hz, 80 a second."""
    energy: Samples
    """80 a second."""
    durations: NDArray[np.int64]
    """Of each symbol and of the two edges, in frames of ``_SYMBOL_FRAME_MS``."""

    @property
    def num_frames(self) -> int:
        """At 80 a second."""
        return len(self.f0)

    @property
    def audible(self) -> tuple[int, int]:
        """The frames that have to be made: from, and to before."""
        loud = np.flatnonzero(self.energy > _SILENT_ENERGY)
        if not len(loud):
            return 0, 0
        return max(0, int(loud[0]) - _MARGIN_FRAMES), min(self.num_frames, int(loud[-1]) + 1 + _MARGIN_FRAMES)

    @property
    def bounds_ms(self) -> NDArray[np.float64]:
        """When each symbol of the text begins, and at last when the last one ends, from the first frame that has to be
        made on; none after the last that can be heard."""
        first, _ = self.audible
        heard = np.flatnonzero(self.energy > _HEARD_ENERGY)
        latest = int(heard[-1]) + 1 - first if len(heard) else 0
        return np.clip(bounds(self.durations) * _SYMBOL_FRAME_MS - first * FRAME_MS, 0, latest * FRAME_MS)

    @property
    def silent_share(self) -> float:
        return float(np.mean(self.energy < _SILENT_ENERGY))


class StreamingModel:
    """The parts in a folder. ``read`` may be called by several threads.

    Raises EngineUnavailable where one is missing.
    """

    limits = Limits(least=24)
    """A first clause that is not so short that it would be made in one piece."""
    chunk_ms = SIZES[-1] * FRAME_MS
    tunes = True
    """It takes a ``tuning``."""

    def __init__(
        self,
        folder: Path,
        styles: Styles,
        statistics: Statistics,
        *,
        streams: int = 1,
        threads: int = 1,
        precision: Precision = "auto",
    ) -> None:
        """For ``streams`` at once, each of ``threads``; ``precision`` is that of the windows.

        What comes before the windows of a text has as many threads as there are in all, up to four: its first sound
        waits for that, and it costs no more CPU time.
        """
        before = min(_MOST_THREADS_BEFORE, streams * threads)
        self.threads = threads
        self._styles = styles
        self._statistics = statistics
        self._constants = Constants(folder / CONSTANTS)
        self._bert, self._prosody, self._decoder, self._whole = (
            Session(folder / f"{name}.onnx", threads=before)
            for name in ("bert", "prosody", "decoder", "whole")
        )
        self._windows = load_windows(
            folder, precision=precision, streams=streams, threads=threads, trial=self._trial
        )

    @property
    def runtime(self) -> str:
        """What computes the sound."""
        return f"{self._windows.runtime}, windows"

    def read(
        self,
        symbols: str,
        voice: Mapping[str, float],
        *,
        timbre: Mapping[str, float] | None = None,
        speed: float = 1.0,
        intonation: float = 1.0,
        tuning: Callable[[Samples], Samples] | None = None,
        interrupt: Interrupt | None = None,
    ) -> Reading:
        """1 to ``MAX_SYMBOLS`` symbols in a mix of voices, from the first audible frame to the last.

        ``timbre`` is a mix for the timbre alone, where it is not that of ``voice``; ``intonation`` as in
        ``SynthesisRequest``; ``tuning`` changes the fundamental frequency, in Hz. Raises Interrupted.
        """
        style = self._styles.mixed(voice, len(symbols), timbre=timbre)
        prosody = self.prosody([EDGE, *numbers(symbols), EDGE], style, speed, interrupt)
        f0 = prosody.f0 if tuning is None else tuning(prosody.f0)
        prosody = replace(prosody, f0=intoned(f0, intonation))
        return Reading(self._steps(prosody, style, timbre or voice, interrupt), prosody.bounds_ms)

    def prosody(
        self, ids: list[int], style: Samples, speed: float, interrupt: Interrupt | None = None
    ) -> Prosody:
        """How a text with its edges is going to be said. Raises Interrupted."""
        text = np.array([ids], np.int64)
        mask = np.zeros((1, 1, len(ids), len(ids)), np.float32)
        hidden = self._bert.first({"input_ids": text, _MASK: mask}, interrupt)
        asr, f0, energy, durations = self._prosody.run(
            {
                _HIDDEN: hidden,
                "input_ids": text,
                "style": style[np.newaxis],
                "speed": np.array([speed], np.float32),
            },
            interrupt,
            outputs=_PROSODY,
        )
        return Prosody(asr, f0.reshape(-1), energy.reshape(-1), durations.reshape(-1))

    def decoded(self, prosody: Prosody, style: Samples, interrupt: Interrupt | None = None) -> Samples:
        """What the generator makes sound of: (1, 512, frames), 80 a second. Raises Interrupted."""
        count = prosody.asr.shape[2]
        return self._decoder.first(
            {
                "asr": prosody.asr,
                "f0": prosody.f0.reshape(1, 1, -1),
                "energy": prosody.energy.reshape(1, 1, -1),
                "valid": np.ones((1, 1, count), np.float32),
                "valid2": np.ones((1, 1, 2 * count), np.float32),
                "share": np.full((1, 1, 1), 1 / count, np.float32),
                "style": style[np.newaxis, :128],
            },
            interrupt,
        )

    def _steps(
        self, prosody: Prosody, style: Samples, timbre: Mapping[str, float], interrupt: Interrupt | None
    ) -> list[Callable[[], Samples]]:
        """Each gives the sound of one window. Raises Interrupted, as each of them does."""
        first, last = prosody.audible
        if first == last:
            return []
        x = self.decoded(prosody, style, interrupt)
        source = HarmonicSource(prosody.f0, self._constants)
        affine = self._predicted_affine(timbre, prosody, style)
        if affine is None or prosody.num_frames <= _WHOLE_FRAMES:
            heard = slice(first * FRAME_SAMPLES, last * FRAME_SAMPLES)
            return [lambda: self.in_one_piece(x, source, style, interrupt)[heard]]
        return [
            partial(self.window, x, source, start, size, affine, interrupt)
            for start, size in _windows(first, last)
        ]

    def _predicted_affine(
        self, voice: Mapping[str, float], prosody: Prosody, style: Samples
    ) -> tuple[Samples, Samples] | None:
        """``None`` for a voice whose statistics are not known."""
        if any(name not in self._statistics for name in voice):
            return None
        mean, variance = self._statistics.predicted(voice, prosody.silent_share)
        return self._constants.of_statistics(style, mean, variance)

    def window(
        self,
        x: Samples,
        source: HarmonicSource,
        start: int,
        size: int,
        affine: tuple[Samples, Samples],
        interrupt: Interrupt | None = None,
    ) -> Samples:
        """The sound of ``size`` frames from ``start`` on. Raises Interrupted."""
        made = self._windows.size(size)
        inputs = _window_inputs(x, source, start, made, affine)
        return self._sound_of_window(self._windows.first(inputs, interrupt), made)[: FRAME_SAMPLES * size]

    def _sound_of_window(self, spectrum: Samples, size: int) -> Samples:
        at = 60 * HALO - 6 * CROP_SAMPLES
        return self._constants.sound(spectrum[0, :, at - 2 : at + 60 * size + 2])[
            20 : 20 + FRAME_SAMPLES * size
        ]

    def _trial(self) -> Trial:
        voice = {
            next(filter(self._statistics.__contains__, self._styles.voices), self._styles.voices[0]): 1.0
        }
        style = self._styles.mixed(voice, len(_TRIED))
        prosody = self.prosody([EDGE, *numbers(_TRIED), EDGE], style, 1.0)
        decoded = self.decoded(prosody, style)
        affine = self._predicted_affine(voice, prosody, style) or self._constants.of_style(style)
        source = HarmonicSource(prosody.f0, self._constants)
        size = SIZES[-1]
        inputs = _window_inputs(decoded, source, prosody.audible[0], size, affine)
        return Trial(inputs, lambda spectrum: self._sound_of_window(spectrum, size))

    def in_one_piece(
        self, x: Samples, source: HarmonicSource, style: Samples, interrupt: Interrupt | None = None
    ) -> Samples:
        """All of the sound, with the statistics of this very sound. Raises Interrupted."""
        spectrum = self._whole.first(whole_inputs(x, source, self._constants.of_style(style)), interrupt)[0]
        return self._constants.sound(spectrum)[10 : 10 + FRAME_SAMPLES * x.shape[2]]


def _windows(first: int, last: int) -> Iterator[tuple[int, int]]:
    """First frame and size of each window."""
    start, sizes = first, iter(FIRST_SIZES)
    while start < last:
        size = min(next(sizes, SIZES[-1]), last - start)
        yield start, size
        start += size


def _window_inputs(
    x: Samples, source: HarmonicSource, start: int, size: int, affine: tuple[Samples, Samples]
) -> dict[str, Samples]:
    """Of the generator that makes ``size`` frames from ``start`` on."""
    count = x.shape[2]
    first, last = start - HALO, start + size + HALO
    steps = max(60 * first, 0), min(60 * last, 60 * count) + 1
    return {
        "x": _extended(x[:, :, max(first, 0) : min(last, count)], max(0, -first), max(0, last - count)),
        "har": _extended(source.features(*steps), steps[0] - 60 * first, 60 * last + 1 - steps[1]),
        "scale": affine[0],
        "shift": affine[1],
    }


def whole_inputs(x: Samples, source: HarmonicSource, affine: tuple[Samples, Samples]) -> dict[str, Samples]:
    """Of the generator that makes all frames at once and computes its own statistics."""
    count = x.shape[2]
    steps = 60 * count + 1
    return {
        "x": x,
        "har": source.features(0, steps),
        "scale": affine[0],
        "shift": affine[1],
        "valid0": np.ones((1, 1, 10 * count), np.float32),
        "valid1": np.ones((1, 1, steps), np.float32),
        "share": np.array([1 / (10 * count), 1 / steps], np.float32).reshape(2, 1, 1),
    }


def _extended(values: Samples, before: int, after: int) -> Samples:
    """With the first and the last value repeated."""
    return np.ascontiguousarray(np.pad(values, ((0, 0), (0, 0), (before, after)), mode="edge"))
