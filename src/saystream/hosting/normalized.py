"""Turns numbers into words for an engine that cannot read them.

This is done here, in the engine's process: wetext takes up to 20 ms for a segment and holds Python's global lock
meanwhile, which in the gateway would delay the audio of every other session.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from saystream.audio import SpeechChunk
from saystream.engines.base import Engine, EngineInfo, EngineStream, Span, SynthesisRequest, joined
from saystream.text.normalizer import normalize

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
    def __init__(self, stream: EngineStream, language: str) -> None:
        self._stream = stream
        self._language = language
        self._spans: list[Span] = []
        self._changed = False
        """The words that are spoken differ from those of the text."""

    def push(self, span: Span) -> None:
        self._spans.append(span)

    def end_input(self) -> None:
        written = joined(self._spans)
        spoken = normalize(written.text, self._language)
        self._changed = spoken != written.text
        self._stream.push(replace(written, text=spoken))
        self._stream.end_input()

    def chunks(self) -> Iterator[SpeechChunk]:
        for chunk in self._stream.chunks():
            # The normalizer does not say which words came from where: marks of changed text would name the wrong
            # places.
            yield SpeechChunk(chunk.samples) if self._changed and chunk.marks else chunk

    def cancel(self) -> None:
        self._stream.cancel()
