"""The server's end of a connection of the task protocol, without the connection.

The owner passes it frames, acts on the commands that it returns, tells it what is spoken, and after every call sends
what ``frames_to_send`` returns, then closes the connection if ``close`` is set.

Tasks come one after another or at the same time, told apart by their ids (ruling 17). A task that fails ends the
connection (ruling 18), but not the other tasks on it: it is closed when the last of them has ended, and takes no new
ones until then. The core holds no text.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from saystream.errors import (
    BinaryFrame,
    FrameTooLarge,
    InvalidEvent,
    InvalidRequest,
    InvalidState,
    LimitReached,
    ProtocolAbuse,
    SaystreamError,
    TextTooLong,
    TooManyTexts,
)
from saystream.protocol.close import Close
from saystream.protocol.json import check_frame_size
from saystream.protocol.surrogates import HalfCharacters
from saystream.protocol.task.codec import command_of, encode_event, read_envelope
from saystream.protocol.task.commands import Command, ContinueTask, FinishTask, RunTask
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

__all__ = ["TaskLimits", "TaskServer", "TaskStyle"]

TaskStyle = Literal["cosyvoice", "sambert"]
"""Whose events a task has."""

_REMEMBERED: Final = 256
"""Tasks that have ended: what still comes for them is no mistake, for the client could not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLimits:
    """What one connection may demand."""

    max_frame_bytes: int = 1 << 20
    max_tasks: int = 200
    """Open at once."""
    max_text_characters: int = 20_000
    """Of one ``continue-task``."""
    max_task_characters: int = 200_000
    """Of all text of one task."""


class _Task:
    def __init__(self, command: RunTask) -> None:
        self.id = command.task_id
        self.states = TaskStates(whole=command.streaming == "out")
        self.style: TaskStyle = "cosyvoice"
        self.request_uuid = ""
        self.with_times = command.parameters.word_timestamp_enabled
        self.takes_one_text = command.parameters.may_be_ssml
        self.halves = HalfCharacters()
        self.num_texts = 0
        self.num_characters = 0
        self.index = -1
        """Of the last sentence begun."""
        self.synthesis = ""
        """The frame before its audio when no word begins in it."""


