"""The asynchronous client of the task door, for CosyVoice and Sambert: a pool of connections, and tasks on them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Self, TypedDict, Unpack

from saystream.client.handshake import DEFAULT_TASK_URL, api_key_from, request_headers, task_url
from saystream.client.options import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, Limits, Timeouts
from saystream.client.speech import Speech
from saystream.client.task_connection import TaskConnection
from saystream.client.transport import TransportOpener, open_transport
from saystream.errors import ConnectionFailed, InvalidState, InvalidValue
from saystream.protocol.task.client import TaskAudio, TaskOutput
from saystream.protocol.task.commands import RunTask
from saystream.protocol.task.events import SentenceBegin, SentenceEnd, SentenceTimes, TaskFinished, Word
from saystream.protocol.task.parameters import PARAMETER_NAMES, decode_parameters

__all__ = [
    "SentenceBegin",
    "SentenceEnd",
    "SentenceTimes",
    "Speech",
    "TaskAudio",
    "TaskFinished",
    "TaskOutput",
    "TaskPool",
    "TaskSettings",
    "Word",
]

_MAX_TEXT_CHARACTERS: Final = 20_000
"""What one command may carry; a longer text is sent in several."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_TICKS: Final = 3
"""How often the pool is looked after in the shortest of its times."""


class TaskSettings(TypedDict, total=False):
    """The parameters of a task; each has the meaning that ``docs/reference/task.md`` gives it."""

    voice: str
    format: str
    sample_rate: int
    volume: int
    rate: float
    pitch: float
    bit_rate: int
    text_type: str
    enable_ssml: bool
    word_timestamp_enabled: bool
    phoneme_timestamp_enabled: bool
    seed: int
    language_hints: Sequence[str]
    instruction: str
    hot_fix: Mapping[str, Sequence[Mapping[str, str]]]
    enable_markdown_filter: bool
    enable_aigc_tag: bool
    aigc_propagator: str
    aigc_propagate_id: str
    type: int


