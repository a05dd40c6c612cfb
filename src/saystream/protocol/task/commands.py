"""What a client sends: the commands of the task protocol (protocol reference, inference §2)."""

from __future__ import annotations

from typing import Literal

import msgspec

from saystream.protocol.task.parameters import TaskParameters

__all__ = ["Command", "ContinueTask", "FinishTask", "RunTask", "Streaming"]

Streaming = Literal["duplex", "out"]
"""``duplex``: text comes in ``continue-task``; ``out``: all of it stands in ``run-task``."""


class _Command(msgspec.Struct, frozen=True, kw_only=True):
    task_id: str


class RunTask(_Command, frozen=True, kw_only=True):
    """Begin a task; answered by ``task-started`` or ``task-failed``."""

    model: str
    parameters: TaskParameters = TaskParameters()
    streaming: Streaming = "duplex"
    text: str = ""
    """What there is to say: all of it if ``streaming`` is ``out``."""


class ContinueTask(_Command, frozen=True, kw_only=True):
    """More text, or none with ``flush``: speak what has come, even if its sentence is not complete."""

    text: str = ""
    flush: bool = False


class FinishTask(_Command, frozen=True, kw_only=True):
    """No more text comes: speak the rest or, with ``cancel``, drop it."""

    cancel: bool = False


Command = RunTask | ContinueTask | FinishTask
