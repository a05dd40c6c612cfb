"""Speaks the corpus with some voices and has every sentence scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from saystream.quality.corpus import Sentence
from saystream.quality.report import Row, summarise
from saystream.quality.scorer import Score, Scorer
from saystream.quality.speaking import Speaker, write_wav

__all__ = ["Heard", "Measurement", "measure"]


@dataclass(frozen=True, slots=True)
class Heard:
    """One sentence that was not heard as it was written."""

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
    """Of each voice, by sentence, over all its languages."""

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
    step: Callable[[], None] = lambda: None,
) -> Measurement:
    """``sentences`` of one language by one voice. ``step`` is called after each; the recordings stay in ``folder``."""
    found = Measurement()
    scored: list[Score] = []
    seconds = 0.0
    for number, sentence in enumerate(sentences):
        samples, sample_rate = speaker.speak(sentence.text, voice=voice, language=language)
        wav = folder / f"{language}-{voice.replace(' ', '_')}-{speaker.path}-{number:02}.wav"
        write_wav(wav, samples, sample_rate)
        seconds += len(samples) / sample_rate
        score = scorer.score(wav, language=language, expected=sentence.spellings, scores=scores)
        scored.append(score)
        if score.errors and score.transcript is not None:
            found.differences.append(Heard(language, voice, speaker.path, sentence.text, score.transcript))
        if score.speaker is not None:
            found.embeddings.setdefault(voice, []).append(score.speaker)
        step()
    found.rows.append(summarise(scored, language=language, voice=voice, path=speaker.path, seconds=seconds))
    return found
