"""Opens sessions, sends them text, and records when each piece of audio arrived.

The listener begins to play at the first delta. The lag of a delta is how much later it arrived than it was due in that
playback. If there are several sessions, each stays open until its playback is over, so that they really are concurrent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from saystream.client import connect
from saystream.client.tasks import TaskPool
from saystream.errors import ClientError
from saystream.languages import LANGUAGE_CODES
from saystream.protocol.task.parameters import LANGUAGE_HINTS

__all__ = ["Door", "Load", "SessionTiming", "run_load"]

_BYTES_PER_SAMPLE = 2
_WORD_OR_SPACE = re.compile(r"\S{1,6}\s*")
"""A language model's token is about a short word or a piece of a longer one."""


class Door(StrEnum):
    """Through which protocol a session speaks."""

    REALTIME = "realtime"
    TASK = "task"


_MODELS = {Door.REALTIME: "qwen3-tts-flash-realtime", Door.TASK: "cosyvoice-v3-flash"}
_VOICES = {Door.REALTIME: "Cherry", Door.TASK: "longanyang"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load to put on a server."""

    url: str
    text: str
    door: Door = Door.REALTIME
    sessions: int = 1
    tokens_per_second: float | None = None
    """How fast a language model writes the text; ``None`` sends it at once."""
    ramp_s: float = 0.0
    """The sessions open evenly over this time."""
    model: str = ""
    """Empty means one that the door has; likewise the voice."""
    voice: str = ""
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


@dataclass(frozen=True, slots=True)
class _Opened:
    """A session that takes text, through whichever door."""

    append: Callable[[str], Awaitable[None]]
    finish: Callable[[], Awaitable[None]]
    audio: AsyncIterator[bytes]


@asynccontextmanager
async def _opened(load: Load) -> AsyncIterator[_Opened]:
    model, voice = load.model or _MODELS[load.door], load.voice or _VOICES[load.door]
    if load.door is Door.REALTIME:
        async with connect(load.url, model=model) as session:
            await session.update(voice=voice, language_type=load.language, sample_rate=load.sample_rate)
            yield _Opened(session.append, session.finish, session.audio())
        return
    code = LANGUAGE_CODES.get(load.language, "")
    async with (
        TaskPool(load.url, size=1) as pool,
        pool.task(
            model=model,
            voice=voice,
            format="pcm",
            sample_rate=load.sample_rate,
            language_hints=[code] if code in LANGUAGE_HINTS else [],
        ) as speech,
    ):
        yield _Opened(speech.send, speech.finish, speech.audio())


async def _run_session(load: Load, delay_s: float) -> SessionTiming:
    await asyncio.sleep(delay_s)
    timing = SessionTiming()
    try:
        async with _opened(load) as session:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_write(session, load, timing))
                tasks.create_task(_listen(session, load, timing))
            if load.sessions > 1:
                await _play_to_the_end(timing)
    except* ClientError as failures:
        timing.error = str(failures.exceptions[0])
    return timing


async def _write(session: _Opened, load: Load, timing: SessionTiming) -> None:
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


async def _listen(session: _Opened, load: Load, timing: SessionTiming) -> None:
    loop = asyncio.get_running_loop()
    async for audio in session.audio:
        timing.heard(len(audio), load.sample_rate, loop.time())


async def _play_to_the_end(timing: SessionTiming) -> None:
    if timing.first_delta_s is not None:
        left_s = timing.first_delta_s + timing.audio_s - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, left_s))


def _tokens(text: str) -> Iterator[str]:
    return (match.group() for match in _WORD_OR_SPACE.finditer(text))
