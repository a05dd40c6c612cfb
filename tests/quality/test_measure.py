from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from saystream.quality.corpus import Sentence
from saystream.quality.measure import Measurement, measure
from saystream.quality.scorer import Score, Scorer

SENTENCES = [Sentence("Good morning.", ("Good morning.",)), Sentence("Room 2.", ("Room 2.", "Room two."))]


class Humming:
    """Half a second of a tone for each sentence."""

    path = "direct"

    def speak(self, text: str, *, voice: str, language: str) -> tuple[np.ndarray, int]:
        return np.sin(np.arange(4000, dtype=np.float32) / 10), 8000


class Listener:
    """Hears "Good morning." whatever is said, and keeps what it was asked."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.asked: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = []

    def score(self, wav: Path, *, language: str, expected: Sequence[str], scores: Sequence[str]) -> Score:
        self.sizes.append(wav.stat().st_size)
        self.asked.append((wav.name, language, tuple(expected), tuple(scores)))
        heard = "Good morning."
        return Score(transcript=heard, errors=int(heard not in expected), length=2, speaker=(1.0, 0.0))


def run(listener: Listener, folder: Path, *, together: int = 1) -> Measurement:
    steps: list[None] = []
    found = measure(
        Humming(),
        cast("Scorer", listener),
        SENTENCES,
        voice="Eldric Sage",
        language="en",
        scores=("words", "speaker"),
        folder=folder,
        together=together,
        step=lambda: steps.append(None),
    )
    assert len(steps) == len(SENTENCES)
    return found


def test_every_sentence_is_scored_against_its_spellings(tmp_path: Path) -> None:
    listener = Listener()
    found = run(listener, tmp_path)

    assert [(language, expected) for _, language, expected, _ in listener.asked] == [
        ("en", ("Good morning.",)),
        ("en", ("Room 2.", "Room two.")),
    ]
    assert listener.sizes == [44 + 2 * 4000] * 2
    (row,) = found.rows
    assert (row.path, row.sentences, row.error_percent, row.seconds) == ("direct", 2, 25.0, 1.0)


def test_what_was_heard_otherwise_is_kept(tmp_path: Path) -> None:
    (heard,) = run(Listener(), tmp_path).differences

    assert (heard.text, heard.transcript) == ("Room 2.", "Good morning.")


def test_each_recording_has_a_name_of_its_own(tmp_path: Path) -> None:
    run(Listener(), tmp_path)

    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "en-Eldric_Sage-direct-00.wav",
        "en-Eldric_Sage-direct-01.wav",
    ]


def test_the_embeddings_of_a_voice_are_gathered_over_languages(tmp_path: Path) -> None:
    found = Measurement()
    found.add(run(Listener(), tmp_path))
    found.add(run(Listener(), tmp_path))

    assert {voice: len(vectors) for voice, vectors in found.embeddings.items()} == {"Eldric Sage": 4}
    assert len(found.rows) == len(found.differences) == 2


def test_sentences_can_share_a_recording_that_is_right_in_any_of_their_spellings(tmp_path: Path) -> None:
    listener = Listener()
    (row,) = run(listener, tmp_path, together=2).rows

    assert [expected for _, _, expected, _ in listener.asked] == [
        ("Good morning. Room 2.", "Good morning. Room two.")
    ]
    assert listener.sizes == [44 + 2 * 3 * 4000]
    assert (row.sentences, row.seconds) == (2, 1.0)
