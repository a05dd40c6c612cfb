from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from saystream.audio import Mark, SpeechChunk
from saystream.engines.base import EngineInfo, SegmentEngine, Span, SynthesisRequest
from saystream.hosting.normalized import needs_words, open_stream
from saystream.text.words import word_spans

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


class Marking(Listening):
    """Gives each word a chunk of its own, with its mark."""

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        for number, (start, end) in enumerate(word_spans(span.text)):
            mark = Mark(span.offset + start, span.offset + end, number * 10, number * 10 + 9)
            yield SpeechChunk(np.zeros(10, np.float32), (mark,))


def marks(text: str, engine: SegmentEngine, offset: int = 0) -> list[tuple[str, float, float, int]]:
    """What is marked, from when to when, and in which chunk."""
    stream = open_stream(engine, AS_WORDS)
    stream.push(Span(text, offset))
    stream.end_input()
    return [
        (text[mark.start - offset : mark.end - offset], mark.start_ms, mark.end_ms, number)
        for number, chunk in enumerate(stream.chunks())
        for mark in chunk.marks
    ]


def test_marks_of_words_that_are_spoken_as_written_pass() -> None:
    assert marks("Guten Tag.", Marking(), 5) == [("Guten", 0, 9, 0), ("Tag", 10, 19, 1)]


def test_what_is_read_as_several_words_has_one_mark() -> None:
    assert marks("Es sind 10 km, z. B. 2.", Marking(), 5) == [
        ("Es", 0, 9, 0),
        ("sind", 10, 19, 1),
        ("10 km", 20, 39, 3),
        ("z. B.", 40, 59, 5),
        ("2", 60, 69, 6),
    ]


def test_a_mark_of_several_words_is_one_of_all_that_was_written_for_them() -> None:
    assert marks("Es sind 10 km.", Listening(), 5) == [("Es sind 10 km", 0, 1, 0)]


class Sparing(Marking):
    """Marks every other word, and a place without one."""

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        yield from list(super().synthesize(span, request))[::2]
        yield SpeechChunk(np.zeros(10, np.float32), (Mark(90, 91, 99, 99),))


def test_an_engine_need_not_mark_every_word() -> None:
    assert marks("10 km sind 3 km weit.", Sparing()) == [
        ("10 km", 0, 9, 1),
        ("sind", 20, 29, 1),
        ("3 km", 40, 49, 2),
    ]


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
