"""Makes the pauses within speech longer or shorter."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from saystream.dsp.stage import within

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["PAUSE_RATIOS", "Pauses"]

PAUSE_RATIOS = (0.1, 5.0)

_BLOCK_MS = 10
_QUIET = 10 ** (-50 / 20)
"""Effective amplitude of a block in a pause: breath and a model's noise are below, the softest consonants above."""
_SHORTEST_BLOCKS = 12
"""Of a pause: a voice is silent for up to 0.1 s inside a word, before a plosive."""
_LEAST_BLOCKS = 4
"""That stay of a pause."""
_MOST_HELD_BLOCKS = 500
"""A longer silence is let out as it is."""


class Pauses:
    """Changes the length of each pause of at least 0.12 s by ``ratio``. Silence before the first and after the last
    sound stays as it is; so does every sound.

    Raises ``InvalidValue`` for a ratio outside ``PAUSE_RATIOS``.
    """

    def __init__(self, sample_rate: int, *, ratio: float) -> None:
        self._ratio = within("pauses", ratio, PAUSE_RATIOS)
        self._block = sample_rate * _BLOCK_MS // 1000
        self.delay_ms = float(_BLOCK_MS)
        self._pending = np.zeros(0, np.float32)
        self._begun = False
        self._quiet_blocks = 0
        """Of the silence that goes on…"""
        self._held: list[Samples] = []
        """…and those of them that are not returned yet."""
        self._num_in = 0
        self._places_in = [0]
        """Where the sound begins behind each changed pause, among the samples that came…"""
        self._places_out = [0]
        """…and among those returned."""

    @property
    def num_settled(self) -> int:
        """Samples that came and whose ``place`` is known."""
        return self._num_in - self._block * len(self._held)

    def place(self, num_samples: float) -> float:
        """Samples returned before sample ``num_samples`` that came."""
        at = bisect_right(self._places_in, num_samples) - 1
        place = self._places_out[at] + num_samples - self._places_in[at]
        return min(place, *self._places_out[at + 1 : at + 2], float("inf"))

    def push(self, samples: Samples) -> list[Samples]:
        pending = np.concatenate((self._pending, samples))
        num_blocks = len(pending) // self._block
        blocks = pending[: num_blocks * self._block].reshape(num_blocks, self._block)
        self._pending = pending[num_blocks * self._block :]
        ready: list[Samples] = []
        for block, is_quiet in zip(blocks, np.sqrt(np.mean(blocks**2, axis=1)) < _QUIET, strict=True):
            self._num_in += self._block
            ready += self._quiet(block) if is_quiet and self._begun else [*self._sound(), block]
            self._begun = self._begun or not is_quiet
        return [np.concatenate(ready)] if ready else []

    def flush(self) -> list[Samples]:
        rest = [*self._held, self._pending]
        self._num_in += len(self._pending)
        self._held, self._pending = [], self._pending[:0]
        joined = np.concatenate(rest)
        return [joined] if len(joined) else []

    def _quiet(self, block: Samples) -> list[Samples]:
        self._quiet_blocks += 1
        if self._ratio >= 1 or self._quiet_blocks <= _LEAST_BLOCKS:
            return [block]
        self._held.append(block)
        return [self._held.pop(0)] if len(self._held) > _MOST_HELD_BLOCKS else []

    def _sound(self) -> list[Samples]:
        """What is due before a block of sound: the change of the pause before it."""
        length, self._quiet_blocks = self._quiet_blocks, 0
        held, self._held = self._held, []
        if length < _SHORTEST_BLOCKS:
            return held
        if self._ratio >= 1:
            added = round(length * (self._ratio - 1))
            self._settle(added)
            return [np.zeros(added * self._block, np.float32)]
        kept = max(_LEAST_BLOCKS, round(length * self._ratio)) - _LEAST_BLOCKS
        dropped = max(0, len(held) - kept)
        self._settle(-dropped)
        return held[dropped:]

    def _settle(self, num_blocks: int) -> None:
        """The sound that begins comes this much later than it would."""
        begins = self._num_in - self._block
        shift = self._places_out[-1] - self._places_in[-1] + num_blocks * self._block
        self._places_in.append(begins)
        self._places_out.append(begins + shift)
