"""Opens sessions, sends them text, and records when each piece of audio arrived.

The listener begins to play at the first delta. The lag of a delta is how much later it arrived than it was due in that
playback. If there are several sessions, each stays open until its playback is over, so that they really are concurrent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from saystream.client import Session, connect
from saystream.errors import ClientError
from saystream.protocol.realtime.events import AudioDelta, Error

__all__ = ["Load", "SessionTiming", "run_load"]

_BYTES_PER_SAMPLE = 2
_WORD_OR_SPACE = re.compile(r"\S{1,6}\s*")
"""A language model's token is about a short word or a piece of a longer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load to put on a server."""

    url: str
    text: str
    sessions: int = 1
    tokens_per_second: float | None = None
    """How fast a language model writes the text; ``None`` sends it at once."""
    ramp_s: float = 0.0
    """The sessions open evenly over this time."""
    model: str = "qwen3-tts-flash-realtime"
    voice: str = "Cherry"
    language: str = "English"
    sample_rate: int = 24000


@dataclass(slots=True)
class SessionTiming:
    """What one listener recorded. Times are seconds of the loop's clock."""

    first_append_s: float = 0.0
    first_delta_s: float | None = None
    last_delta_s: float = 0.0
    audio_s: float = 0.0
    lags_ms: list[float] = field(default_factory=list)
    error: str | None = None

    def heard(self, num_bytes: int, sample_rate: int, now_s: float) -> None:
        if self.first_delta_s is None:
            self.first_delta_s = now_s
        self.lags_ms.append(max(0.0, now_s - self.first_delta_s - self.audio_s) * 1000)
        self.audio_s += num_bytes / _BYTES_PER_SAMPLE / sample_rate
        self.last_delta_s = now_s


async def run_load(load: Load) -> list[SessionTiming]:
    """One timing for each session, in the order in which they were opened."""
    delays_s = (load.ramp_s * number / load.sessions for number in range(load.sessions))
    return await asyncio.gather(*(_run_session(load, delay_s) for delay_s in delays_s))


async def _run_session(load: Load, delay_s: float) -> SessionTiming:
    await asyncio.sleep(delay_s)
    timing = SessionTiming()
    try:
        async with connect(load.url, model=load.model) as session:
            await session.update(voice=load.voice, language_type=load.language, sample_rate=load.sample_rate)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_write(session, load, timing))
                tasks.create_task(_listen(session, load, timing))
            if load.sessions > 1:
                await _play_to_the_end(timing)
    except* ClientError as failures:
        timing.error = str(failures.exceptions[0])
    return timing


async def _write(session: Session, load: Load, timing: SessionTiming) -> None:
    loop = asyncio.get_running_loop()
    timing.first_append_s = loop.time()
    if load.tokens_per_second is None:
        await session.append(load.text)
    else:
        for number, token in enumerate(_tokens(load.text)):
            due_s = timing.first_append_s + number / load.tokens_per_second
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            await session.append(token)
    await session.finish()


async def _listen(session: Session, load: Load, timing: SessionTiming) -> None:
    loop = asyncio.get_running_loop()
    async for event in session:
        if isinstance(event, AudioDelta):
            timing.heard(len(event.audio), load.sample_rate, loop.time())
        elif isinstance(event, Error):
            timing.error = event.error.message


async def _play_to_the_end(timing: SessionTiming) -> None:
    if timing.first_delta_s is not None:
        left_s = timing.first_delta_s + timing.audio_s - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, left_s))


def _tokens(text: str) -> Iterator[str]:
    return (match.group() for match in _WORD_OR_SPACE.finditer(text))
