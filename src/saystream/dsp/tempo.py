"""Speed and pitch, by whichever of two libraries is installed: libsonic, else FFmpeg's ``atempo``.

Measured: libsonic is closer to speech that is really slow or fast, and holds back less; it has no wheel for every
platform, and PyAV is needed anyway.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from saystream.dsp.filters import FilterChain
from saystream.dsp.silence import QUIETEST
from saystream.dsp.stage import within
from saystream.errors import InvalidValue

if TYPE_CHECKING:
    from saystream.audio import Samples
    from saystream.dsp.stage import Stage

try:
    import libsonic
except ImportError:
    libsonic: Any = None  # type: ignore[no-redef]

__all__ = ["PITCH_RANGE", "SPEED_RANGE", "TEMPO_LIBRARY", "Atempo", "Sonic", "make_tempo"]

SPEED_RANGE = (0.25, 4.0)
"""Sonic clamps silently; outside this range its output is no longer speech."""
PITCH_RANGE = (0.4, 2.5)

TEMPO_LIBRARY: Literal["libsonic", "atempo"] = "atempo" if libsonic is None else "libsonic"
"""What ``make_tempo`` uses, chosen when this module is loaded."""

_SLOWEST = 0.25
"""Speed over pitch. Below this, libsonic falls behind the requested speed (measured)."""

_BLOCK_MS = 10

_SONIC_DELAY_MS = 50.0
"""Measured: Sonic looks at 30 ms, two periods of its lowest pitch; a splice and a started block are added to that."""

_ATEMPO_DELAY_MS = 120.0
"""Measured, for each ``atempo`` in a row and up to speed 2; its window is longer than Sonic's."""

_TAIL_MS = 300
"""Silence that pushes out the end; more than either library holds at speed 1."""

_SONIC_FILTER_SAMPLES = 12
"""Sonic's interpolation for another pitch begins only behind half of its filter, and drops what was before."""


def make_tempo(sample_rate: int, *, speed: float = 1.0, pitch: float = 1.0) -> Stage:
    """The stage of the library that is installed. Raises ``InvalidValue`` for a number outside the ranges."""
    stage = Sonic if TEMPO_LIBRARY == "libsonic" else Atempo
    return stage(sample_rate, speed=speed, pitch=pitch)


class _Blocks:
    """Cuts any input into equal blocks: where a splice falls depends on what the library holds when it is called."""

    def __init__(self, sample_rate: int) -> None:
        self._size = sample_rate * _BLOCK_MS // 1000
        self._pending = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> list[Samples]:
        pending = np.concatenate((self._pending, samples))
        whole = len(pending) - len(pending) % self._size
        self._pending = pending[whole:]
        return [pending[start : start + self._size] for start in range(0, whole, self._size)]

    def flush(self, num_silent: int) -> list[Samples]:
        """The rest, then silence: ``num_silent`` samples or a few more."""
        return self.push(np.zeros(num_silent + self._size, np.float32))


class _RightLength(ABC):
    """What both stages share: blocks in, ``round(num_samples / speed)`` samples out, or as many as its sound takes."""

    delay_ms = 0.0

    def __init__(self, sample_rate: int, speed: float, pitch: float) -> None:
        self._speed = within("speed", speed, SPEED_RANGE)
        within("pitch", pitch, PITCH_RANGE)
        if speed / pitch < _SLOWEST:
            raise InvalidValue("speed", speed, f"at least a quarter of the pitch, {pitch}")
        self._passes = speed == 1.0 and pitch == 1.0
        self._tail = round(sample_rate * _TAIL_MS / 1000 * max(1.0, speed))
        self._blocks = _Blocks(sample_rate)
        self._ahead = np.zeros(0, np.float32)
        self._num_in = 0
        self._num_out = 0

    def push(self, samples: Samples) -> list[Samples]:
        """Takes any number of samples."""
        if self._passes:
            return [samples] if len(samples) else []
        self._num_in += len(samples)
        return self._earned(self._blocks.push(samples), int(self._num_in / self._speed))

    def flush(self) -> list[Samples]:
        """The rest, brought to its length by silence pushed after it, so that the end is not a step.

        A library that splices may lag behind: sound that is due after the end is not cut off.
        """
        if self._passes:
            return []
        rest = self._earned(self._blocks.flush(self._tail), round(self._num_in / self._speed))
        padding = np.zeros(max(0, round(self._num_in / self._speed) - self._num_out), np.float32)
        late = self._ahead[: _num_until_silent(self._ahead)]
        return [part for part in (*rest, late, padding) if len(part)]

    def _earned(self, blocks: list[Samples], num_samples: int) -> list[Samples]:
        """Output up to the ``num_samples`` that the whole input makes: a library that splices may run ahead."""
        stretched = [output for block in blocks for output in self._stretch(block)]
        ready = np.concatenate((self._ahead, *stretched))
        due = ready[: num_samples - self._num_out]
        self._ahead = ready[len(due) :]
        self._num_out += len(due)
        return [due] if len(due) else []

    @abstractmethod
    def _stretch(self, block: Samples) -> list[Samples]: ...


