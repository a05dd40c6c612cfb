"""Finds when each word of a text sounds, from nothing but the sound. Pure.

For engines that do not know. Silences in the sound are matched to the places in the text where one may be, so that what
is said between two of them takes about as long as its words should; within such a run, words share the time by their
length, and each border moves to the quietest moment near it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["SpokenWord", "align"]

_FRAME_MS = 5
_QUIET_DB = 34.0
"""Below the loudest moments: silence."""
_SHORTEST_SILENCE_MS = 70
"""Closures of plosives are shorter."""
_SEARCH_MS = 45
"""How far a border may move to a quieter moment."""
_MISSED_PAUSE = 0.05
"""Cost of a pause that the text asks for and the sound does not have, as a share of the time of all words…"""
_ADDED_PAUSE = 0.04
"""…and of a silence where the text has no pause."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word, as long as it should be."""

    weight: float
    """Its length relative to that of the others; above 0."""
    pause: bool = False
    """A pause may be expected after it."""


def align(samples: Samples, sample_rate: int, words: Sequence[SpokenWord]) -> list[tuple[float, float]]:
    """When each of ``words`` begins and ends, in ms; in order, and within the sound. All at 0 if it is silent."""
    level = _levels(samples, sample_rate)
    runs = _runs(level)
    if not runs or not words:
        return [(0.0, 0.0)] * len(words)
    times: list[tuple[float, float]] = []
    end_ms = len(samples) * 1000 / sample_rate
    for (start, end), said in _shared(runs, words):
        borders = _borders(level, start, end, [word.weight for word in said])
        ms = [min(end_ms, border * _FRAME_MS) for border in borders]
        times += zip(ms, ms[1:], strict=False)
    return times


def _levels(samples: Samples, sample_rate: int) -> NDArray[np.float64]:
    """Root mean square of each frame, in decibels."""
    size = max(1, sample_rate * _FRAME_MS // 1000)
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    level: NDArray[np.float64] = 10 * np.log10((frames**2).mean(axis=1) + 1e-10)
    return level


def _runs(level: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The stretches of sound between silences, in frames."""
    if not len(level):
        return []
    loud = np.flatnonzero(level > max(float(np.quantile(level, 0.95)) - _QUIET_DB, -70.0))
    if not len(loud):
        return []
    cuts = np.flatnonzero(np.diff(loud) > _SHORTEST_SILENCE_MS // _FRAME_MS)
    starts = [int(loud[0]), *(int(loud[cut + 1]) for cut in cuts)]
    ends = [*(int(loud[cut]) + 1 for cut in cuts), int(loud[-1]) + 1]
    return list(zip(starts, ends, strict=True))


def _shared(
    runs: Sequence[tuple[int, int]], words: Sequence[SpokenWord]
) -> list[tuple[tuple[int, int], Sequence[SpokenWord]]]:
    """Which words each run says: those that make its length most likely. Runs with no border between their words
    count as one."""
    num_words = len(words)
    said = np.concatenate([[0.0], np.cumsum([word.weight for word in words])]) / sum(
        word.weight for word in words
    )
    sound = sum(end - start for start, end in runs)
    pauses = np.array([0, *(word.pause for word in words)], np.float64)
    missed = np.concatenate([[0.0], np.cumsum(pauses)]) * _MISSED_PAUSE
    cost = np.full(num_words + 1, np.inf)
    cost[0] = 0.0
    chosen: list[NDArray[np.intp]] = []
    for number, (start, end) in enumerate(runs):
        share = (end - start) / sound
        last = number == len(runs) - 1
        following = np.full(num_words + 1, np.inf)
        come_from = np.zeros(num_words + 1, np.intp)
        for border in range(num_words + 1) if not last else (num_words,):
            before = cost[: border + 1]
            error = np.abs(said[border] - said[: border + 1] - share)
            # A run that is no word of its own belongs to its neighbours: the silence is inside a word.
            inside = np.arange(border + 1) == border
            unspoken = np.where(inside, _ADDED_PAUSE, 0.0)
            skipped = np.where(inside, 0.0, missed[border] - missed[np.arange(border + 1) + 1])
            total = before + error + unspoken + np.maximum(0.0, skipped)
            best = int(total.argmin())
            at_border = 0.0 if last or pauses[border] else _ADDED_PAUSE
            following[border], come_from[border] = total[best] + at_border, best
        cost = following
        chosen.append(come_from)
    borders = [num_words]
    for come_from in reversed(chosen):
        borders.append(int(come_from[borders[-1]]))
    borders.reverse()
    shared: list[tuple[tuple[int, int], Sequence[SpokenWord]]] = []
    begin: int | None = None
    for (start, end), first, after in zip(runs, borders, borders[1:], strict=False):
        if first == after:
            begin = start if begin is None and not shared else begin
            if shared:
                (old, _), said_there = shared[-1]
                shared[-1] = ((old, end), said_there)
            continue
        shared.append(((start if begin is None else begin, end), words[first:after]))
        begin = None
    return shared


def _borders(level: NDArray[np.float64], start: int, end: int, weights: Sequence[float]) -> list[float]:
    """Where the words of a run begin, and where the last one ends, in frames."""
    shares = np.cumsum(weights) / sum(weights)
    reach = _SEARCH_MS // _FRAME_MS
    borders = [float(start)]
    for share in shares[:-1]:
        guess = start + share * (end - start)
        first = max(int(borders[-1]) + 1, round(guess) - reach)
        places = np.arange(first, min(end, round(guess) + reach + 1))
        if len(places):
            # The further away, the quieter it must be.
            far = np.abs(places - guess) / reach
            guess = float(places[(level[places] + 6.0 * far**2).argmin()]) + 0.5
        borders.append(min(float(end), max(borders[-1], guess)))
    return [*borders, float(end)]
