"""What the norms of the generator will measure, predicted before there is a sound.

Mean and log variance of every channel are lines over the share of silent frames, fitted for each voice on sounds that
were made in one piece (``benchmarks/kokoro_statistics.py``). A mix of voices has the mean of their lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saystream.engines.kokoro.norms import NUM_STATISTICS

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["Statistics"]

_FITTED_SHARES = (0.02, 0.7)
"""Of silent frames: outside, the lines are not known."""

_SMALLEST_STEP = 1e-7


class Statistics:
    """The lines of each voice, of shape (2, 2 * NUM_STATISTICS): offset and slope of means, then of log variances."""

    def __init__(self, lines: Mapping[str, Samples]) -> None:
        self._lines = dict(lines)

    @classmethod
    def read(cls, path: Path | None = None) -> Statistics:
        """Those in ``path``; ``None`` is the file of the package, with all of Kokoro's own voices."""
        with (
            resources.as_file(resources.files(__package__).joinpath("statistics.npz")) as own,
            np.load(path or own) as file,
        ):
            lowest, step = file["lowest"].astype(np.float32), file["step"].astype(np.float32)
            rows = zip(map(str, file["names"]), file["rows"], strict=True)
            return cls({name: row.astype(np.float32) * step + lowest for name, row in rows})

    @staticmethod
    def write(path: Path, lines: Mapping[str, Samples]) -> None:
        """In bytes, of which each channel has the range that it has among the voices."""
        every = np.stack(list(lines.values()))
        lowest = every.min(axis=0).astype(np.float16).astype(np.float32)
        step = ((every.max(axis=0) - lowest) / 255).astype(np.float16)
        rows = np.round((every - lowest) / np.maximum(step.astype(np.float32), _SMALLEST_STEP))
        np.savez_compressed(
            path,
            names=np.array(list(lines)),
            lowest=lowest.astype(np.float16),
            step=step,
            rows=np.clip(rows, 0, 255).astype(np.uint8),
        )

    def __contains__(self, voice: str) -> bool:
        return voice in self._lines

    def predicted(self, voice: Mapping[str, float], silent_share: float) -> tuple[Samples, Samples]:
        """Mean and variance of each channel, packed, for a mix of voices."""
        lowest, highest = _FITTED_SHARES
        share = min(max(silent_share, lowest), highest)
        total = sum(voice.values())
        lines = [self._lines[name] * np.float32(weight / total) for name, weight in voice.items()]
        offset, slope = np.sum(lines, axis=0)
        values = offset + slope * np.float32(share)
        return values[:NUM_STATISTICS], np.exp(values[NUM_STATISTICS:])
