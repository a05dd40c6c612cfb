"""The client's end of a connection of the task protocol, without the connection.

Methods that send return the frame to send; ``receive_text`` and ``receive_audio`` take what came. Which command may
follow which is decided by the same table as at the server's end (``state.py``). Of a server's events only what a client
relies on is checked, for older services send no sentences.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from saystream.errors import InvalidState, RemoteProtocolError
from saystream.protocol.task.codec import decode_event, encode_command
from saystream.protocol.task.commands import Command, FinishTask, RunTask
from saystream.protocol.task.events import (
    SentenceBegin,
    SentenceEnd,
    SentenceSynthesis,
    SentenceTimes,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    Word,
)
from saystream.protocol.task.state import InputState, OutputState, TaskStates

__all__ = ["TaskAudio", "TaskClient", "TaskOutput"]

_REMEMBERED: Final = 256
"""Tasks that have ended: what still comes for them is no mistake."""


class TaskAudio(msgspec.Struct, frozen=True, kw_only=True):
    """A binary frame, with what the event before it said of it."""

    task_id: str
    audio: bytes
    """Joined in their order they are one file or stream of the format asked for."""
    index: int | None = None
    """Of the sentence; ``None`` if the server does not say, as with Sambert."""
    words: tuple[Word, ...] = ()
    """Those that begin in this audio, if times were asked for."""


TaskOutput = TaskStarted | SentenceBegin | TaskAudio | SentenceEnd | SentenceTimes | TaskFinished | TaskFailed
"""What a client gets to see: an event, or audio together with its event."""


class TaskClient:
    """What a client may send over one connection, and whose is what came.

    Several tasks may be open, told apart by their ids. The methods that send raise ``InvalidState`` and change nothing
    when the command is not allowed now. When one that receives raises ``RemoteProtocolError``, the two ends no longer
    agree: close the connection.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, TaskStates] = {}
        self._ended: deque[str] = deque(maxlen=_REMEMBERED)
        self._announced: SentenceSynthesis | None = None
        """The event whose audio comes next."""

    @property
    def open_tasks(self) -> tuple[str, ...]:
        """The ids of the tasks that have been requested and not ended, in their order."""
        return tuple(self._tasks)

    # --- sending -----------------------------------------------------------------------------------------------------

    def send(self, command: Command) -> str:
        """The frame for ``command``. Text may follow a ``RunTask`` once ``task-started`` has come."""
        frame = encode_command(command)
        if isinstance(command, RunTask):
            if command.task_id in self._tasks:
                raise InvalidState("a task with this id is open")
            self._tasks[command.task_id] = TaskStates(whole=command.streaming == "out")
            return frame
        task = self._tasks.get(command.task_id)
        if task is None:
            raise InvalidState("the task is not open")
        if isinstance(command, FinishTask):
            task.client_sends("cancel" if command.cancel else "finish-task")
        elif task.output is OutputState.REQUESTED:
            raise InvalidState("no text may be sent before task-started")
        else:
            task.client_sends("continue-task")
        return frame

    # --- receiving ---------------------------------------------------------------------------------------------------

    def receive_text(self, frame: str) -> TaskOutput | None:
        """The event in ``frame``; ``None`` for one that tells its owner nothing now: of audio that follows, of a
        task that was cancelled or has ended, or unknown. A ``TaskFailed`` without an open task is of the connection."""
        event = decode_event(frame)
        if event is None:
            return None
        if self._announced is not None and event.task_id == self._announced.task_id:
            # Its audio never came; what comes next must not be taken for it.
            self._announced = None
        if isinstance(event, SentenceSynthesis):
            self._announced = event
            return None
        task = self._tasks.get(event.task_id)
        if task is None:
            return self._without_task(event)
        if isinstance(event, TaskFinished | TaskFailed):
            self._forget(event.task_id)
            return event
        if isinstance(event, TaskStarted):
            if task.output is not OutputState.REQUESTED:
                raise RemoteProtocolError("The server started a task twice.")
            task.server_sends("task-started")
            return event
        return None if task.input is InputState.CANCELLED else event

    def receive_audio(self, audio: bytes) -> TaskAudio | None:
        """What a binary frame holds; ``None`` if it is empty, or of a task that was cancelled or has ended.

        Raises RemoteProtocolError when it could belong to more than one task.
        """
        announced, self._announced = self._announced, None
        if announced is not None:
            task_id, index, words = announced.task_id, announced.index, announced.words
        else:
            # Sambert and older services announce nothing: then there must be only one task.
            if len(self._tasks) > 1:
                raise RemoteProtocolError(
                    f"The server sent audio and did not say of which of {len(self._tasks)} tasks."
                )
            task_id, index, words = next(iter(self._tasks), ""), None, ()
        task = self._tasks.get(task_id)
        if task is None or task.input is InputState.CANCELLED or not audio:
            return None
        return TaskAudio(task_id=task_id, audio=audio, index=index, words=words)

    def _without_task(
        self, event: TaskStarted | SentenceBegin | SentenceEnd | SentenceTimes | TaskFinished | TaskFailed
    ) -> TaskOutput | None:
        if event.task_id in self._ended:
            return None
        if isinstance(event, TaskFailed):
            return event
        raise RemoteProtocolError("The server sent an event of a task that was never begun.")

    def _forget(self, task_id: str) -> None:
        del self._tasks[task_id]
        self._ended.append(task_id)
