"""An engine pool whose every step a test decides, on the loop's own clock."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from saystream.audio import AudioChunk
from saystream.catalog import load
from saystream.config import Settings
from saystream.engines.base import EngineInfo, Span, SynthesisRequest
from saystream.errors import SaystreamError
from saystream.hosting.front import Forecast
from saystream.hosting.playback import Playback
from saystream.speech.synthesizer import Synthesizer
from saystream.text.script import Pronunciation
from saystream.voices.casting import Casting

SAMPLE_RATE = 24000

Step = int | float | SaystreamError
"""An int is milliseconds of audio, a float seconds without any, an error ends the stream."""


def two_chunks(text: str) -> Iterator[Step]:
    yield 100
    yield 100


class FakeStream:
    """One stream. Its audio holds its number, as a fraction of 1000."""

    def __init__(self, pool: FakePool, number: int, request: SynthesisRequest) -> None:
        self.number = number
        self.request = request
        self.pieces: list[str] = []
        self.pronunciations: tuple[Pronunciation, ...] = ()
        self.offset: int | None = None
        """Of the first piece in the text of its response."""
        self.continues = False
        """The last piece says that its sentence goes on."""
        self._end = 0
        self.input_ended = False
        self.cancelled = False
        self.sent_to_end = False
        self._pool = pool
        self._changed = asyncio.Event()
        self._steps: Iterator[Step] | None = None
        self._unspoken: deque[str] = deque()

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def forecast(self) -> Forecast:
        return self._pool.forecasts.get(self.number, Forecast(0.0, 0.0))

    def next_forecast(self, size: float) -> Forecast:
        return self._pool.next_forecast

    @property
    def waiting_characters(self) -> int:
        """An incremental engine takes a piece when it begins to speak it."""
        return sum(map(len, self._unspoken)) if self._pool.info.incremental_text else 0

    def push(self, span: Span) -> None:
        assert not self.input_ended
        assert span.offset == self._end or not self.pieces, "a span begins where the last one ended"
        self._end = span.offset + len(span.text)
        self.pronunciations += tuple(each.shifted(len(self.text)) for each in span.pronunciations)
        self.pieces.append(span.text)
        self.continues = span.continues
        self.offset = span.offset if self.offset is None else self.offset
        self._unspoken.append(span.text)
        self._changed.set()

    def end_input(self) -> None:
        self.input_ended = True
        self._changed.set()

    def cancel(self) -> None:
        self.cancelled = True
        self._changed.set()

    def __aiter__(self) -> FakeStream:
        return self

    async def __anext__(self) -> AudioChunk:
        while not self.cancelled:
            step = await self._next_step()
            if isinstance(step, SaystreamError):
                raise step
            if step is None:
                self.sent_to_end = True
                break
            if isinstance(step, int):
                samples = np.full(step * SAMPLE_RATE // 1000, self.number / 1000, np.float32)
                return AudioChunk(samples, SAMPLE_RATE)
            await self._silence(step)
        raise StopAsyncIteration

    async def _next_step(self) -> Step | None:
        """An incremental engine speaks each piece when it has come; another waits for the whole text."""
        while True:
            if self._steps is not None and (step := next(self._steps, None)) is not None:
                return step
            self._steps = None
            if self._unspoken and (self.input_ended or self._pool.info.incremental_text):
                self._steps = self._pool.speak(self._unspoken.popleft())
            elif self.input_ended or self.cancelled:
                return None
            else:
                self._changed.clear()
                await self._changed.wait()

    async def _silence(self, duration_s: float) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + duration_s
        try:
            async with asyncio.timeout_at(until_s):
                while not self.cancelled:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return


class FakePool:
    """The part of hosting.front.Hosting that the spine uses, with one engine."""

    def __init__(self, *, incremental: bool = False) -> None:
        self.info = EngineInfo(
            name="tone",
            sample_rate=SAMPLE_RATE,
            languages={"*": "native"},
            voices=("tone",),
            incremental_text=incremental,
        )
        self.speak: Callable[[str], Iterator[Step]] = two_chunks
        self.refusals: deque[SaystreamError] = deque()
        """Raised by the next calls of ``open``."""
        self.streams: list[FakeStream] = []
        self.next_forecast = Forecast(0.0, 0.0)
        self.forecasts: dict[int, Forecast] = {}
        """Of streams, by their number; of the others nothing is known."""

    @property
    def texts(self) -> list[str]:
        return [stream.text for stream in self.streams]

    @property
    def unsent(self) -> int:
        """Streams that are open: neither sent to the end nor cancelled."""
        return sum(not (stream.sent_to_end or stream.cancelled) for stream in self.streams)

    def engine(self, name: str) -> EngineInfo:
        return self.info

    def open(self, engine: str, request: SynthesisRequest, *, playback: Playback) -> FakeStream:
        if self.refusals:
            raise self.refusals.popleft()
        stream = FakeStream(self, len(self.streams) + 1, request)
        self.streams.append(stream)
        return stream


def synthesizer_on(pool: FakePool, settings: Settings | None = None, *languages: str) -> Synthesizer:
    """``languages`` limits what the engine speaks."""
    info = replace(pool.info, languages=dict.fromkeys(languages or ("*",), "native"))
    casting = Casting(("tone",), {"tone": info}, catalog=load())
    return Synthesizer(settings or Settings(), hosting=pool, casting=casting)  # type: ignore[arg-type]
