"""Where somebody speaks in a recording, and how loud the rest is.

A stretch of speech is one with a voice in it: noise has none, however loud it is. Consonants before, between and after
belong to it. So whispering is not found; nothing can be made of it either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saystream.dsp.analysis.intonation import FRAME_S, intonation_hz
from saystream.dsp.analysis.pace import syllables_per_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["ANALYSIS_RATE", "Activity", "quantile", "speech_activity"]

ANALYSIS_RATE = 16_000
"""Hz, of the samples that are looked at."""

_BLOCK_FRAMES = 1000
"""The contour is found in pieces: that of a whole minute would take hundreds of megabytes."""
_OVERLAP_S = 0.05
_HOP = round(FRAME_S * ANALYSIS_RATE)

_LEAST_VOICED_FRAMES = 4
"""A shorter one is chance."""
_WORD_GAP_FRAMES = 30
"""Between two voiced parts of one stretch of speech."""
_LEAST_STRETCH_FRAMES = 10
_CONSONANT_FRAMES = 10
"""What may come before the first voice and after the last."""
_PAUSE_FRAMES = 70
"""More than this between two stretches is a pause."""
_LEAST_REST_FRAMES = 30
"""Less than this beside the speech does not say how loud the noise is."""
_LEAST_SYLLABLES_PER_S = 0.7
"""A hum, a tone or a held note has a voice too, but nobody speaks so slowly."""
_QUIETEST = 1e-10


@dataclass(frozen=True, slots=True)
class Activity:
    """What was found. Times are in frames of ``FRAME_S``."""

    contour: NDArray[np.float64]
    """Fundamental frequency in Hz, one value for each frame; 0 where there is no voice."""
    power: NDArray[np.float64]
    """Mean square of each frame."""
    stretches: tuple[tuple[int, int], ...]
    """Of speech: the first frame, and that after the last."""

    @property
    def speech_s(self) -> float:
        return sum(end - start for start, end in self.stretches) * FRAME_S

    @property
    def longest_s(self) -> float:
        """The longest speech without a pause."""
        return max((end - start for start, end in self.runs), default=0) * FRAME_S

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """Stretches with no pause between them, joined."""
        return _joined(self.stretches, _PAUSE_FRAMES)

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Frames with a voice, within the stretches."""
        return (self.contour > 0) & self._inside

    @property
    def snr_db(self) -> float:
        """How much louder the voice is than what is heard beside it; where nearly everything is speech, than its
        quietest parts. From -20 to 90."""
        voiced = self.voiced
        if not voiced.any():
            return -20.0
        rest = self.power[~self._inside]
        noise = quantile(rest, 0.5) if len(rest) >= _LEAST_REST_FRAMES else quantile(self.power, 0.05)
        voice = float(self.power[voiced].mean()) - noise
        return float(np.clip(10 * np.log10(max(voice, _QUIETEST) / max(noise, _QUIETEST)), -20, 90))

    @property
    def _inside(self) -> NDArray[np.bool_]:
        inside = np.zeros(len(self.power), bool)
        for start, end in self.stretches:
            inside[start:end] = True
        return inside


def quantile(values: NDArray[Any], share: float) -> float:
    """The value that ``share`` of ``values``, of which there must be one, do not reach. NumPy's own functions load
    modules on first use, which the process that reads uploads cannot do."""
    place = min(len(values) - 1, int(share * len(values)))
    return float(np.partition(values, place)[place])


def speech_activity(samples: Samples) -> Activity:
    """Where there is speech in float32 mono ``samples`` of ``ANALYSIS_RATE``."""
    contour = _contour(samples)
    power = (samples[: len(contour) * _HOP].astype(np.float64).reshape(-1, _HOP) ** 2).mean(axis=1)
    if syllables_per_s(samples, ANALYSIS_RATE, contour) < _LEAST_SYLLABLES_PER_S:
        return Activity(contour, power, ())
    voiced = [run for run in _runs(contour > 0) if run[1] - run[0] >= _LEAST_VOICED_FRAMES]
    stretches = tuple(
        (max(0, start - _CONSONANT_FRAMES), min(len(power), end + _CONSONANT_FRAMES))
        for start, end in _joined(voiced, _WORD_GAP_FRAMES)
        if end - start >= _LEAST_STRETCH_FRAMES
    )
    return Activity(contour, power, stretches)


def _contour(samples: Samples) -> NDArray[np.float64]:
    block, overlap = _BLOCK_FRAMES * _HOP, round(_OVERLAP_S * ANALYSIS_RATE)
    pieces = [
        intonation_hz(samples[start : start + block + overlap], ANALYSIS_RATE)[:_BLOCK_FRAMES]
        for start in range(0, len(samples), block)
    ]
    contour: NDArray[np.float64] = np.concatenate(pieces) if pieces else np.zeros(0)
    return contour[: len(samples) // _HOP]


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _joined(
    runs: list[tuple[int, int]] | tuple[tuple[int, int], ...], gap: int
) -> tuple[tuple[int, int], ...]:
    """Runs with no more than ``gap`` between them as one."""
    joined: list[tuple[int, int]] = []
    for start, end in runs:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)
