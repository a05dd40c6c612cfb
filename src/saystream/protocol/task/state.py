"""Which command and which event may come when in a task, as data.

Rule 1: each task has two machines: one for what its client has sent, one for what its server has sent. They are
separate because the two ends act at the same time.

Rule 2: an action or event is legal when the table lists it under the present state. An illegal one raises
``InvalidState`` and changes nothing.

Rule 3: what depends on the content (a text that is too long, a second text of SSML) is decided in ``server.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeVar

from saystream.errors import InvalidState

__all__ = ["INPUT_TABLE", "OUTPUT_TABLE", "InputState", "OutputState", "TaskStates"]


class InputState(Enum):
    """What the client has sent."""

    OPEN = "open"
    """More text may come."""
    WHOLE = "whole"
    """All of the text came with ``run-task``."""
    FINISHING = "finishing"
    CANCELLED = "cancelled"


class OutputState(Enum):
    """What the server has sent."""

    REQUESTED = "requested"
    """No answer to ``run-task`` yet."""
    STARTED = "started"
    IN_SENTENCE = "in_sentence"
    ENDED = "ended"


_State = TypeVar("_State", bound=Enum)
_Table = Mapping[_State, Mapping[str, _State]]


def _frozen(table: dict[_State, dict[str, _State]]) -> _Table[_State]:
    return MappingProxyType({state: MappingProxyType(row) for state, row in table.items()})


INPUT_TABLE: Final = _frozen(
    {
        InputState.OPEN: {
            "continue-task": InputState.OPEN,
            "finish-task": InputState.FINISHING,
            "cancel": InputState.CANCELLED,
        },
        InputState.WHOLE: {
            "finish-task": InputState.WHOLE,
            "cancel": InputState.CANCELLED,
        },
        InputState.FINISHING: {
            "finish-task": InputState.FINISHING,
            "cancel": InputState.CANCELLED,
        },
        # Its owner ends it at once; until then nothing can follow.
        InputState.CANCELLED: {},
    }
)
"""``cancel`` is ``finish-task`` with that directive."""

OUTPUT_TABLE: Final = _frozen(
    {
        OutputState.REQUESTED: {
            "task-started": OutputState.STARTED,
            "task-failed": OutputState.ENDED,
        },
        OutputState.STARTED: {
            "sentence-begin": OutputState.IN_SENTENCE,
            "task-finished": OutputState.ENDED,
            "cancelled": OutputState.ENDED,
            "task-failed": OutputState.ENDED,
        },
        OutputState.IN_SENTENCE: {
            "sentence-synthesis": OutputState.IN_SENTENCE,
            "sentence-end": OutputState.STARTED,
            "cancelled": OutputState.ENDED,
            "task-failed": OutputState.ENDED,
        },
        OutputState.ENDED: {},
    }
)
"""``cancelled`` is the ``task-finished`` that answers a cancel; it may leave a sentence without its end."""


class TaskStates:
    """The two machines of one task."""

    def __init__(self, *, whole: bool) -> None:
        """``whole``: its text came with ``run-task``."""
        self.input = InputState.WHOLE if whole else InputState.OPEN
        self.output = OutputState.REQUESTED

    def client_sends(self, action: str) -> None:
        """Raises ``InvalidState`` and changes nothing when the client may not send ``action`` now."""
        allowed = INPUT_TABLE[self.input]
        if action not in allowed:
            raise InvalidState(f"{action} is not allowed while the input of the task is {self.input.value}.")
        self.input = allowed[action]

    def server_sends(self, event: str) -> None:
        """Raises ``InvalidState`` and changes nothing when the server may not send ``event`` now."""
        allowed = OUTPUT_TABLE[self.output]
        if event not in allowed:
            raise InvalidState(f"{event} is not allowed while the task is {self.output.value}.")
        self.output = allowed[event]
