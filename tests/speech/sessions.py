"""A session on a fake pool, and a listener that notes what it hears and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import numpy as np

from fake_pool import FakePool, Step, synthesizer_on
from saystream.config import LimitSettings, RealtimeSettings, Settings
from saystream.speech.events import (
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    SegmentBegun,
    SegmentFailed,
    SpeechConfig,
    SpeechEvent,
)
from saystream.speech.session import SynthesisSession

MAX_WAIT_S = 0.6
IDLE_S = 1.0
FIRST = "Hello there, dear listener. "
THREE_SENTENCES = (
    FIRST
    + "This is the second sentence of the text. Nothing comes after the third one, which is the longest."
)
"""Cut after each of them."""


def now_s() -> float:
    return asyncio.get_running_loop().time()


def settings(**limits: Any) -> Settings:
    return Settings(
        realtime=RealtimeSettings(response_idle_ms=IDLE_S * 1000, first_delta_ms=50, delta_ms=100),
        limits=LimitSettings(**limits),
    )


def session_on(pool: FakePool, *, server_commit: bool = True, **fields: Any) -> SynthesisSession:
    config = SpeechConfig("Cherry", server_commit=server_commit, **fields)
    return synthesizer_on(pool, settings()).session(config)


class Listener:
    """Reads a session's events in a task of its own, and notes when each came."""

    def __init__(self, session: SynthesisSession) -> None:
        self._session = session
        self.events: list[SpeechEvent] = []
        self.times: list[float] = []
        self._came = asyncio.Event()
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with aclosing(self._session.events()) as events:
            async for event in events:
                self.events.append(event)
                self.times.append(now_s())
                self._came.set()

    async def until(self, kind: type[SpeechEvent], count: int = 1) -> float:
        """Wait for the ``count``-th event of a kind; when it came."""
        while len(times := self.times_of(kind)) < count:
            self._came.clear()
            await self._came.wait()
        return times[count - 1]

    def times_of(self, kind: type[SpeechEvent]) -> list[float]:
        return [time for event, time in zip(self.events, self.times, strict=True) if isinstance(event, kind)]

    @property
    def ends(self) -> list[ResponseEnded]:
        return [event for event in self.events if isinstance(event, ResponseEnded)]

    @property
    def begun(self) -> list[SegmentBegun]:
        return [event for event in self.events if isinstance(event, SegmentBegun)]

    @property
    def lost(self) -> list[str]:
        """The texts that faults say were lost, of the only response, or the first."""
        failed = [event for event in self.events if isinstance(event, SegmentFailed)]
        return [self.ends[0].text[event.start : event.end] for event in failed]

    @property
    def audio(self) -> list[ResponseAudio]:
        return [event for event in self.events if isinstance(event, ResponseAudio)]

    @property
    def numbers(self) -> list[int]:
        """The streams that were heard, in order; the pauses between them left out."""
        samples = np.frombuffer(b"".join(event.encoded for event in self.audio), "<i2") / 32767 * 1000
        heard = np.round(samples).astype(int)
        changes = np.flatnonzero(np.diff(heard, prepend=0))
        return [number for number in heard[changes].tolist() if number]

    @property
    def order(self) -> str:
        """``(``, ``.``, ``!`` and ``)`` for the start, the audio, the faults and the end of responses; audio drawn
        together."""
        signs = {ResponseStarted: "(", ResponseAudio: ".", SegmentFailed: "!", ResponseEnded: ")"}
        order = "".join(signs.get(type(event), "") for event in self.events)
        while ".." in order:
            order = order.replace("..", ".")
        return order


@asynccontextmanager
async def listening(session: SynthesisSession) -> AsyncIterator[Listener]:
    """A listener; at the end it has heard everything."""
    listener = Listener(session)
    try:
        yield listener
        session.finish()
        await listener.task
    finally:
        listener.task.cancel()


async def heard(session: SynthesisSession) -> Listener:
    session.finish()
    listener = Listener(session)
    await listener.task
    return listener


def slowly(text: str) -> Iterator[Step]:
    """A second of audio in ten seconds."""
    for _ in range(10):
        yield 1.0
        yield 100
