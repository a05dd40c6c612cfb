"""A stream of the engine: the thread that reads it, and its task in the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from saystream.audio import SpeechChunk
from saystream.dsp.effects import shaped
from saystream.dsp.resample import Resampler
from saystream.dsp.stage import Stage
from saystream.engines.base import EngineStream, Span, marked
from saystream.engines.upstream.balancer import Balancer
from saystream.engines.upstream.runtime import Handover, LoopThread
from saystream.engines.upstream.server import TextFeed, Utterance
from saystream.engines.upstream.sound import SoundReader
from saystream.engines.upstream.speaking import SpeakingLimits, speak

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["UpstreamStream"]

_HANDED_OVER_BYTES = 1 << 20
"""About 20 s of audio held for a thread that is itself held; above this, reading from the server stops."""

_CHARACTERS_PER_S = 15
"""Of speech, to estimate how much of the text is spoken: servers do not say."""

_PATIENCE_S = 1.0
"""For a request to be dropped; that takes no time unless the loop is in trouble."""


@dataclass(eq=False)
class UpstreamStream(EngineStream):
    """Starts to ask a server when it is created."""

    runtime: LoopThread
    balancer: Balancer
    utterance: Utterance
    stages: list[Stage]
    limits: SpeakingLimits
    _: KW_ONLY
    sample_rate: int
    text_as_it_comes: bool

    def __post_init__(self) -> None:
        self._text = TextFeed()
        self._handover = Handover(self.runtime.loop, max_bytes=_HANDED_OVER_BYTES)
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._over = threading.Event()
        self._pushed_characters = 0
        self._audio_s = 0.0
        self.runtime.call(self._start)

    def push(self, span: Span) -> None:
        text = marked(span).text
        self._pushed_characters += len(text)
        self.runtime.call(self._text.push, text)

    def end_input(self) -> None:
        self.runtime.call(self._text.end)

    @property
    def waiting_characters(self) -> int:
        return max(0, self._pushed_characters - int(self._audio_s * _CHARACTERS_PER_S))

    def cancel(self) -> None:
        self._cancelled = True
        self._handover.close()
        self.runtime.call(self._stop)

    def chunks(self) -> Iterator[SpeechChunk]:
        try:
            yield from map(SpeechChunk, shaped(self._samples(), self.stages))
        finally:
            self.cancel()
            self._over.wait(_PATIENCE_S)

    # For the reading thread.

    def _samples(self) -> Iterator[Samples]:
        """At the engine's rate."""
        reader: SoundReader | None = None
        resampler: Resampler | None = None
        while (piece := self._handover.get()) is not None:
            if reader is None:
                reader = SoundReader(piece.encoding)
            samples = reader.push(piece.encoded)
            if not len(samples):
                continue
            self._audio_s += len(samples) / reader.sample_rate
            if reader.sample_rate == self.sample_rate:
                yield samples
                continue
            if resampler is None:
                resampler = Resampler(source_rate=reader.sample_rate, target_rate=self.sample_rate)
            yield from resampler.push(samples)
        if self._cancelled:
            return
        if reader is not None:
            reader.flush()
        if resampler is not None:
            yield from resampler.flush()

    # For the loop.

    def _start(self) -> None:
        work = speak(
            self.balancer,
            self.utterance,
            self._text,
            self._handover,
            self.limits,
            text_as_it_comes=self.text_as_it_comes,
        )
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._ended)
        if self._cancelled:
            self._task.cancel()

    def _stop(self) -> None:
        # Once: a second cancel would interrupt the task while it drops its request.
        if self._task is not None and not self._task.cancelling():
            self._task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whatever it raised, including a bug of ours, goes to the reading thread."""
        self._handover.end(None if task.cancelled() else task.exception())
        self._over.set()
