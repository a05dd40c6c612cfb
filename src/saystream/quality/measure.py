"""Speaks the corpus with some voices and has every sentence scored."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saystream.quality.corpus import Sentence
from saystream.quality.report import Row, summarise
from saystream.quality.scorer import Score, Scorer
from saystream.quality.speaking import Speaker, write_wav

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["Heard", "Measurement", "measure"]

_PAUSE_S = 0.5
"""Between sentences joined in one recording."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One recording that was not heard as written."""

    language: str
    voice: str
    path: str
    text: str
    transcript: str


@dataclass(slots=True)
class Measurement:
    rows: list[Row] = field(default_factory=list)
    differences: list[Heard] = field(default_factory=list)
    embeddings: dict[str, list[Sequence[float]]] = field(default_factory=dict)
    """By voice, one for each recording, in all its languages."""

    def add(self, other: Measurement) -> None:
        self.rows += other.rows
        self.differences += other.differences
        for voice, vectors in other.embeddings.items():
            self.embeddings.setdefault(voice, []).extend(vectors)


def measure(
    speaker: Speaker,
    scorer: Scorer,
    sentences: Sequence[Sentence],
    *,
    voice: str,
    language: str,
    scores: Sequence[str],
    folder: Path,
    together: int = 1,
    step: Callable[[], None] = lambda: None,
) -> Measurement:
    """``sentences`` of one language by one voice. ``step`` is called after each; the recordings stay in ``folder``.

    Each recording holds ``together`` sentences. The recogniser takes as long for one sentence as for half a minute, so
    several save time; but an error in one may then cause an error in the next.
    """
    found = Measurement()
    scored: list[Score] = []
    seconds = 0.0
    for start in range(0, len(sentences), together):
        spoken = sentences[start : start + together]
        wav = folder / f"{language}-{voice.replace(' ', '_')}-{speaker.path}-{start:02}.wav"
        seconds += _record(speaker, spoken, wav, voice=voice, language=language, step=step)
        expected = [" ".join(one) for one in itertools.product(*(each.spellings for each in spoken))]
        score = scorer.score(wav, language=language, expected=expected, scores=scores)
        scored.append(score)
        if score.errors and score.transcript is not None:
            found.differences.append(Heard(language, voice, speaker.path, expected[0], score.transcript))
        if score.speaker is not None:
            found.embeddings.setdefault(voice, []).append(score.speaker)
    row = summarise(
        scored,
        language=language,
        voice=voice,
        path=speaker.path,
        sentences=len(sentences),
        seconds=seconds,
    )
    found.rows.append(row)
    return found


def _record(
    speaker: Speaker,
    sentences: Sequence[Sentence],
    wav: Path,
    *,
    voice: str,
    language: str,
    step: Callable[[], None],
) -> float:
    """Speaks each sentence separately and joins the recordings; returns the seconds of speech."""
    joined: list[Samples] = []
    num_samples, sample_rate = 0, 0
    for sentence in sentences:
        samples, sample_rate = speaker.speak(sentence.text, voice=voice, language=language)
        num_samples += len(samples)
        joined += [samples, np.zeros(round(sample_rate * _PAUSE_S), np.float32)]
        step()
    write_wav(wav, np.concatenate(joined[:-1]), sample_rate)
    return num_samples / sample_rate
