"""Pieces of text on their way into an engine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from saystream.audio import Mark, SpeechChunk
from saystream.engines.base import EngineInfo, SegmentEngine, Span, SynthesisRequest, joined, marked
from saystream.text.script import Pronunciation


class Listening(SegmentEngine):
    """Notes the texts that it is to speak, and marks the first word."""

    info = EngineInfo("listening", 24_000, {"en": "native"}, ("v",))

    def __init__(self) -> None:
        self.heard: list[str] = []

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        self.heard.append(span.text)
        yield SpeechChunk(np.zeros(10, np.float32), (Mark(span.offset, span.offset + 3, 0, 1),))


def test_spans_are_joined_in_order() -> None:
    assert joined([]) == Span("")
    assert joined([Span("one ", 7), Span("two ", 11, continues=True)]) == Span("one two ", 7, continues=True)
    assert joined([Span("one ", 7, continues=True), Span("two.", 11)]) == Span("one two.", 7)


def test_joined_spans_keep_their_pronunciations() -> None:
    first = Span("天气", 7, pronunciations=(Pronunciation(0, 2, "pinyin", "tian1 qi4"),))
    second = Span("很好", 9, pronunciations=(Pronunciation(1, 2, "pinyin", "hao3"),))
    assert joined([first, second]).pronunciations == (
        Pronunciation(0, 2, "pinyin", "tian1 qi4"),
        Pronunciation(3, 4, "pinyin", "hao3"),
    )


@pytest.mark.parametrize(
    ("text", "continues", "spoken"),
    [
        ("The old man lived ", True, "The old man lived,"),
        ("The old man lived ", False, "The old man lived "),
        ("我们昨天没有去", True, "我们昨天没有去,"),
    ],
)
def test_a_sentence_that_goes_on_ends_with_a_comma(text: str, continues: bool, spoken: str) -> None:
    assert marked(Span(text, 5, continues=continues)) == Span(spoken, 5)


def test_a_segment_engine_is_given_the_comma_and_marks_keep_their_places() -> None:
    engine = Listening()
    stream = engine.open(SynthesisRequest("v", "en"))
    stream.push(Span("The old man lived ", 5, continues=True))
    stream.end_input()
    assert [chunk.marks for chunk in stream.chunks()] == [(Mark(5, 8, 0, 1),)]
    assert engine.heard == ["The old man lived,"]
