"""Turns what an engine cannot read into what it can: numbers and formulas into words, pronunciations into letters.

This is done here, in the engine's process: wetext takes up to 20 ms for a segment and holds Python's global lock
meanwhile, which in the gateway would delay the audio of every other session.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import takewhile

import numpy as np

from saystream.audio import Mark, SpeechChunk
from saystream.engines.base import Engine, EngineInfo, EngineStream, Span, SynthesisRequest, joined
from saystream.hosting.aligned import AlignedStream
from saystream.hosting.mannered import MannerStream, has_manner
from saystream.text.composed import composed
from saystream.text.formulas import open_at
from saystream.text.formulas.reading import read_formulas
from saystream.text.normalizer import rewritten
from saystream.text.pronunciation.respelling import respelt
from saystream.text.rewriting import Rewritten, Stretch
from saystream.text.rewriting import joined as joined_texts
from saystream.text.script import Pronunciation, pronunciations_within

__all__ = ["needs_words", "open_stream"]


def needs_words(info: EngineInfo) -> bool:
    """Whether the engine needs numbers turned into words. An engine that takes text while it speaks reads them itself:
    here a number might come in pieces."""
    return not (info.normalizes_text or info.incremental_text)


def open_stream(engine: Engine, request: SynthesisRequest) -> EngineStream:
    """A stream of ``engine`` that takes the text as written, and speaks it as ``request`` says."""
    reading = _Reading(engine.info, request)
    stream = engine.open(request)
    if has_manner(request):
        stream = MannerStream(stream, request, engine.info.sample_rate)
    if request.marks and not (engine.info.marks or engine.info.incremental_text):
        stream = AlignedStream(stream, engine.info.sample_rate)
    return (_FedStream if engine.info.incremental_text else _NormalizedStream)(stream, reading)


class _Reading:
    """What is given to one engine for a text."""

    def __init__(self, info: EngineInfo, request: SynthesisRequest) -> None:
        self._language = request.language
        self._info = info
        self.reads_formulas = request.normalize_text
        self.wants_marks = request.marks
        self._in_words: Callable[[str], Rewritten] = lambda text: composed(Rewritten.of(text))
        if request.normalize_text and needs_words(info):
            self._in_words = lambda text: rewritten(text, self._language)
        elif request.normalize_text:
            self._in_words = lambda text: read_formulas(composed(Rewritten.of(text)), self._language)

    def read(self, span: Span) -> tuple[Rewritten, tuple[Pronunciation, ...]]:
        """The text for the engine, and the pronunciations that it takes. What is pronounced as told stays as it is
        written, or becomes what is read like that."""
        parts: list[Rewritten] = []
        taken: list[Pronunciation] = []
        end = length = 0

        def put(part: Rewritten, start: int) -> None:
            nonlocal length
            parts.append(part.shifted(start))
            length += len(part)

        for each in span.pronunciations:
            if not end <= each.start < each.end <= len(span.text):
                continue
            put(self._in_words(span.text[end : each.start]), end)
            word = composed(Rewritten.of(span.text[each.start : each.end]))
            if self._info.takes(each.alphabet, self._language):
                taken.append(replace(each, start=length, end=length + len(word)))
            elif spelt := respelt(each.alphabet, each.phonemes, self._language):
                word = word.becomes(spelt)
            put(word, each.start)
            end = each.end
        put(self._in_words(span.text[end:]), end)
        return joined_texts(part for part in parts if len(part)), tuple(taken)


class _NormalizedStream(EngineStream):
    """Marks come out with places in the text as it was written. What is read as several words has one mark, which comes
    when the engine has marked the last of them, or has ended."""

    def __init__(self, stream: EngineStream, reading: _Reading) -> None:
        self._stream = stream
        self.ahead = stream.ahead
        self._reading = reading
        self._spans: list[Span] = []
        self._marks: _WrittenMarks | None = None

    def push(self, span: Span) -> None:
        self._spans.append(span)

    def end_input(self) -> None:
        written = joined(self._spans)
        spoken, pronunciations = self._reading.read(written)
        if spoken.text != written.text:
            self._marks = _WrittenMarks(written.offset)
            self._marks.add(spoken)
        self._stream.push(replace(written, text=spoken.text, pronunciations=pronunciations))
        self._stream.end_input()

    def chunks(self) -> Iterator[SpeechChunk]:
        for chunk in self._stream.chunks():
            marks = self._marks
            yield chunk if marks is None else replace(chunk, marks=marks.push(chunk.marks))
        if self._marks is not None and (left := self._marks.finish()):
            yield SpeechChunk(np.zeros(1, np.float32), left)  # marks travel with audio

    def cancel(self) -> None:
        self._stream.cancel()


class _FedStream(EngineStream):
    """For an engine that takes text while it speaks. Only a formula waits until all of it is there."""

    def __init__(self, stream: EngineStream, reading: _Reading) -> None:
        self._stream = stream
        self.ahead = stream.ahead
        self._reading = reading
        self._held = Span("")
        self._marks: _WrittenMarks | None = None

    def push(self, span: Span) -> None:
        whole = joined([self._held, span]) if self._held.text else span
        place = open_at(whole.text) if self._reading.reads_formulas else None
        begins = [each.start for each in whole.pronunciations if place is not None and each.end > place]
        end = len(whole.text) if place is None else min([place, *begins])
        self._held = _part(whole, end, len(whole.text))
        if end:
            self._push(whole if end == len(whole.text) else _part(whole, 0, end))

    def end_input(self) -> None:
        if self._held.text:
            self._push(self._held)
        self._stream.end_input()

    @property
    def waiting_characters(self) -> int:
        return self._stream.waiting_characters + len(self._held.text)

    def chunks(self) -> Iterator[SpeechChunk]:
        for chunk in self._stream.chunks():
            marks = self._marks
            yield chunk if marks is None else replace(chunk, marks=marks.push(chunk.marks))
        if self._marks is not None and (left := self._marks.finish()):
            yield SpeechChunk(np.zeros(1, np.float32), left)  # marks travel with audio

    def cancel(self) -> None:
        self._stream.cancel()

    def _push(self, span: Span) -> None:
        spoken, pronunciations = self._reading.read(span)
        if self._marks is None and spoken.text != span.text and self._reading.wants_marks:
            self._marks = _WrittenMarks(span.offset)
        offset = span.offset
        if self._marks is not None:
            offset = self._marks.add(spoken.shifted(span.offset - self._marks.offset))
        self._stream.push(replace(span, text=spoken.text, offset=offset, pronunciations=pronunciations))


def _part(span: Span, start: int, end: int) -> Span:
    return Span(
        span.text[start:end],
        span.offset + start,
        continues=span.continues or end < len(span.text),
        pronunciations=pronunciations_within(span.pronunciations, start, end),
    )


class _WrittenMarks:
    """From marks of the words that are spoken to marks of what was written for them."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        """Of the first character, as spoken and as written."""
        self._length = 0
        self._lock = threading.Lock()
        """Text may be added while marks are read."""
        self._stretches: deque[Stretch] = deque()
        self._open: Mark | None = None
        """Of something written that is not yet spoken to its end."""

    def add(self, spoken: Rewritten) -> int:
        """More text; returns the offset of it as spoken."""
        with self._lock:
            begin = self._length
            self._stretches.extend(
                replace(stretch, start=stretch.start + begin, end=stretch.end + begin)
                for stretch in spoken.stretches()
            )
            self._length += len(spoken)
        return self.offset + begin

    def push(self, marks: Iterable[Mark]) -> tuple[Mark, ...]:
        """Those that are complete."""
        complete: list[Mark] = []
        for mark in marks:
            if mark.end <= self.offset:  # of text before the first that was changed
                complete.append(mark)
                continue
            with self._lock:
                named = list(self._named(mark.start - self.offset, mark.end - self.offset))
            if not named:
                continue
            start, end = named[0].written_start + self.offset, named[-1].written_end + self.offset
            start_ms, phonemes = mark.start_ms, mark.phonemes
            if self._open is not None and start < self._open.end:
                start, start_ms, phonemes = (
                    self._open.start,
                    self._open.start_ms,
                    self._open.phonemes + phonemes,
                )
            elif self._open is not None:
                complete.append(self._open)
            self._open = replace(mark, start=start, end=end, start_ms=start_ms, phonemes=phonemes)
            if mark.end - self.offset >= named[-1].end:
                complete.append(self._open)
                self._open = None
        return tuple(complete)

    def finish(self) -> tuple[Mark, ...]:
        """No more marks come: what was written for the last words, of which the engine did not mark all."""
        left = () if self._open is None else (self._open,)
        self._open = None
        return left

    def _named(self, start: int, end: int) -> Iterator[Stretch]:
        """What is spoken from ``start`` to before ``end``."""
        while self._stretches and self._stretches[0].end <= start:
            self._stretches.popleft()
        return takewhile(lambda stretch: stretch.start < end, self._stretches)
