"""One connection of the task door, and the tasks that are open on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from saystream.client.inbox import Inbox
from saystream.client.options import Limits, Timeouts
from saystream.client.silence import SilenceAlarm
from saystream.client.transport import Transport, abandon
from saystream.errors import ClientError, ConnectionLost, InvalidState, RemoteError, RemoteProtocolError
from saystream.protocol.task.client import TaskClient, TaskOutput
from saystream.protocol.task.commands import Command, FinishTask, RunTask
from saystream.protocol.task.events import TaskFailed, TaskFinished, TaskStarted

__all__ = ["TaskConnection", "TaskInbox"]

TaskInbox = Inbox[TaskOutput]


class _Task:
    def __init__(self, max_events: int, *, whole: bool, places: int) -> None:
        self.whole = whole
        self.places = places
        self.left_s: float | None = None
        """Since when nobody reads it any more."""
        self.inbox: TaskInbox = Inbox(max_events)
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, error: ClientError) -> None:
        if not self.started.done():
            self.started.set_exception(error)
            self.started.exception()  # whoever waited for it may be gone
        self.inbox.end(error)


class TaskConnection:
    """Reads in the background and gives each task what is its own.

    When the inbox of a task is full, nothing more is read from the socket until its caller has taken something. That
    slows the server down, and all other tasks of this connection.
    """

    def __init__(
        self, transport: Transport, timeouts: Timeouts, limits: Limits, *, changed: Callable[[], None]
    ) -> None:
        """``changed`` is called when a task or the connection has ended. Needs a running loop."""
        self._transport = transport
        self._timeouts = timeouts
        self._limits = limits
        self._changed = changed
        self._core = TaskClient()
        self._tasks: dict[str, _Task] = {}
        self._alarm = SilenceAlarm(timeouts.receive_s, self._give_up)
        self._failed = False
        self.lost: ClientError | None = None
        """Why the connection has ended."""
        self.reserved = 0
        """Places that a pool has promised; ``run`` takes them."""
        self.idle_since_s = asyncio.get_running_loop().time()
        self.heard_s = self.idle_since_s
        """When the server last showed that it is there."""
        self._alarm.start()
        self._alarm.hold()
        self._reader = asyncio.get_running_loop().create_task(self._read())

    @property
    def takes_tasks(self) -> bool:
        """Whether a task may begin here: neither has the connection ended, nor one of its tasks failed."""
        return self.lost is None and not self._failed

    @property
    def num_taken(self) -> int:
        """Places that tasks have, or that were promised."""
        return self.reserved + sum(task.places for task in self._tasks.values())

    def is_overdue(self, now_s: float) -> bool:
        """Whether the server has not ended a task that was cancelled long ago."""
        left_s = (task.left_s for task in self._tasks.values())
        return any(left is not None and now_s - left > self._timeouts.reply_s for left in left_s)

    async def run(self, command: RunTask, *, places: int = 1) -> TaskInbox:
        """Begin a task, which takes ``places`` that were reserved; what the server says of it comes into the inbox.

        Raises RemoteError if the server refuses it, ConnectionLost if it cannot begin on this connection.
        """
        self.reserved -= places
        if self.lost is not None:
            raise self.lost
        frame = self._core.send(command)
        task = _Task(self._limits.max_queued_events, whole=command.streaming == "out", places=places)
        self._tasks[command.task_id] = task
        self._alarm.heard()
        await self._transport.send(frame)
        try:
            async with asyncio.timeout(self._timeouts.reply_s):
                await asyncio.shield(task.started)
        except TimeoutError:
            raise ConnectionLost(f"no task-started in {self._timeouts.reply_s:g} s") from None
        return task.inbox

    async def send(self, command: Command) -> None:
        """Raises ConnectionLost, and InvalidState if the command may not be sent now."""
        if self.lost is not None:
            raise self.lost
        await self._transport.send(self._core.send(command))

    def has(self, task_id: str) -> bool:
        """Whether the task is open here."""
        return task_id in self._tasks

    async def leave(self, task_id: str) -> None:
        """Nobody reads this task any more: end it, if it is open. Its places are free when the server has done so."""
        task = self._tasks.get(task_id)
        if task is None:
            return
        task.inbox.end(None, drop=True)
        task.left_s = asyncio.get_running_loop().time()
        if task.whole:  # Sambert knows no cancel, and has the connection for itself
            await self.close()
            return
        with suppress(ConnectionLost, InvalidState):
            await self.send(FinishTask(task_id=task_id, cancel=True))

    async def check(self) -> None:
        """Ask the server for a sign of life; one that gives none in time ends the connection."""
        try:
            async with asyncio.timeout(self._timeouts.reply_s):
                await self._transport.ping()
        except TimeoutError:
            self._end(ConnectionLost(f"no answer to a ping in {self._timeouts.reply_s:g} s"))
            self._reader.cancel()
        except ConnectionLost:
            pass  # the reader notices as well
        else:
            self.heard_s = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """End the connection and, with an error, the tasks that are open. Idempotent."""
        self._alarm.stop()
        self._end(ConnectionLost("the connection was closed by this program"))
        await self._transport.close()
        self._reader.cancel()
        await asyncio.wait([self._reader])

    # --- reading -----------------------------------------------------------------------------------------------------

    def _give_up(self) -> None:
        self._reader.cancel()

    async def _read(self) -> None:
        try:
            await self._read_until_lost()
        except ConnectionLost as lost:
            self._end(lost)
        except asyncio.CancelledError:
            if not self._alarm.rang:
                raise
            self._end(ConnectionLost(f"nothing was read for {self._timeouts.receive_s:g} s"))
            await abandon(self._transport, 1000, "nothing came")
        except RemoteProtocolError as error:
            self._end(error)
            await abandon(self._transport, 1002, "protocol error")
        finally:
            self._end(ConnectionLost("the connection was given up"))
            self._alarm.stop()

    async def _read_until_lost(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            frame = await self._transport.receive()
            self.heard_s = loop.time()
            self._alarm.heard()
            inbox = self._deliver(frame)
            if inbox is not None and inbox.full:
                # Alone, a task may be read as slowly as its caller likes. Among others it must not stop them for
                # ever: whoever reads one of them to its end first would wait in vain.
                if len(self._tasks) == 1:
                    self._alarm.hold()
                await inbox.room()
                self._alarm.heard()
            if not self._tasks:
                self._alarm.hold()

    def _deliver(self, frame: str | bytes) -> TaskInbox | None:
        """Put what ``frame`` says into the inbox of its task, which is returned."""
        core = self._core
        event = core.receive_audio(frame) if isinstance(frame, bytes) else core.receive_text(frame)
        if event is None:
            return None
        if isinstance(event, TaskFailed):
            self._task_failed(event)
            return None
        task = self._tasks[event.task_id]
        if isinstance(event, TaskStarted):
            if not task.started.done():
                task.started.set_result(None)
            return None
        task.inbox.put(event)
        if isinstance(event, TaskFinished):
            task.inbox.end(None)
            self._forget(event.task_id)
        return task.inbox

    def _task_failed(self, event: TaskFailed) -> None:
        """The server closes the connection after this, and takes no new task on it until then."""
        error: ClientError = RemoteError(event.error_message, remote_code=event.error_code)
        task = self._tasks.get(event.task_id)
        if task is not None and self._failed and not task.started.done():
            # Refused because another task had failed before; elsewhere it may begin.
            error = ConnectionLost("another task of the connection had failed")
        self._failed = True
        if task is not None:
            task.fail(error)
            self._forget(event.task_id)
        else:
            self._changed()

    def _forget(self, task_id: str) -> None:
        del self._tasks[task_id]
        self.idle_since_s = asyncio.get_running_loop().time()
        self._changed()

    def _end(self, error: ClientError) -> None:
        """Nothing more will come: tell all tasks."""
        if self.lost is not None:
            return
        self.lost = error
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.fail(error)
        self._changed()