class TaskServer:
    """What a server may do, and how it answers what a client does.

    Nothing that a peer sends makes it raise. ``RuntimeError`` and ``ValueError`` mean a mistake of its owner.
    """

    def __init__(self, *, limits: TaskLimits) -> None:
        self.close: Close | None = None
        self._limits = limits
        self._tasks: dict[str, _Task] = {}
        self._ended: deque[str] = deque(maxlen=_REMEMBERED)
        self._last_fault: SaystreamError | None = None
        """Why the connection will close."""
        self._outbox: list[str | bytes] = []

    @property
    def open_tasks(self) -> tuple[str, ...]:
        """The ids of the tasks that have begun and not ended, in their order."""
        return tuple(self._tasks)

    def is_open(self, task_id: str) -> bool:
        """Whether the task has begun and not ended."""
        return task_id in self._tasks

    def takes_text(self, task_id: str) -> bool:
        """Whether the task is open and its client may send more text."""
        task = self._tasks.get(task_id)
        return task is not None and task.states.input is InputState.OPEN

    def in_sentence(self, task_id: str) -> bool:
        """Whether a sentence of the open task has begun and not ended."""
        return self._task(task_id).states.output is OutputState.IN_SENTENCE

    def frames_to_send(self) -> list[str | bytes]:
        """Take what is queued, in the order in which it must be sent."""
        frames, self._outbox = self._outbox, []
        return frames

    # --- what the peer does ------------------------------------------------------------------------------------------

    def receive_text(self, frame: str) -> Command | None:
        """The command in ``frame``, or ``None`` if it was refused or changes nothing.

        The owner answers a ``RunTask`` with ``start`` or ``fail``, and a ``FinishTask`` that cancels with
        ``cancel``. After ``close`` is set, frames are ignored.
        """
        if self.close is not None:
            return None
        try:
            check_frame_size(frame, self._limits.max_frame_bytes)
        except FrameTooLarge as abuse:
            self.fail_all(abuse)
            return None
        try:
            envelope = read_envelope(frame)
        except InvalidEvent as mistake:
            self.fail_all(mistake)
            return None
        if envelope.action != "run-task" and envelope.task_id not in self._tasks:
            if envelope.task_id not in self._ended:
                self._refuse(
                    envelope.task_id, InvalidState("No task with this task_id is open: begin with run-task.")
                )
            return None
        try:
            task = self._tasks.get(envelope.task_id)
            command = command_of(envelope) if task is None else command_of(envelope, joined=task.halves.push)
            self._accept(command)
        except InvalidRequest as mistake:
            self._refuse(envelope.task_id, mistake)
            return None
        return command

    def receive_binary(self) -> None:
        """A binary frame arrived: all tasks fail, and the connection is closed with 1003."""
        self.fail_all(BinaryFrame("Commands are text with one JSON object each; a binary frame came."))

    def _accept(self, command: Command) -> None:
        match command:
            case RunTask(task_id=task_id):
                if task_id in self._tasks:
                    raise InvalidState("A task with this task_id is open already.")
                if self._last_fault is not None:
                    raise InvalidState("A task of this connection has failed: open a new one.")
                if len(self._tasks) >= self._limits.max_tasks:
                    raise LimitReached(
                        f"{len(self._tasks)} tasks of this connection are open already, which is the limit."
                    )
                self._tasks[task_id] = task = _Task(command)
                self._count(task, command.text, self._limits.max_task_characters)
            case ContinueTask(task_id=task_id, text=text):
                task = self._tasks[task_id]
                task.states.client_sends("continue-task")
                self._count(task, text, self._limits.max_text_characters)
            case FinishTask(task_id=task_id, cancel=cancel):
                self._tasks[task_id].states.client_sends("cancel" if cancel else "finish-task")
            case _:
                assert_never(command)

    def _count(self, task: _Task, text: str, limit: int) -> None:
        if not text:
            return
        if task.takes_one_text and task.num_texts:
            raise TooManyTexts()
        if len(text) > limit:
            raise TextTooLong(
                f"This text has {len(text)} characters; the limit is {limit}.", param="payload.input.text"
            )
        limit = self._limits.max_task_characters
        if task.num_characters + len(text) > limit:
            raise TextTooLong(
                f"With this text the task has {task.num_characters + len(text)} characters; the limit is {limit}.",
                param="payload.input.text",
            )
        task.num_texts += 1
        task.num_characters += len(text)

    # --- what the owner does -----------------------------------------------------------------------------------------

    def start(self, task_id: str, *, request_uuid: str, style: TaskStyle = "cosyvoice") -> None:
        """Accept a task that was requested: queue ``task-started``. ``request_uuid`` is our own name for it, which its
        client is told at its end."""
        task = self._advance(task_id, "task-started")
        task.style = style
        task.request_uuid = request_uuid
        self._outbox.append(encode_event(TaskStarted(task_id=task_id)))

    def begin_sentence(self, task_id: str, original_text: str) -> None:
        """The audio that follows says ``original_text``, which is as the client sent it."""
        task = self._advance(task_id, "sentence-begin")
        task.index += 1
        task.synthesis = encode_event(SentenceSynthesis(task_id=task_id, index=task.index))
        if task.style == "cosyvoice":
            self._outbox.append(
                encode_event(SentenceBegin(task_id=task_id, index=task.index, original_text=original_text))
            )

    def send_audio(self, task_id: str, audio: bytes, words: tuple[Word, ...] = ()) -> None:
        """Queue audio of the open sentence, which is not empty, and the words that begin in it."""
        if not audio:
            raise ValueError("a frame without audio")
        task = self._advance(task_id, "sentence-synthesis")
        if task.style == "cosyvoice":
            frame = task.synthesis
            if words:
                frame = encode_event(SentenceSynthesis(task_id=task_id, index=task.index, words=words))
            self._outbox.append(frame)
        self._outbox.append(audio)

    def end_sentence(
        self,
        task_id: str,
        *,
        original_text: str,
        characters: int,
        begin_time: int,
        end_time: int,
        words: tuple[Word, ...] = (),
    ) -> None:
        """All audio of the open sentence was sent. ``characters`` are those billed for the task so far; the times, in
        milliseconds of the task's audio, are only for Sambert."""
        task = self._advance(task_id, "sentence-end")
        if task.style == "cosyvoice":
            ended = SentenceEnd(
                task_id=task_id,
                index=task.index,
                original_text=original_text,
                words=words,
                characters=characters,
            )
            self._outbox.append(encode_event(ended))
        elif task.with_times:
            times = SentenceTimes(task_id=task_id, begin_time=begin_time, end_time=end_time, words=words)
            self._outbox.append(encode_event(times))

    def finish(self, task_id: str, *, characters: int) -> None:
        """Everything of a task was sent."""
        self._finish(self._advance(task_id, "task-finished"), characters)

    def cancel(self, task_id: str, *, characters: int) -> None:
        """End a task whose client has cancelled it; nothing more of it may be queued. ``characters`` are those billed
        for what was spoken."""
        self._finish(self._advance(task_id, "cancelled"), characters)

    def fail(self, task_id: str, fault: SaystreamError) -> None:
        """End an open task because of ``fault``, and the connection with the last task that is open. Does nothing when
        the task has ended."""
        if task_id in self._tasks:
            self._refuse(task_id, fault)

    def fail_all(self, fault: SaystreamError) -> None:
        """End all tasks and the connection because of ``fault``. Does nothing when ``close`` is set."""
        if self.close is not None:
            return
        for task_id in self.open_tasks or ("",):
            self._fail(task_id, fault)
        self._close(fault)

    def shut(self, code: int, reason: str) -> None:
        """Close normally; no task may be open. Does nothing when ``close`` is set."""
        if self._tasks:
            raise RuntimeError("a task is open")
        if self.close is None:
            self.close = Close.fitting(code, reason)

    # --- sending -----------------------------------------------------------------------------------------------------

    def _task(self, task_id: str) -> _Task:
        if (task := self._tasks.get(task_id)) is None:
            raise RuntimeError("the task is not open")
        return task

    def _advance(self, task_id: str, event: str) -> _Task:
        task = self._task(task_id)
        try:
            task.states.server_sends(event)
        except InvalidState as error:
            raise RuntimeError(error.message) from None
        return task

    def _finish(self, task: _Task, characters: int) -> None:
        if task.style == "sambert":
            finished = TaskFinished(task_id=task.id, characters=characters, null_output=True)
        else:
            finished = TaskFinished(task_id=task.id, characters=characters, request_uuid=task.request_uuid)
        self._outbox.append(encode_event(finished))
        self._forget(task.id)
        if self._last_fault is not None and not self._tasks:
            self._close(self._last_fault)

    def _refuse(self, task_id: str, fault: SaystreamError) -> None:
        """Fail a task, open or not."""
        self._fail(task_id, fault)
        self._last_fault = fault
        if not self._tasks:
            self._close(fault)

    def _fail(self, task_id: str, fault: SaystreamError) -> None:
        failed = TaskFailed(task_id=task_id, error_code=fault.http_code, error_message=fault.message)
        self._outbox.append(encode_event(failed))
        self._forget(task_id)

    def _forget(self, task_id: str) -> None:
        self._tasks.pop(task_id, None)
        self._ended.append(task_id)

    def _close(self, fault: SaystreamError) -> None:
        """With 1000 after a failed task (ruling 18); with its own code for abuse."""
        code = fault.close_code if isinstance(fault, ProtocolAbuse) else None
        self.close = Close.fitting(code or 1000, fault.message)
