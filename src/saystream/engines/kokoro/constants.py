"""What the parts of Kokoro leave to NumPy: numbers of the weights, and the sound that a spectrum stands for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saystream.engines.kokoro.norms import STATISTIC_OF_CHANNEL

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["FRAME_MS", "FRAME_SAMPLES", "SAMPLE_RATE", "Constants"]

SAMPLE_RATE = 24_000
"""Hz."""
FRAME_SAMPLES = 300
"""Of one frame of the decoder's output, 80 a second."""
FRAME_MS = FRAME_SAMPLES * 1000 / SAMPLE_RATE

_EPSILON = 1e-5
_BINS = 11
_HOP = 5
_OVERLAP = 4


class Constants:
    """Read from the file that ``cut.parts`` writes."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as written:
            values = {name: np.asarray(written[name], np.float32) for name in written.files}
        self.analysis_window = values["analysis_window"].reshape(-1)
        self.harmonics = values["harmonics"].reshape(-1)
        self.harmonics_bias = np.float32(values["harmonics_bias"].reshape(-1)[0])
        self.sine_amplitude = np.float32(values["sine_amplitude"].reshape(-1)[0])
        self.voiced_above_hz = float(values["voiced_above_hz"].reshape(-1)[0])
        self.unvoiced = values["unvoiced"]
        self._slopes = values["snake_slopes"]
        self._scale, self._scale_bias = values["scale"], values["scale_bias"]
        self._shift, self._shift_bias = values["shift"], values["shift_bias"]
        self._synthesis = values["synthesis"] * np.float32(values["synthesis_gain"].reshape(-1)[0])

    def of_style(self, style: Samples) -> tuple[Samples, Samples]:
        """Scale and shift of every norm whose statistics are computed where it is applied, packed; shape (1, n, 1)."""
        scale, shift = self._affine(style)
        return _column(scale * self._slopes), _column(shift * self._slopes)

    def of_statistics(self, style: Samples, mean: Samples, variance: Samples) -> tuple[Samples, Samples]:
        """Scale and shift of every norm with these statistics, packed; shape (1, n, 1)."""
        scale, shift = self._affine(style)
        scale = scale / np.sqrt(variance[STATISTIC_OF_CHANNEL] + _EPSILON)
        shift = shift - mean[STATISTIC_OF_CHANNEL] * scale
        return _column(scale * self._slopes), _column(shift * self._slopes)

    def _affine(self, style: Samples) -> tuple[Samples, Samples]:
        timbre = style.reshape(-1)[:128]
        return self._scale @ timbre + self._scale_bias + 1, self._shift @ timbre + self._shift_bias

    def sound(self, spectrum: Samples) -> Samples:
        """The samples of a spectrum of shape (22, steps): sample ``5 * step + k`` of step ``step`` stands at place
        ``5 * step + k``, and those of four steps overlap; the first and the last 10 are incomplete."""
        magnitude, phase = np.exp(spectrum[:_BINS]), np.sin(spectrum[_BINS:])
        parts = np.concatenate([magnitude * np.cos(phase), magnitude * np.sin(phase)])
        pieces = parts.T @ self._synthesis
        steps = len(pieces)
        overlapped = np.zeros((steps + _OVERLAP - 1, _HOP), np.float32)
        for quarter in range(_OVERLAP):
            overlapped[quarter : quarter + steps] += pieces[:, _HOP * quarter : _HOP * (quarter + 1)]
        return overlapped.reshape(-1)


def _column(values: Samples) -> Samples:
    return np.ascontiguousarray(values.reshape(1, -1, 1), np.float32)