class Sonic(_RightLength):
    """Tempo and pitch, by pitch-synchronous splicing (libsonic).

    ``speed`` 2.0 takes half the time; ``pitch`` 2.0 is an octave up and moves the formants too. The output has
    ``round(num_samples / speed)`` samples, or a few milliseconds more where the sound takes longer to end. With both at
    1.0 samples pass unchanged and without delay; otherwise values outside ±1 are clipped, because Sonic works on 16-bit
    integers.

    Raises ``InvalidValue`` for a number outside ``SPEED_RANGE`` or ``PITCH_RANGE``, and for a speed below a quarter of
    the pitch.
    """

    def __init__(self, sample_rate: int, *, speed: float = 1.0, pitch: float = 1.0) -> None:
        super().__init__(sample_rate, speed, pitch)
        if not self._passes:
            self.delay_ms = _SONIC_DELAY_MS
        self._stream = libsonic.SonicStream(sample_rate, 1)
        self._stream.set_speed(speed)
        self._stream.set_pitch(pitch)
        if pitch != 1.0:
            self._stream.write([0.0] * (_SONIC_FILTER_SAMPLES // 2))

    def _stretch(self, block: Samples) -> list[Samples]:
        self._stream.write(block.tolist())  # a list is read twice as fast as an array here (measured)
        num_ready = self._stream.available_frames()
        return [np.array(self._stream.read(num_ready), np.float32)] if num_ready else []


class Atempo(_RightLength):
    """Tempo and pitch, by FFmpeg's ``atempo``; pitch is a change of rate whose effect on time ``atempo`` undoes.

    The same contract as :class:`Sonic`, except for clipping: values outside ±1 pass.
    """

    def __init__(self, sample_rate: int, *, speed: float = 1.0, pitch: float = 1.0) -> None:
        super().__init__(sample_rate, speed, pitch)
        if not self._passes:
            filters = _atempo_filters(sample_rate, speed, pitch)
            in_a_row = sum(name == "atempo" for name, _ in filters)
            self.delay_ms = _ATEMPO_DELAY_MS * in_a_row * max(1.0, speed / 2)
            self._graph = FilterChain(sample_rate, filters)

    def _stretch(self, block: Samples) -> list[Samples]:
        return self._graph.push(block)


def _atempo_filters(sample_rate: int, speed: float, pitch: float) -> list[tuple[str, str]]:
    quotient = speed / pitch
    # Beyond 0.5…2 `atempo` refuses, or skips samples instead of blending them: several in a row share the work.
    count = max(1, math.ceil(abs(math.log2(quotient))))
    filters = [("atempo", str(quotient ** (1 / count)))] * count
    if pitch == 1.0:
        return filters
    return [("asetrate", str(round(sample_rate * pitch))), ("aresample", str(sample_rate)), *filters]


def _num_until_silent(samples: Samples) -> int:
    """Samples up to the last that is audible."""
    audible = np.flatnonzero(np.abs(samples) > QUIETEST)
    return int(audible[-1]) + 1 if len(audible) else 0
