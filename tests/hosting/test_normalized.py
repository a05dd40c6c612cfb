from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from saystream.engines.base import EngineInfo, SegmentEngine, SynthesisRequest
from saystream.hosting.normalized import needs_words, open_stream

if TYPE_CHECKING:
    from saystream.audio import Samples

AS_WORDS = SynthesisRequest(voice="v", language="de", normalize_text=True)
AS_WRITTEN = SynthesisRequest(voice="v", language="de")


class Listening(SegmentEngine):
    """Notes the texts that it is to speak."""

    def __init__(self, *, normalizes_text: bool = False) -> None:
        self.info = EngineInfo("listening", 24_000, ("de",), ("v",), normalizes_text=normalizes_text)
        self.heard: list[str] = []

    def synthesize(self, text: str, request: SynthesisRequest) -> Iterator[Samples]:
        self.heard.append(text)
        yield np.zeros(10, np.float32)


def speak(engine: Listening, request: SynthesisRequest, *pieces: str) -> str:
    stream = open_stream(engine, request)
    for piece in pieces:
        stream.push_text(piece)
    stream.end_input()
    assert [len(samples) for samples in stream.chunks()] == [10]
    return engine.heard.pop()


def test_an_engine_that_reads_no_numbers_is_given_words() -> None:
    assert speak(Listening(), AS_WORDS, "Es sind 1", "0 km.") == "Es sind zehn Kilometer."


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
