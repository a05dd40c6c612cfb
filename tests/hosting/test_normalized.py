from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from saystream.audio import Mark, PhonemeMark, SpeechChunk
from saystream.engines.base import Engine, EngineInfo, EngineStream, SegmentEngine, Span, SynthesisRequest
from saystream.hosting.normalized import needs_words, open_stream
from saystream.text.script import Pronunciation
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


class Sounding(Marking):
    """Gives each mark one phoneme: its first letter."""

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        for chunk in super().synthesize(span, request):
            (mark,) = chunk.marks
            letter = PhonemeMark(span.text[mark.start - span.offset], mark.start_ms, mark.end_ms)
            yield SpeechChunk(chunk.samples, (replace(mark, phonemes=(letter,)),))


def test_what_is_read_as_several_words_has_the_phonemes_of_all() -> None:
    stream = open_stream(Sounding(), AS_WORDS)
    stream.push(Span("10 km weit"))
    stream.end_input()
    given = [mark for chunk in stream.chunks() for mark in chunk.marks]
    assert [[(each.text, each.start_ms) for each in mark.phonemes] for mark in given] == [
        [("z", 0), ("K", 10)],
        [("w", 20)],
    ]


def test_an_engine_need_not_mark_every_word() -> None:
    assert marks("10 km sind 3 km weit.", Sparing()) == [
        ("10 km", 0, 9, 1),
        ("sind", 20, 29, 1),
        ("3 km", 40, 49, 2),
    ]


class Stopping(Marking):
    """Does not mark the last word."""

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        yield from list(super().synthesize(span, request))[:-1]


