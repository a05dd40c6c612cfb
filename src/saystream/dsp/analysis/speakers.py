"""Whether one person speaks in a recording, or more.

Voices differ in pitch and in the long-term shape of their spectrum. Both are averaged over stretches of a second of
voiced sound, so that what is said matters little, and the stretches are put into two groups. Those of a single speaker
then lie close together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saystream.dsp.analysis.activity import ANALYSIS_RATE, quantile
from saystream.dsp.analysis.intonation import FRAME_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples
    from saystream.dsp.analysis.activity import Activity

__all__ = ["speaker_distance"]

_HOP = round(FRAME_S * ANALYSIS_RATE)
_WINDOW = 512
_BANDS = 24
_LOWEST_HZ, _HIGHEST_HZ = 100.0, 7000.0
_COEFFICIENTS = 13
_STRETCH_FRAMES = 120
_LEAST_STRETCHES = 4
_LOUD = 1e-4
"""Of the loudest frame's power."""
_SEMITONES = 4.0
"""As far as the pitch of one speaker wanders from one stretch to another."""
_MAX_ROUNDS = 20
_SMALLEST = 1e-8


def speaker_distance(samples: Samples, activity: Activity) -> float:
    """How far apart the two groups are: for one speaker up to about 4, for two mostly above 5. 0 if there is too little
    speech to tell. ``samples`` are those of ``activity``."""
    cepstra = _cepstra(samples)
    count = min(len(cepstra), len(activity.power))
    voiced = activity.voiced[:count] & (activity.power[:count] > _LOUD * activity.power.max(initial=0.0))
    frames = np.flatnonzero(voiced)
    num_stretches = len(frames) // _STRETCH_FRAMES
    if num_stretches < _LEAST_STRETCHES:
        return 0.0
    stretches = np.array_split(frames, num_stretches)
    semitones = 12 * np.log2(activity.contour[:count], where=voiced, out=np.zeros(count))
    spread = np.sqrt(np.mean([cepstra[each].var(axis=0) for each in stretches], axis=0) + _SMALLEST)
    points = np.column_stack(
        [
            [cepstra[each].mean(axis=0) / spread for each in stretches],
            [quantile(semitones[each], 0.5) / _SEMITONES for each in stretches],
        ]
    )
    return _distance_of_halves(points)


def _distance_of_halves(points: NDArray[np.float64]) -> float:
    """The squared distance between the means of two groups, found by k-means from the two points that lie farthest
    apart."""
    distances = ((points[:, np.newaxis] - points) ** 2).sum(axis=2)
    first, second = np.unravel_index(distances.argmax(), distances.shape)
    means = points[[first, second]]
    for _ in range(_MAX_ROUNDS):
        group = ((points[:, np.newaxis] - means) ** 2).sum(axis=2).argmin(axis=1)
        if group.all() or not group.any():  # all points are one
            return 0.0
        means = np.stack([points[group == 0].mean(axis=0), points[group == 1].mean(axis=0)])
    return float(((means[0] - means[1]) ** 2).sum())


def _cepstra(samples: Samples) -> NDArray[np.float64]:
    """Cepstral coefficients of the mel spectrum, without the loudness, one row for each frame."""
    if len(samples) < _WINDOW:
        return np.zeros((0, _COEFFICIENTS))
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) + _SMALLEST
    views = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    window, bands = np.hanning(_WINDOW), _mel_bands()
    rows = []
    for start in range(0, len(views), 1000):  # a minute at once would take a hundred megabytes
        spectrum = np.abs(np.fft.rfft(views[start : start + 1000] * (window / level), axis=1)) ** 2
        rows.append(np.log(spectrum @ bands + 1e-5))
    return np.concatenate(rows) @ _cosines()


def _mel_bands() -> NDArray[np.float64]:
    """Shape ``(_WINDOW // 2 + 1, _BANDS)``: triangles that overlap by half."""
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(lowest, highest, _BANDS + 2) / 2595) - 1)
    hertz = np.arange(_WINDOW // 2 + 1)[:, np.newaxis] * ANALYSIS_RATE / _WINDOW
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    bands: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return bands


def _cosines() -> NDArray[np.float64]:
    order = np.arange(1, _COEFFICIENTS + 1)
    band = np.arange(_BANDS)[:, np.newaxis] + 0.5
    cosines: NDArray[np.float64] = np.cos(np.pi * order * band / _BANDS) * (2 / _BANDS)
    return cosines
