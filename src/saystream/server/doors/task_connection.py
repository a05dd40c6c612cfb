"""One connection of the task door: moves frames between a WebSocket, the protocol core and what speaks its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import structlog

from saystream.errors import (
    Draining,
    SaystreamError,
    ServerFault,
    TaskRefused,
    TaskTextInvalid,
)
from saystream.protocol.task.commands import ContinueTask, FinishTask, RunTask
from saystream.protocol.task.server import TaskLimits, TaskServer
from saystream.server.doors.socket_connection import SocketConnection
from saystream.server.doors.spoken_task import SpokenTask
from saystream.server.doors.task_speech import own_voice_of, speech_of
from saystream.text.counting import billed_characters

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from starlette.websockets import WebSocket

    from saystream.protocol.close import Close
    from saystream.server.access.auth import Principal
    from saystream.server.access.room import Place
    from saystream.server.accounting.account import ResponseAccount
    from saystream.server.doors.base import Services
    from saystream.server.doors.task_speech import TaskSpeech

__all__ = ["TaskConnection"]

_log = structlog.get_logger(__name__)


class TaskConnection(SocketConnection):
    """One connection, from its accepted handshake to its close, with any number of tasks after or beside each other."""

    def __init__(
        self,
        services: Services,
        websocket: WebSocket,
        place: Place,
        *,
        account: Callable[[Principal], ResponseAccount],
    ) -> None:
        """``place`` is where the connection stands; ``account`` opens an account for a task."""
        settings, limits = services.settings.task, services.settings.limits
        super().__init__(
            websocket,
            idle_timeout_s=settings.idle_timeout_s,
            outbox_high_bytes=services.settings.realtime.outbox_high_bytes,
            outbox_low_bytes=services.settings.realtime.outbox_low_bytes,
        )
        self._services = services
        self._place = place
        self._account = account
        self._core = TaskServer(
            limits=TaskLimits(
                max_frame_bytes=limits.max_frame_bytes,
                max_tasks=settings.max_tasks_per_connection,
                max_text_characters=settings.max_text_characters,
                max_task_characters=settings.max_task_characters,
            )
        )
        self._tasks: dict[str, SpokenTask] = {}

    # --- life ------------------------------------------------------------------------------------------------------

    @property
    def _close(self) -> Close | None:
        return self._core.close

    @property
    def _is_speaking(self) -> bool:
        # A task that waits for text has a time-out of its own.
        return bool(self._core.open_tasks)

    def _open(self) -> Mapping[str, str]:
        return {"door": "task"}

    def _frames(self) -> list[str | bytes]:
        return self._core.frames_to_send()

    def _shut(self, code: int, reason: str) -> None:
        self._core.shut(code, reason)

    def _leave(self) -> None:
        for task in self._tasks.values():
            try:
                task.break_off("cancelled")
            finally:
                task.leave()
                self._services.metrics.tasks.dec()
        self._tasks.clear()

    def fail(self, fault: SaystreamError) -> None:
        """End all tasks, giving the reason, and close."""
        for task in self._tasks.values():
            task.break_off("failed", fault)
        if self._core.open_tasks or not isinstance(fault, Draining):
            self._core.fail_all(fault)
        else:
            self._core.shut(Draining.close_code, fault.message)
        self._flush()
        self._forget_ended()

    def _close_if_due(self) -> None:
        if self._core.close is not None or not (self._draining or self._expelled):
            return
        why = self._expelled or Draining("the server is shutting down")
        for task in [*self._tasks.values()]:
            if not task.has_work and self._core.takes_text(task.id):
                task.fail(why)
        if not self._core.open_tasks:
            self._core.shut(why.close_code or 1008, why.message)
            self._flush()

    # --- the reader ------------------------------------------------------------------------------------------------

    async def _obey(self, frame: str | None) -> None:
        if frame is None:
            self._core.receive_binary()
            self._forget_ended()
            return
        match self._core.receive_text(frame):
            case RunTask() as command:
                await self._answering(command.task_id, self._run_task(command))
            case ContinueTask() as command:
                await self._answering(command.task_id, self._continue_task(command))
            case FinishTask() as command:
                await self._answering(command.task_id, self._finish_task(command))
            case None:
                pass
            case other:
                assert_never(other)
        self._forget_ended()

    async def _answering(self, task_id: str, action: Coroutine[Any, Any, None]) -> None:
        """A refusal or a fault ends that task alone."""
        try:
            await action
        except SaystreamError as fault:
            self._fail_task(task_id, fault)

    def _fail_task(self, task_id: str, fault: SaystreamError) -> None:
        if (task := self._tasks.get(task_id)) is not None:
            task.fail(fault)
            return
        reason = fault.reason if isinstance(fault, TaskRefused) else ""
        _log.info(
            "task refused", code=fault.code, param=fault.param, **({"reason": reason} if reason else {})
        )
        self._core.fail(task_id, fault)

    async def _run_task(self, command: RunTask) -> None:
        if self._expelled is not None:
            raise self._expelled
        if self._draining:
            raise Draining("the server is shutting down")
        if command.parameters.unknown_fields:
            _log.debug("unknown fields ignored", unknown_fields=command.parameters.unknown_fields)
        principal = self._place.principal
        own_voice = await own_voice_of(self._services, principal, command.model, command.parameters)
        if not self._core.is_open(command.task_id):  # it was cut off meanwhile
            return
        speech = speech_of(
            self._services.catalog,
            command.model,
            command.parameters,
            prefix="payload.parameters.",
            own_voice=own_voice,
        )
        self._check_text(command, speech)
        place = await self._services.room.admit(
            principal, speech.model.name, characters=billed_characters(command.text)
        )
        if not self._core.is_open(command.task_id):  # it was cut off meanwhile
            place.leave()
            return
        self._begin(command, speech, place)

    def _check_text(self, command: RunTask, speech: TaskSpeech) -> None:
        if not speech.is_sambert:
            return
        if command.streaming != "out":
            raise TaskTextInvalid(reason="Sambert takes its text in run-task, with streaming 'out'")
        if not command.text.strip():
            raise TaskTextInvalid(reason="payload.input.text is empty")
        limit = speech.model.max_characters
        if limit is not None and len(command.text) > limit:
            raise TaskTextInvalid(reason=f"the text has {len(command.text)} characters; the limit is {limit}")

    def _begin(self, command: RunTask, speech: TaskSpeech, place: Place) -> None:
        try:
            task = SpokenTask(
                self._services,
                self._core,
                command,
                speech,
                place,
                self._account(place.principal),
                flush=lambda task_id: self._flush(audio_of=task_id),
                work=lambda task, action: self._work(self._working(task, action)),
                ended=self._task_ended,
            )
        except BaseException:
            place.leave()
            raise
        self._tasks[task.id] = task
        self._services.metrics.tasks.inc()
        self._core.start(
            task.id, request_uuid=task.request_uuid, style="sambert" if speech.is_sambert else "cosyvoice"
        )
        self._flush()
        task.worker = self._work(self._working(task, lambda: task.speak(self._outbox.writable)))
        place.seat(task)
        if command.text:
            task.push(command.text)
        if self._core.takes_text(task.id):
            task.await_text()
        else:
            task.finish()

    async def _continue_task(self, command: ContinueTask) -> None:
        task = self._tasks[command.task_id]
        if task.is_expelled:
            return  # its last event will say so
        limiter, principal = self._services.limiter, self._place.principal
        if command.text and limiter.counts_characters(principal):
            await limiter.take_characters(principal, billed_characters(command.text))
            if not self._core.is_open(task.id):
                return
        task.await_text()
        if command.text:
            task.push(command.text)
        if command.flush:
            task.flush()

    async def _finish_task(self, command: FinishTask) -> None:
        task = self._tasks[command.task_id]
        if command.cancel:
            self._outbox.drop_audio(task.id)
            task.cancel()
        else:
            task.finish()

    # --- the speakers ----------------------------------------------------------------------------------------------

    async def _working(self, task: SpokenTask, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Something of a task, done beside the reader."""
        with structlog.contextvars.bound_contextvars(task=task.request_uuid, model=task.speech.model.name):
            try:
                await action()
            except SaystreamError as fault:
                task.fail(fault)
            except Exception:
                _log.exception("task failed")
                task.fail(ServerFault("a server error; the log has the details"))

    def _task_ended(self, task: SpokenTask) -> None:
        if self._tasks.pop(task.id, None) is not None:
            self._services.metrics.tasks.dec()
        self._mark_active()
        self._close_if_due()

    def _forget_ended(self) -> None:
        """The core has ended tasks by itself: for what their client sent."""
        for task in [*self._tasks.values()]:
            if not self._core.is_open(task.id):
                task.break_off("failed")
                task.leave()
                self._task_ended(task)