class TaskPool:
    """Connections that are open before they are needed: ``async with TaskPool(url, size=10) as pool``.

    A task that begins gets a connection of which the server has shown a short while ago that it is there. One that is
    idle is asked again and again whether it still is, and replaced before the server would close it; one that breaks is
    replaced at once. A task waits if all are taken.
    """

    def __init__(
        self,
        url: str = DEFAULT_TASK_URL,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        size: int = 2,
        tasks_per_connection: int = 1,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        limits: Limits = DEFAULT_LIMITS,
        opener: TransportOpener = open_transport,
    ) -> None:
        """Opens nothing yet. ``url`` is a server's base (``ws://host:port``) or a full URL; key and headers are as for
        ``saystream.client.connect``. ``size`` connections are kept open.

        With ``tasks_per_connection`` above 1, tasks share connections. Each of them then has to be read all the time:
        what one of them does not take holds up the others. Raises InvalidValue for a URL or number that cannot work.
        """
        self._url = task_url(url)
        for name, number in (("size", size), ("tasks_per_connection", tasks_per_connection)):
            if number < 1:
                raise InvalidValue(name, number, "at least 1")
        self._headers = request_headers(api_key or api_key_from(os.environ), headers)
        self._size = size
        self._tasks_per_connection = tasks_per_connection
        self._timeouts = timeouts
        self._limits = limits
        self._opener = opener
        self._connections: list[TaskConnection] = []
        self._opening = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Return once one connection is open; the others follow. Raises ConnectionFailed."""
        if self._keeper is not None:
            raise InvalidState("the pool is open already")
        await self._open()
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections and, with an error, the tasks that are open. Idempotent."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            keeper, self._keeper = self._keeper, None
            if not keeper.cancelled():
                keeper.result()
        connections, self._connections = self._connections, []
        await asyncio.gather(*(connection.close() for connection in connections))
        self._note_change()

    @property
    def num_idle(self) -> int:
        """Connections that are open and have no task."""
        return sum(connection.takes_tasks and not connection.num_taken for connection in self._connections)

    @asynccontextmanager
    async def task(self, *, model: str, **settings: Unpack[TaskSettings]) -> AsyncIterator[Speech]:
        """A task of CosyVoice that has begun: send text, and read what is spoken. Left early, it is cancelled.

        Raises InvalidValue for a parameter out of its range, RemoteError if the server refuses the task, and
        ConnectionFailed or ConnectionLost if no connection carries it.
        """
        if _is_sambert(model):
            raise InvalidValue("model", model, "a model that takes its text bit by bit: call speak()")
        async with self._begun(_run_task(model, settings), places=1) as speech:
            yield speech

    @asynccontextmanager
    async def speak(
        self, text: str, *, model: str, **settings: Unpack[TaskSettings]
    ) -> AsyncIterator[Speech]:
        """A task with all of its text, of CosyVoice or Sambert: read what is spoken. Raises as ``task`` does."""
        if _is_sambert(model):
            # It does not say whose its audio is: nobody else may be on its connection.
            command = _run_task(model, settings, text=text)
            async with self._begun(command, places=self._tasks_per_connection) as speech:
                yield speech
            return
        async with self._begun(_run_task(model, settings), places=1) as speech:
            for start in range(0, len(text), _MAX_TEXT_CHARACTERS):
                await speech.send(text[start : start + _MAX_TEXT_CHARACTERS])
            await speech.finish()
            yield speech

    async def synthesize(self, text: str, *, model: str, **settings: Unpack[TaskSettings]) -> bytes:
        """All of the audio of ``text``. Raises as ``task`` does, and what iterating a ``Speech`` raises."""
        async with self.speak(text, model=model, **settings) as speech:
            return b"".join([audio async for audio in speech.audio()])

    @asynccontextmanager
    async def _begun(self, command: RunTask, *, places: int) -> AsyncIterator[Speech]:
        speech = Speech(self._acquire, command, places=places)
        try:
            await speech.start()
            yield speech
        finally:
            await speech.close()

    # --- connections -------------------------------------------------------------------------------------------------

    async def _acquire(self, places: int) -> TaskConnection:
        """A connection with that many places, which are reserved."""
        async with asyncio.timeout(self._timeouts.open_s):
            while True:
                if self._keeper is None:
                    raise InvalidState("the pool is not open")
                if (free := self._free(places)) is not None:
                    free.reserved += places
                    return free
                if self._num_open < self._size:
                    await self._open()
                else:
                    await self._change()

    @property
    def _num_open(self) -> int:
        """Connections that live, or soon will."""
        return self._opening + sum(connection.takes_tasks for connection in self._connections)

    def _free(self, places: int) -> TaskConnection | None:
        """The one with the fewest tasks; of several the one that was heard last."""
        fitting = (
            connection
            for connection in self._connections
            if connection.takes_tasks and connection.num_taken + places <= self._tasks_per_connection
        )
        return min(fitting, key=lambda connection: (connection.num_taken, -connection.heard_s), default=None)

    async def _open(self) -> None:
        self._opening += 1
        try:
            transport = await self._opener(self._url, self._headers, self._timeouts, self._limits)
            connection = TaskConnection(transport, self._timeouts, self._limits, changed=self._note_change)
            self._connections.append(connection)
        finally:
            self._opening -= 1
            self._note_change()

    async def _keep(self) -> None:
        """The background task: as many connections as there should be, all of them alive."""
        pause_s = _FIRST_PAUSE_S
        tick_s = min(self._timeouts.ping_s, self._timeouts.idle_s) / _TICKS
        while True:
            try:
                await self._tend()
            except ConnectionFailed as failed:
                # A task that begins meanwhile tries at once, and is told.
                await asyncio.sleep(max(pause_s, failed.retry_after_s or 0.0))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                pause_s = _FIRST_PAUSE_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(tick_s):
                        await self._change()

    async def _tend(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for connection in [*self._connections]:
            broken = connection.lost is not None or connection.is_overdue(now_s)
            if broken or not (connection.takes_tasks or connection.num_taken):
                await self._drop(connection)
        for connection in [*self._connections]:
            if now_s - connection.idle_since_s >= self._timeouts.idle_s and not connection.num_taken:
                await self._open()  # first the new one, so that there always is one
                if not connection.num_taken:
                    await self._drop(connection)
        while self._num_open < self._size:
            await self._open()
        silent = [each for each in self._connections if now_s - each.heard_s >= self._timeouts.ping_s]
        await asyncio.gather(*(connection.check() for connection in silent if not connection.num_taken))

    async def _drop(self, connection: TaskConnection) -> None:
        await connection.close()  # whoever is interrupted here leaves it to close()
        self._connections.remove(connection)

    async def _change(self) -> None:
        """Return when something has changed that a task or the keeper may wait for."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            self._waiting.remove(waiter)

    def _note_change(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


def _is_sambert(model: str) -> bool:
    return model.startswith("sambert-")


def _run_task(model: str, settings: TaskSettings, *, text: str = "") -> RunTask:
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
    parameters = decode_parameters(given, prefix="")
    if parameters.unknown_fields:
        raise InvalidValue("settings", parameters.unknown_fields[0], PARAMETER_NAMES)
    return RunTask(
        task_id="", model=model, parameters=parameters, streaming="out" if text else "duplex", text=text
    )
