"""The adaptive instance norms of Kokoro's generator: which there are, and how their numbers are packed.

A norm subtracts the mean of its input, divides by its deviation, multiplies and adds what the style says. With the
statistics known, that is one multiplication and one addition, ``scale`` and ``shift``. Both are packed: the channels of
all norms in the order of ``NORMS``. Statistics are packed in the order of ``STATISTICS``, in which the first norms of
three parallel blocks, which have the same input, stand once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

__all__ = ["BLOCKS", "CHANNELS", "NORMS", "NUM_STATISTICS", "STATISTICS", "STATISTIC_OF_CHANNEL", "Norm"]

BLOCKS = {"noise_res.0": 256, "noise_res.1": 128} | {
    f"resblocks.{number}": 256 if number < 3 else 128 for number in range(6)
}
"""Residual blocks and their channels."""

_FIRST_OF_LEVEL = {"resblocks.1": "resblocks.0", "resblocks.2": "resblocks.0"} | {
    "resblocks.4": "resblocks.3",
    "resblocks.5": "resblocks.3",
}
_ORDER = ("noise_res.0", "resblocks.0", "resblocks.1", "resblocks.2", "noise_res.1") + tuple(
    f"resblocks.{number}" for number in (3, 4, 5)
)


@dataclass(frozen=True, slots=True)
class Norm:
    block: str
    half: int
    """1 or 2: before the first or the second convolution of a step."""
    step: int
    """0, 1 or 2."""

    @property
    def name(self) -> str:
        """As the export writes it."""
        return f"{self.block}/adain{self.half}.{self.step}"

    @property
    def channels(self) -> int:
        return BLOCKS[self.block]

    @property
    def statistic(self) -> Norm:
        """The norm under which the statistics of its input stand."""
        if (self.half, self.step) == (1, 0):
            return Norm(_FIRST_OF_LEVEL.get(self.block, self.block), 1, 0)
        return self


def _norms(blocks: tuple[str, ...]) -> tuple[Norm, ...]:
    return tuple(Norm(block, half, step) for block in blocks for step in range(3) for half in (1, 2))


NORMS = _norms(tuple(BLOCKS))
CHANNELS = sum(norm.channels for norm in NORMS)
STATISTICS = tuple(dict.fromkeys(norm.statistic for norm in _norms(_ORDER)))
NUM_STATISTICS = sum(norm.channels for norm in STATISTICS)

_STARTS = dict(zip(STATISTICS, accumulate((norm.channels for norm in STATISTICS), initial=0), strict=False))
STATISTIC_OF_CHANNEL = np.concatenate([np.arange(norm.channels) + _STARTS[norm.statistic] for norm in NORMS])
"""For each packed channel, the place of its mean and variance."""