def test_a_text_of_which_the_last_word_is_not_marked_keeps_its_mark() -> None:
    assert marks("Es sind 10 km.", Stopping()) == [
        ("Es", 0, 9, 0),
        ("sind", 10, 19, 1),
        ("10 km", 20, 29, 3),
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


class Taking(Listening):
    """Takes Pinyin, and notes what it is told."""

    def __init__(self, **facts: Any) -> None:
        super().__init__()
        self.info = replace(self.info, alphabets={"zh": ("pinyin",)}, languages={"zh": "native"}, **facts)
        self.told: list[tuple[Pronunciation, ...]] = []

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        self.told.append(span.pronunciations)
        yield from super().synthesize(span, request)


IN_CHINESE = SynthesisRequest(voice="v", language="zh", normalize_text=True)
WEATHER = Pronunciation(1, 3, "pinyin", "tian1 qi4")


def say(engine: SegmentEngine, request: SynthesisRequest, *spans: Span) -> list[Mark]:
    stream = open_stream(engine, request)
    for span in spans:
        stream.push(span)
    stream.end_input()
    return [mark for chunk in stream.chunks() for mark in chunk.marks]


def test_a_pronunciation_moves_with_its_word() -> None:
    engine = Taking()
    say(
        engine,
        IN_CHINESE,
        Span("有100个"),
        Span("好天气。", 5, pronunciations=(replace(WEATHER, start=1, end=3),)),
    )
    assert engine.heard == ["有一百个好天气。"]
    assert engine.told == [(Pronunciation(5, 7, "pinyin", "tian1 qi4"),)]


def test_what_is_pronounced_as_told_is_not_normalized() -> None:
    engine = Taking()
    say(engine, IN_CHINESE, Span("第123章", pronunciations=(Pronunciation(1, 4, "pinyin", "yao1 er4 san1"),)))
    assert engine.heard == ["第123章"]
    assert engine.told == [(Pronunciation(1, 4, "pinyin", "yao1 er4 san1"),)]


def test_an_engine_without_the_alphabet_gets_letters_that_are_read_like_it() -> None:
    engine = Listening()
    say(engine, AS_WORDS, Span("a hello b", pronunciations=(Pronunciation(2, 7, "arpabet", "HH AH0 L OW1"),)))
    assert engine.heard == ["a helou b"]


def test_what_is_respelt_has_one_mark_of_what_was_written() -> None:
    span = Span("ein hallo da", 5, pronunciations=(Pronunciation(4, 9, "arpabet", "AH0 B L OW1"),))
    found = say(Marking(), AS_WORDS, span)
    assert [(mark.start, mark.end) for mark in found] == [(5, 8), (9, 14), (15, 17)]


def test_a_pronunciation_that_cannot_be_spelt_or_has_no_place_leaves_the_word() -> None:
    engine = Listening()
    say(
        engine,
        AS_WORDS,
        Span(
            "eins zwei",
            pronunciations=(Pronunciation(0, 4, "arpabet", "?"), Pronunciation(5, 99, "arpabet", "OW1")),
        ),
    )
    assert engine.heard == ["eins zwei"]


def test_an_engine_that_reads_numbers_still_gets_formulas_in_words() -> None:
    engine = Listening(normalizes_text=True)
    assert speak(engine, AS_WORDS, "Sei $x^2$ gleich 1.") == "Sei x Quadrat gleich 1."
    assert speak(engine, AS_WRITTEN, "Sei $x^2$ gleich 1.") == "Sei $x^2$ gleich 1."


class Fed(Engine):
    """Speaks while it gets text: a chunk and a mark for each span."""

    def __init__(self) -> None:
        self.info = EngineInfo(
            "fed", 24_000, {"en": "native"}, ("v",), incremental_text=True, normalizes_text=True
        )
        self.got: list[Span] = []
        self.ended = self.cancelled = False

    def open(self, request: SynthesisRequest) -> EngineStream:
        return _FedStream(self)


class _FedStream(EngineStream):
    def __init__(self, engine: Fed) -> None:
        self._engine = engine

    def push(self, span: Span) -> None:
        self._engine.got.append(span)

    def end_input(self) -> None:
        self._engine.ended = True

    def chunks(self) -> Iterator[SpeechChunk]:
        for span in self._engine.got:
            marks = tuple(
                Mark(span.offset + start, span.offset + end, 0, 1) for start, end in word_spans(span.text)
            )
            yield SpeechChunk(np.zeros(10, np.float32), marks)

    @property
    def waiting_characters(self) -> int:
        return 7

    def cancel(self) -> None:
        self._engine.cancelled = True


FED = SynthesisRequest(voice="v", language="en", normalize_text=True, marks=True)


def test_an_engine_that_is_fed_gets_the_text_as_it_comes() -> None:
    engine = Fed()
    stream = open_stream(engine, FED)
    spans = [Span("It costs 5 ", 3, continues=True), Span("euros, and ", 14, continues=True)]
    for span in spans:
        stream.push(span)
    assert engine.got == spans
    stream.end_input()
    assert engine.ended
    assert [(mark.start, mark.end) for chunk in stream.chunks() for mark in chunk.marks] == [
        (3, 5),
        (6, 11),
        (12, 13),
        (14, 19),
        (21, 24),
    ]
    stream.cancel()
    assert engine.cancelled


def test_only_a_formula_waits_until_it_is_whole() -> None:
    engine = Fed()
    stream = open_stream(engine, FED)
    stream.push(Span("Let $x", 3))
    assert [span.text for span in engine.got] == ["Let "]
    assert stream.waiting_characters == 7 + 2
    stream.push(Span("^2$ be 3", 9))
    assert [span.text for span in engine.got] == ["Let ", "x squared be 3"]
    stream.push(Span(" or ", 17))
    stream.push(Span("$y", 21))
    stream.end_input()
    assert [span.text for span in engine.got][2:] == [" or ", "$y"]
    written = "Let $x^2$ be 3 or $y"
    marked = [written[mark.start - 3 : mark.end - 3] for chunk in stream.chunks() for mark in chunk.marks]
    assert marked == ["Let", "$x^2$", "be", "3", "or", "y"]


def test_an_engine_that_is_fed_gets_letters_for_a_pronunciation() -> None:
    engine = Fed()
    stream = open_stream(engine, replace(FED, marks=False))
    told = Pronunciation(1, 6, "arpabet", "HH AH0 L OW1")
    stream.push(Span("say ", 0))
    stream.push(Span(" hello", 4, pronunciations=(told,)))
    stream.push(Span(" $5 ", 10))
    stream.push(Span("hello", 14, pronunciations=(replace(told, start=0, end=5),)))
    stream.end_input()
    assert "".join(span.text for span in engine.got) == "say  huhloh $5 huhloh"
