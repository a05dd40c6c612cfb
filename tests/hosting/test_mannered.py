from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from saystream.audio import Mark, SpeechChunk
from saystream.engines.base import EngineInfo, SegmentEngine, Span, SynthesisRequest
from saystream.errors import InvalidValue
from saystream.hosting.mannered import has_manner
from saystream.hosting.normalized import open_stream

RATE = 8000
WORD_MS, PAUSE_MS, PIECE_MS = 300, 400, 70


class TwoWords(SegmentEngine):
    """Two sounds with a pause between them; both marks come with the first piece."""

    info = EngineInfo("two words", RATE, {"en": "native"}, ("v",), marks=True)

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        word = (0.1 * np.random.default_rng(3).standard_normal(RATE * WORD_MS // 1000)).astype(np.float32)
        pause = np.zeros(RATE * PAUSE_MS // 1000, np.float32)
        sound = np.concatenate([word, pause, word])
        marks = (
            Mark(span.offset, span.offset + 3, 0, WORD_MS),
            Mark(span.offset + 4, span.offset + 7, WORD_MS + PAUSE_MS, 2 * WORD_MS + PAUSE_MS),
        )
        piece = RATE * PIECE_MS // 1000
        for start in range(0, len(sound), piece):
            yield SpeechChunk(sound[start : start + piece], marks if not start and request.marks else ())


def spoken(**fields: Any) -> tuple[np.ndarray, list[tuple[float, Mark]]]:
    """The sound, and the marks with the sound that came before the chunk of each, in ms."""
    stream = open_stream(TwoWords(), SynthesisRequest("v", "en", **fields))
    stream.push(Span("one two", 10))
    stream.end_input()
    samples: list[np.ndarray] = []
    marks: list[tuple[float, Mark]] = []
    for chunk in stream.chunks():
        before_ms = sum(map(len, samples)) * 1000 / RATE
        marks += ((before_ms + len(chunk.samples) * 1000 / RATE, mark) for mark in chunk.marks)
        samples.append(chunk.samples)
    assert stream.waiting_characters == 0
    stream.cancel()
    return np.concatenate(samples), marks


def test_a_request_without_a_manner_passes_as_it_is() -> None:
    assert not has_manner(SynthesisRequest("v", "en", speed=2.0, intonation=1.5))
    assert has_manner(SynthesisRequest("v", "en", loudness_db=-2))
    assert has_manner(SynthesisRequest("v", "en", pauses=2))


@pytest.mark.parametrize("loudness_db", [-6.0, 3.0])
def test_the_sound_is_as_loud_as_asked(loudness_db: float) -> None:
    plain, changed = spoken()[0], spoken(loudness_db=loudness_db)[0]
    assert len(changed) == len(plain)
    change_db = 20 * np.log10(np.sqrt(np.mean(changed**2)) / np.sqrt(np.mean(plain**2)))
    assert change_db == pytest.approx(loudness_db, abs=0.2)
    assert changed.dtype == np.float32


@pytest.mark.parametrize("pauses", [0.25, 2.0])
def test_pauses_are_as_long_as_asked_and_marks_move_along(pauses: float) -> None:
    sound, marks = spoken(pauses=pauses, marks=True)
    second_ms = WORD_MS + pauses * PAUSE_MS
    assert len(sound) == pytest.approx(RATE * (second_ms + WORD_MS) / 1000, abs=RATE // 50)
    first, second = (mark for _, mark in marks)
    assert (first.start, first.start_ms, first.end_ms) == (10, 0, WORD_MS)
    assert second.start == 14
    assert second.start_ms == pytest.approx(second_ms, abs=15)
    assert second.end_ms == pytest.approx(second_ms + WORD_MS, abs=15)
    assert all(mark.start_ms <= heard_ms for heard_ms, mark in marks)


def test_pauses_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidValue):
        spoken(pauses=9)
