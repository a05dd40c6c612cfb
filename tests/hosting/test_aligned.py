from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from saystream.audio import Mark, SpeechChunk
from saystream.engines.base import EngineInfo, SegmentEngine, Span, SynthesisRequest
from saystream.hosting.normalized import open_stream

RATE = 1000
PIECE = 50


class Unknowing(SegmentEngine):
    """Half a second of noise for each word, and a silence after each comma."""

    def __init__(self, *, marks: tuple[Mark, ...] = ()) -> None:
        self.info = EngineInfo("unknowing", RATE, {"en": "native"}, ("v",))
        self._marks = marks

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        chance = np.random.default_rng(2)
        for word in span.text.split():
            noise = (0.3 * chance.standard_normal(500)).astype(np.float32)
            silence = np.zeros(300 if "," in word else 0, np.float32)
            sound = np.concatenate([noise, silence])
            for start in range(0, len(sound), PIECE):
                yield SpeechChunk(sound[start : start + PIECE], self._marks)


def spoken(engine: SegmentEngine, text: str, *, marks: bool = True) -> list[SpeechChunk]:
    stream = open_stream(engine, SynthesisRequest("v", "en", marks=marks, normalize_text=True))
    stream.push(Span(text, 100))
    stream.end_input()
    return list(stream.chunks())


def test_words_are_found_in_the_sound_of_an_engine_that_does_not_know_them() -> None:
    text = "some, word three 5"
    chunks = spoken(Unknowing(), text)
    marks = chunks[0].marks
    assert [text[mark.start - 100 : mark.end - 100] for mark in marks] == ["some", "word", "three", "5"]
    assert marks[0].end_ms == pytest.approx(500, abs=10)
    assert marks[1].start_ms == pytest.approx(800, abs=10)
    assert marks[-1].end_ms == pytest.approx(2300, abs=10)
    assert not any(chunk.marks for chunk in chunks[1:])


def test_the_sound_is_the_same_with_marks_and_without() -> None:
    aligned, plain = (spoken(Unknowing(), "one, two 我 3", marks=marks) for marks in (True, False))
    assert [chunk.samples.tolist() for chunk in aligned] == [chunk.samples.tolist() for chunk in plain]
    assert not any(chunk.marks for chunk in plain)


def test_marks_of_the_engine_itself_pass() -> None:
    own = Mark(100, 103, 0, 9)
    assert {mark for chunk in spoken(Unknowing(marks=(own,)), "one") for mark in chunk.marks} == {own}


def test_a_text_without_sound_has_no_marks() -> None:
    assert spoken(Unknowing(), "") == []


def test_a_cancel_reaches_the_engine() -> None:
    stream = open_stream(Unknowing(), SynthesisRequest("v", "en", marks=True))
    stream.push(Span("one"))
    stream.cancel()
    assert list(stream.chunks()) == []
