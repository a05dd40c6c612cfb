from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from saystream.audio import Mark, SpeechChunk
from saystream.engines.base import EngineInfo, SegmentEngine, Span, SynthesisRequest
from saystream.hosting.normalized import needs_words, open_stream

AS_WORDS = SynthesisRequest(voice="v", language="de", normalize_text=True)
AS_WRITTEN = SynthesisRequest(voice="v", language="de")


class Listening(SegmentEngine):
    """Notes the texts that it is to speak."""

    def __init__(self, *, normalizes_text: bool = False) -> None:
        self.info = EngineInfo("listening", 24_000, {"de": "native"}, ("v",), normalizes_text=normalizes_text)
        self.heard: list[str] = []

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        self.heard.append(span.text)
        yield SpeechChunk(np.zeros(10, np.float32), (Mark(span.offset, span.offset + len(span.text), 0, 1),))


def speak(engine: Listening, request: SynthesisRequest, *pieces: str) -> str:
    stream = open_stream(engine, request)
    for piece in pieces:
        stream.push(Span(piece))
    stream.end_input()
    assert [len(chunk.samples) for chunk in stream.chunks()] == [10]
    return engine.heard.pop()


def test_an_engine_that_reads_no_numbers_is_given_words() -> None:
    assert speak(Listening(), AS_WORDS, "Es sind 1", "0 km.") == "Es sind zehn Kilometer."


@pytest.mark.parametrize(("text", "marks"), [("Guten Tag.", (Mark(5, 15, 0, 1),)), ("10 km", ())])
def test_marks_pass_only_where_the_words_are_those_of_the_text(text: str, marks: tuple[Mark, ...]) -> None:
    stream = open_stream(Listening(), AS_WORDS)
    stream.push(Span(text, 5))
    stream.end_input()
    assert [chunk.marks for chunk in stream.chunks()] == [marks]


def test_words_for_numbers_change_nothing_else_about_the_text() -> None:
    engine = Listening()
    stream = open_stream(engine, AS_WORDS)
    stream.push(Span("Es sind 1", 5))
    stream.push(Span("0 km ", 14, continues=True))
    stream.end_input()
    assert len(list(stream.chunks())) == 1
    assert engine.heard == ["Es sind zehn Kilometer,"]


def test_the_text_is_as_written_where_that_is_asked_for() -> None:
    assert speak(Listening(), AS_WRITTEN, "10 km") == "10 km"


def test_an_engine_that_reads_numbers_is_given_the_text_as_written() -> None:
    assert speak(Listening(normalizes_text=True), AS_WORDS, "10 km") == "10 km"


@pytest.mark.parametrize(("language", "words"), [("en", "ten kilometers"), ("th", "10 km")])
def test_the_language_of_the_request_decides(language: str, words: str) -> None:
    assert speak(Listening(), replace(AS_WORDS, language=language), "10 km") == words


def test_a_stream_that_was_cancelled_before_its_text_says_nothing() -> None:
    engine = Listening()
    stream = open_stream(engine, AS_WORDS)
    stream.cancel()
    assert list(stream.chunks()) == []
    assert engine.heard == []


def test_an_engine_that_takes_text_while_it_speaks_is_left_alone() -> None:
    info = Listening().info
    assert needs_words(info)
    assert not needs_words(replace(info, incremental_text=True))
    assert not needs_words(replace(info, normalizes_text=True))
