"""Loudness and pauses of a request, for any engine: changed in its sound, in its own process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from saystream.audio import SpeechChunk
from saystream.dsp.loudness import Gain
from saystream.dsp.pauses import Pauses
from saystream.dsp.stage import flush_all, push_all
from saystream.engines.base import EngineStream

if TYPE_CHECKING:
    from saystream.audio import Mark, Samples
    from saystream.dsp.stage import Stage
    from saystream.engines.base import Span, SynthesisRequest

__all__ = ["MannerStream", "has_manner"]


def has_manner(request: SynthesisRequest) -> bool:
    """Whether there is something to change."""
    return request.loudness_db != 0.0 or request.pauses != 1.0


class MannerStream(EngineStream):
    """Passes on what an engine says, as loud and with such pauses as ``request`` asks. Marks move along.

    Raises InvalidValue for a ratio of pauses that cannot be.
    """

    def __init__(self, stream: EngineStream, request: SynthesisRequest, sample_rate: int) -> None:
        self._stream = stream
        self.ahead = stream.ahead
        self._samples_per_ms = sample_rate / 1000
        self._pauses = Pauses(sample_rate, ratio=request.pauses)
        self._stages: list[Stage] = [self._pauses, Gain(sample_rate, 10 ** (request.loudness_db / 20))]
        self._marks: list[Mark] = []
        """Those whose new times are not known yet."""

    def push(self, span: Span) -> None:
        self._stream.push(span)

    def end_input(self) -> None:
        self._stream.end_input()

    @property
    def waiting_characters(self) -> int:
        return self._stream.waiting_characters

    def cancel(self) -> None:
        self._stream.cancel()

    def chunks(self) -> Iterator[SpeechChunk]:
        for chunk in self._stream.chunks():
            self._marks += chunk.marks
            yield from self._chunk(push_all(self._stages, [chunk.samples]), self._settled())
        marks, self._marks = tuple(map(self._moved, self._marks)), []
        yield from self._chunk(flush_all(self._stages), marks)

    def _settled(self) -> tuple[Mark, ...]:
        """The marks of words that begin in what is known to come out, and when."""
        until_ms = self._pauses.num_settled / self._samples_per_ms
        number = sum(mark.start_ms < until_ms for mark in self._marks)
        marks, self._marks = self._marks[:number], self._marks[number:]
        return tuple(map(self._moved, marks))

    def _moved(self, mark: Mark) -> Mark:
        return mark.moved(lambda ms: self._pauses.place(ms * self._samples_per_ms) / self._samples_per_ms)

    def _chunk(self, stretches: list[Samples], marks: tuple[Mark, ...]) -> Iterator[SpeechChunk]:
        if stretches or marks:
            yield SpeechChunk(np.concatenate([np.zeros(0, np.float32), *stretches]), marks)
