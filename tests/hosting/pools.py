"""A pool of tone engines, and what a stream of it says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np

from saystream.config import PoolSettings
from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.tone import ToneEngine
from saystream.hosting.front import EngineLoad
from saystream.hosting.playback import Playback
from saystream.hosting.pool import EnginePool
from saystream.hosting.streams import PoolStream

from .engines_for_tests import engine_processes

REQUEST = SynthesisRequest(voice=ToneEngine().info.voices[0], language="en")
LONG_TEXT = "This goes on and on. " * 60
PATIENCE_S = 60.0


def the_engine_process() -> int:
    (process,) = engine_processes()
    return process.pid


@asynccontextmanager
async def pool_of(
    settings: PoolSettings | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    **tone_options: object,
) -> AsyncIterator[EnginePool]:
    """A pool of tone engines; afterwards no process is left."""
    pool = EnginePool(settings or PoolSettings(), {"tone": tone_options}, clock=clock)
    async with asyncio.timeout(PATIENCE_S):
        try:
            await pool.start(["tone"])
            yield pool
        finally:
            await pool.aclose()
    assert not engine_processes()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - nobody tells when a process has come up
            await asyncio.sleep(0)


def load_of(pool: EnginePool) -> EngineLoad:
    (load,) = pool.load()
    return load


def say(pool: EnginePool, text: str, playback: Playback | None = None) -> PoolStream:
    stream = pool.open("tone", REQUEST, playback=playback or Playback(0))
    stream.push(Span(text))
    stream.end_input()
    return stream


async def heard(stream: PoolStream) -> np.ndarray:
    chunks = [chunk.samples async for chunk in stream]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)


def spoken(text: str) -> np.ndarray:
    """What the engine says without a pool."""
    stream = ToneEngine().open(REQUEST)
    stream.push(Span(text))
    stream.end_input()
    return np.concatenate([chunk.samples for chunk in stream.chunks()])
