"""Turns the scores of sentences into a row for each voice in each language, and into how different the voices are."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from saystream.quality.scorer import Score

__all__ = ["Row", "VoiceSpread", "spread", "summarise"]


@dataclass(frozen=True, slots=True)
class Row:
    """One voice in one language."""

    language: str
    voice: str
    path: str
    """``wire`` or ``direct``."""
    sentences: int
    unit: str
    """What was counted: ``CER`` characters, ``WER`` words."""
    error_percent: float | None
    """Of all sentences together."""
    exact: int | None
    """Recordings heard without an error."""
    mos: float | None
    """DNSMOS overall, mean."""
    mos_least: float | None
    pitch_hz: float | None
    """Median of the recordings' medians."""
    pitch_spread: float | None
    loudness_lufs: float | None
    """Mean of the recordings."""
    seconds: float
    """Of speech."""


@dataclass(frozen=True, slots=True)
class VoiceSpread:
    """How similar some voices are: the cosine of their speaker embeddings, 1 if they are the same."""

    voices: int
    mean_similarity: float
    """Over all pairs."""
    max_similarity: float
    closest: tuple[str, str]
    nearest: dict[str, tuple[str, float]]
    """For each voice the one most similar to it."""


def summarise(
    scores: Sequence[Score], *, language: str, voice: str, path: str, sentences: int, seconds: float
) -> Row:
    """``scores`` are those of the recordings, each of one or more sentences."""
    counted = [(score.errors, score.length) for score in scores if score.errors is not None and score.length]
    errors, length = (sum(column) for column in zip(*counted, strict=True)) if counted else (0, 0)
    opinions = [score.mos for score in scores if score.mos is not None]
    return Row(
        language=language,
        voice=voice,
        path=path,
        sentences=sentences,
        unit="CER" if language in ("zh", "ja", "ko") else "WER",
        error_percent=round(100 * errors / length, 2) if counted else None,
        exact=sum(not errors for errors, _ in counted) if counted else None,
        mos=_rounded(statistics.fmean, opinions),
        mos_least=_rounded(min, opinions),
        pitch_hz=_rounded(statistics.median, [s.pitch_hz for s in scores if s.pitch_hz is not None]),
        pitch_spread=_rounded(
            statistics.median, [s.pitch_spread for s in scores if s.pitch_spread is not None]
        ),
        loudness_lufs=_rounded(
            statistics.fmean, [s.loudness_lufs for s in scores if s.loudness_lufs is not None]
        ),
        seconds=round(seconds, 1),
    )


def spread(embeddings: Mapping[str, Sequence[Sequence[float]]]) -> VoiceSpread:
    """``embeddings`` holds those of the sentences of each voice, for at least two voices; a voice is their mean."""
    names = list(embeddings)
    means = np.array([np.mean(embeddings[name], axis=0) for name in names])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    similarity = means @ means.T
    pairs = {
        (names[one], names[other]): float(similarity[one, other])
        for one, other in itertools.combinations(range(len(names)), 2)
    }
    closest = max(pairs, key=lambda pair: pairs[pair])
    np.fill_diagonal(similarity, -1)
    neighbour = similarity.argmax(axis=1)
    return VoiceSpread(
        voices=len(names),
        mean_similarity=round(statistics.fmean(pairs.values()), 4),
        max_similarity=round(pairs[closest], 4),
        closest=closest,
        nearest={
            name: (names[neighbour[row]], round(float(similarity[row, neighbour[row]]), 4))
            for row, name in enumerate(names)
        },
    )


def _rounded(how: Callable[[Sequence[float]], float], values: Sequence[float]) -> float | None:
    return round(how(values), 2) if values else None
