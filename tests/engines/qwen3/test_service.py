"""The engine in a process of its own, as the pool runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from hosting.engines_for_tests import engine_processes
from saystream.config import PoolSettings
from saystream.engines.base import Span, SynthesisRequest
from saystream.errors import EngineCrashed
from saystream.hosting.playback import Playback
from saystream.hosting.pool import EnginePool
from saystream.hosting.streams import PoolStream

pytestmark = pytest.mark.slow

REQUEST = SynthesisRequest("vivian", "en")
TEXT = "hello world, the quick brown fox. "


@asynccontextmanager
async def pool_of(checkpoints: Path) -> AsyncIterator[EnginePool]:
    options = {"folder": str(checkpoints / "custom_voice"), "slots": 2, "max_positions": 384, "threads": 1}
    # Here nobody is refused because a process takes long to start again.
    patient = PoolSettings(admission_timeout_s=120, first_chunk_timeout_s=120, chunk_timeout_s=60)
    pool = EnginePool(patient, {"qwen3": options})
    await pool.start(["qwen3"])
    try:
        yield pool
    finally:
        await pool.aclose()


def opened(pool: EnginePool, text: str) -> PoolStream:
    stream = pool.open("qwen3", REQUEST, playback=Playback(time.monotonic() * 1000))
    stream.push(Span(text))
    return stream


def kill_engine() -> None:
    (child,) = engine_processes()
    os.kill(child.pid, signal.SIGKILL)


async def heard(stream: PoolStream) -> np.ndarray:
    return np.concatenate([chunk.samples async for chunk in stream])


@pytest.mark.timeout(900)
async def test_speech_survives_what_the_pool_promises(checkpoints: Path) -> None:
    """One pool for all of it: a process takes seconds to start."""
    async with pool_of(checkpoints) as pool:
        # Text that comes while audio goes.
        stream = opened(pool, TEXT)
        first = await anext(stream)
        assert first.duration_ms == 80
        assert stream.waiting_characters < len(TEXT)
        stream.push(Span(TEXT))
        stream.end_input()
        rest = await heard(stream)
        assert len(rest) > 0
        assert stream.waiting_characters == 0

        # Killed before its first audio: nobody notices.
        stream = opened(pool, TEXT + TEXT)
        stream.end_input()
        kill_engine()
        whole = await heard(stream)
        assert stream.attempts == 2
        np.testing.assert_allclose(whole, np.concatenate([first.samples, rest]), atol=1e-4)

        # Killed in the middle: what was said is heard, then the fault.
        stream = opened(pool, TEXT * 20)
        assert (await anext(stream)).duration_ms == 80
        kill_engine()
        with pytest.raises(EngineCrashed):
            await heard(stream)

        # And the next one speaks again, after a cancel at once.
        cancelled = opened(pool, TEXT * 20)
        await anext(cancelled)
        cancelled.cancel()
        stream = opened(pool, TEXT + TEXT)
        stream.end_input()
        np.testing.assert_allclose(await heard(stream), whole, atol=1e-4)
        async with asyncio.timeout(60):
            while pool.load()[0].running:  # noqa: ASYNC110 - the answer to a cancel is told to nobody else
                await asyncio.sleep(0.01)
