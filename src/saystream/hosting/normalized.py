"""Turns numbers into words for an engine that cannot read them.

This is done here, in the engine's process: wetext takes up to 20 ms for a segment and holds Python's global lock
meanwhile, which in the gateway would delay the audio of every other session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import takewhile

from saystream.audio import Mark, SpeechChunk
from saystream.engines.base import Engine, EngineInfo, EngineStream, Span, SynthesisRequest, joined
from saystream.text.normalizer import rewritten
from saystream.text.rewriting import Rewritten, Stretch

__all__ = ["needs_words", "open_stream"]


def needs_words(info: EngineInfo) -> bool:
    """Whether the engine needs numbers turned into words. An engine that takes text while it speaks reads them itself:
    here a number might come in pieces."""
    return not (info.normalizes_text or info.incremental_text)


def open_stream(engine: Engine, request: SynthesisRequest) -> EngineStream:
    """A stream of ``engine`` that takes the text as written, and speaks it as ``request`` says."""
    stream = engine.open(request)
    if request.normalize_text and needs_words(engine.info):
        return _NormalizedStream(stream, request.language)
    return stream


class _NormalizedStream(EngineStream):
    """Marks come out with places in the text as it was written. What is read as several words has one mark, which comes
    when the engine has marked the last of them."""

    def __init__(self, stream: EngineStream, language: str) -> None:
        self._stream = stream
        self.ahead = stream.ahead
        self._language = language
        self._spans: list[Span] = []
        self._marks: _WrittenMarks | None = None

    def push(self, span: Span) -> None:
        self._spans.append(span)

    def end_input(self) -> None:
        written = joined(self._spans)
        spoken = rewritten(written.text, self._language)
        if spoken.text != written.text:
            self._marks = _WrittenMarks(spoken, written.offset)
        self._stream.push(replace(written, text=spoken.text))
        self._stream.end_input()

    def chunks(self) -> Iterator[SpeechChunk]:
        for chunk in self._stream.chunks():
            marks = chunk.marks if self._marks is None else self._marks.push(chunk.marks)
            yield SpeechChunk(chunk.samples, marks)

    def cancel(self) -> None:
        self._stream.cancel()


class _WrittenMarks:
    """From marks of the words that are spoken to marks of what was written for them."""

    def __init__(self, spoken: Rewritten, offset: int) -> None:
        self._offset = offset
        self._stretches = deque(spoken.stretches())
        self._open: Mark | None = None
        """Of something written that is not yet spoken to its end."""

    def push(self, marks: Iterable[Mark]) -> tuple[Mark, ...]:
        """Those that are complete."""
        complete: list[Mark] = []
        for mark in marks:
            named = list(self._named(mark.start - self._offset, mark.end - self._offset))
            if not named:
                continue
            start, end = named[0].written_start + self._offset, named[-1].written_end + self._offset
            start_ms = mark.start_ms
            if self._open is not None and start < self._open.end:
                start, start_ms = self._open.start, self._open.start_ms
            elif self._open is not None:
                complete.append(self._open)
            self._open = Mark(start, end, start_ms, mark.end_ms)
            if mark.end - self._offset >= named[-1].end:
                complete.append(self._open)
                self._open = None
        return tuple(complete)

    def _named(self, start: int, end: int) -> Iterator[Stretch]:
        """What is spoken from ``start`` to before ``end``."""
        while self._stretches and self._stretches[0].end <= start:
            self._stretches.popleft()
        return takewhile(lambda stretch: stretch.start < end, self._stretches)
