"""One task, on whichever connection of a pool it runs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from saystream.client.task_connection import TaskConnection, TaskInbox
from saystream.errors import ConnectionFailed, ConnectionLost, InvalidState
from saystream.protocol.task.client import TaskAudio, TaskOutput
from saystream.protocol.task.commands import Command, ContinueTask, FinishTask, RunTask
from saystream.protocol.task.events import SentenceBegin, TaskFinished

__all__ = ["Speech"]

_MAX_ATTEMPTS: Final = 3
_PAUSE_S: Final = 0.2
"""Before the second attempt; twice as long before the third."""

Acquire = Callable[[int], Awaitable[TaskConnection]]
"""A connection with that many places reserved. Raises ConnectionFailed, and TimeoutError when none is free."""


class Speech:
    """What ``TaskPool.task`` yields. Calls may come from several tasks; only one at a time may read.

    If the connection is lost before the first audio, the task begins again on another one, with all that was sent; the
    caller notices nothing. After that, ConnectionLost is raised, for what was heard cannot be taken back.
    """

    def __init__(self, acquire: Acquire, command: RunTask, *, places: int) -> None:
        """Does nothing yet: ``start`` follows. ``places`` of a connection are what the task takes."""
        self._acquire = acquire
        self._command = command
        self._places = places
        self._turn = asyncio.Lock()
        self._connection: TaskConnection | None = None
        self._inbox: TaskInbox | None = None
        self._sent: list[Command] = []
        """What would have to be sent again; nothing once audio has come."""
        self._attempts = 0
        self._last_begun = -1
        self._heard = self._cancelled = self._left = False
        self._finished: TaskFinished | None = None

    @property
    def task_id(self) -> str:
        """The id by which the server knows the task now."""
        return self._command.task_id

    @property
    def characters(self) -> int:
        """Billed for the task, once it has finished; until then 0."""
        return self._finished.characters if self._finished else 0

    async def start(self) -> None:
        """Return once the server has accepted the task.

        Raises RemoteError if it refuses it, ConnectionFailed or ConnectionLost if no connection carried it so far.
        """
        async with self._turn:
            await self._begin()

    async def send(self, text: str) -> None:
        """More text."""
        if text:
            await self._send(ContinueTask(task_id="", text=text))

    async def flush(self) -> None:
        """Speak what was sent, even if its sentence is not complete."""
        await self._send(ContinueTask(task_id="", flush=True))

    async def finish(self) -> None:
        """No more text: the rest is spoken, then iterating ends."""
        await self._send(FinishTask(task_id=""))

    async def cancel(self) -> None:
        """Drop what was not read yet; iterating ends when the server has ended the task."""
        self._cancelled = True
        if self._connection is not None and self._connection.has(self.task_id):
            await self._send(FinishTask(task_id="", cancel=True))

    async def __aiter__(self) -> AsyncIterator[TaskOutput]:
        """Sentences with their words, audio, and at last ``TaskFinished``. Raises what ``next`` raises."""
        while (event := await self.next()) is not None:
            yield event

    async def next(self) -> TaskOutput | None:
        """What iterating gives next; ``None`` at its end.

        Raises RemoteError if the task fails, ConnectionLost if its connection ends after the first audio, and
        RemoteProtocolError if the server violated the protocol.
        """
        event = await self._received()
        while event is not None and self._is_stale(event):
            event = await self._received()
        if isinstance(event, SentenceBegin):
            self._last_begun = event.index
        elif isinstance(event, TaskAudio) and not self._heard:
            self._heard = True
            self._sent.clear()
        elif isinstance(event, TaskFinished):
            self._finished = event
        return event

    def _is_stale(self, event: TaskOutput) -> bool:
        """Whether it is of an earlier attempt, or of what was cancelled."""
        if self._cancelled:
            return not isinstance(event, TaskFinished)
        return isinstance(event, SentenceBegin) and event.index <= self._last_begun

    async def audio(self) -> AsyncIterator[bytes]:
        """The audio alone. Raises what iterating raises."""
        async for event in self:
            if isinstance(event, TaskAudio):
                yield event.audio

    async def close(self) -> None:
        """Leave the task; if it has not ended it is cancelled. Idempotent."""
        self._left = True
        if self._connection is not None:
            await self._connection.leave(self._command.task_id)

    # --- connections -------------------------------------------------------------------------------------------------

    async def _send(self, command: Command) -> None:
        async with self._turn:
            connection, inbox = self._connection, self._inbox
            if connection is None or inbox is None or self._left:
                raise InvalidState("the task is not open")
            if inbox.error is not None and not isinstance(inbox.error, ConnectionLost):
                raise inbox.error
            try:
                await connection.send(msgspec.structs.replace(command, task_id=self.task_id))
            except ConnectionLost as lost:
                self._keep(command)
                await self._begin_again(lost)
            else:
                self._keep(command)

    def _keep(self, command: Command) -> None:
        if not self._heard:
            self._sent.append(command)

    async def _received(self) -> TaskOutput | None:
        while (inbox := self._inbox) is not None:
            try:
                return await inbox.next()
            except ConnectionLost as lost:
                async with self._turn:
                    if self._inbox is inbox:  # else it has begun again meanwhile
                        await self._begin_again(lost)
        raise InvalidState("the task is not open")

    async def _begin_again(self, lost: ConnectionLost) -> None:
        if self._heard or self._cancelled or self._left:
            raise lost
        await self._begin(lost)

    async def _begin(self, failure: ConnectionFailed | ConnectionLost | None = None) -> None:
        """On some connection, with all that was sent so far; ``failure`` is why it is not the first attempt."""
        while True:
            if failure is not None:
                if self._attempts >= _MAX_ATTEMPTS or not failure.retryable:
                    raise failure
                await asyncio.sleep(_PAUSE_S * self._attempts)
            self._attempts += 1
            try:
                await self._attempt()
            except (ConnectionFailed, ConnectionLost) as error:
                failure = error
            except TimeoutError:
                raise ConnectionFailed("no connection became free in time") from None
            else:
                return

    async def _attempt(self) -> None:
        connection = await self._acquire(self._places)
        self._command = msgspec.structs.replace(self._command, task_id=uuid.uuid4().hex)
        # Even if it does not begin, it has to be left: the server may have heard of it.
        self._connection = connection
        try:
            inbox = await connection.run(self._command, places=self._places)
            for command in self._sent:
                await connection.send(msgspec.structs.replace(command, task_id=self.task_id))
        except ConnectionLost:
            await connection.leave(self.task_id)
            raise
        self._inbox = inbox
