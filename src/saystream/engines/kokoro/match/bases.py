"""What is known of each of Kokoro's voices: who it sounds like, how high, how lively, how fast and how bright."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["Bases", "Speaker"]

_OCTAVE, _DECIBEL = 0.218, 0.0201
"""What an octave of pitch and a decibel of colour cost, in similarity of the embeddings. Fitted to what another
encoder, Resemblyzer, says of the 54 voices and twelve speakers who are none of them: the correlation is 0.63, with the
embeddings alone 0.43."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """What is measured of somebody."""

    hz: float
    """Median fundamental frequency."""
    spread_semitones: float
    syllables_per_s: float
    levels_db: NDArray[np.float64]
    """``dsp.analysis.spectrum.band_levels_db``."""
    embedding: Samples | None = None
    """By ``SpeakerEncoder``; ``None`` without its weights."""


class Bases:
    """The voices that are both in the file and in ``voices``."""

    def __init__(self, voices: Collection[str], path: Path | None = None) -> None:
        with (
            resources.as_file(resources.files(__package__).joinpath("voices.npz")) as own,
            np.load(path or own) as file,
        ):
            names = [str(name) for name in file["names"]]
            chosen = [number for number, name in enumerate(names) if name in voices]
            self.names = tuple(names[number] for number in chosen)
            self.embeddings = file["embeddings"][chosen].astype(np.float32)
            self._hz, self._spread, self._pace = (
                file[name][chosen].astype(np.float64) for name in ("hz", "spread", "pace")
            )
            self._levels = file["levels"][chosen].astype(np.float64)

    def likeness(self, speaker: Speaker) -> NDArray[np.float64]:
        """How like the speaker each voice is, as an encoder may see it."""
        apart = speaker.levels_db - self._levels
        colour = np.nanstd(apart, axis=1) if np.isfinite(apart).any() else np.zeros(len(self.names))
        octaves = np.abs(np.log2(speaker.hz / self._hz))
        known = 0.0 if speaker.embedding is None else self.embeddings @ speaker.embedding
        likeness: NDArray[np.float64] = known - _OCTAVE * octaves - _DECIBEL * colour
        return likeness

    def mix(self, speaker: Speaker, count: int) -> dict[str, float]:
        """The mix of the ``count`` likeliest voices whose embedding is nearest to the speaker's: that of a mix is near
        the mean of those of its voices. Without an embedding, the likeliest have equal shares."""
        chosen = np.argsort(-self.likeness(speaker))[:count]
        if speaker.embedding is None:
            shares = np.ones(len(chosen))
        else:
            shares = _non_negative(self.embeddings[chosen].astype(np.float64), speaker.embedding)
        return self._shares(chosen, shares)

    def rhythm(self, speaker: Speaker, count: int = 2) -> dict[str, float]:
        """The voices that are as high, as lively and as fast, the nearer the larger their shares."""
        away = (
            np.abs(np.log2(speaker.hz / self._hz)) * 4
            + np.abs(speaker.spread_semitones - self._spread) / 3
            + np.abs(speaker.syllables_per_s - self._pace) / 1.5
        )
        chosen = np.argsort(away)[:count]
        return self._shares(chosen, 1 / (0.1 + away[chosen]))

    def likeliest(self, speaker: Speaker, count: int) -> list[str]:
        return [self.names[number] for number in np.argsort(-self.likeness(speaker))[:count]]

    def _shares(self, chosen: NDArray[np.intp], shares: NDArray[np.float64]) -> dict[str, float]:
        total = shares.sum()
        heard = [(self.names[number], share / total) for number, share in zip(chosen, shares, strict=True)]
        return {name: round(float(share), 4) for name, share in heard if share > 0.02}


def _non_negative(embeddings: NDArray[np.float64], wanted: Samples) -> NDArray[np.float64]:
    """Shares, none below 0, whose sum of ``embeddings`` is nearest to ``wanted``: by descent along each in turn."""
    products = embeddings @ embeddings.T + 0.05 * np.eye(len(embeddings))
    aims = embeddings @ wanted
    shares = np.zeros(len(embeddings))
    for _ in range(100):
        for number in range(len(shares)):
            rest = aims[number] - products[number] @ shares
            shares[number] = max(0.0, shares[number] + rest / products[number, number])
    if not shares.any():  # like none of them: the first is the likeliest
        shares[0] = 1.0
    return shares
