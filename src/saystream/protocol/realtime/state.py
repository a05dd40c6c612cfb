"""Which event may come when, as data; both ends of a connection use the same tables.

Rule 1: everything that says whether an event is legal *by its type* is here. What depends on the content of an
event (a blank buffer, a value that is not allowed, an id that does not match) is decided in ``server.py`` and
``client.py``.

Rule 2: there are three machines. The client's says what the client may send, the server's what the server may
send, the response's in which order the events of one response come. Each end runs all three: it advances its
own when it sends, the other's when it receives. They are separate because the two ends act at the same time: a
client may finish before it has seen ``session.created``, while the server may still be answering a clear.

Rule 3: an event is legal when its sender's table lists it under the sender's state and, if the response table
knows the event at all, that one lists it too. An illegal event raises ``InvalidState`` and changes nothing.

Rule 4: two events act across the machines. ``session.finished`` is legal only after the client's
``session.finish``, and makes the client FINISHED. There a ``session.update`` opens a new session on the same
connection, and only then may ``session.created`` come again (ruling 11).

Rule 5: a session stops being configurable with the first text committed for synthesis, that is when the
server leaves BEFORE_TEXT (ruling 2). A ``session.update`` is still legal then; it may ask only for what is in
force.

Rule 6: when the connection ends, every machine becomes CLOSED from any state, and nothing is legal any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeVar

from saystream.errors import InvalidState

__all__ = [
    "CLIENT_TABLE",
    "RESPONSE_TABLE",
    "SERVER_TABLE",
    "ClientState",
    "ConnectionState",
    "ResponseState",
    "ServerState",
    "SessionState",
]


class ClientState(Enum):
    """What the client has sent."""

    OPEN = "open"
    FINISHING = "finishing"
    """``session.finish`` was sent, ``session.finished`` has not arrived."""
    FINISHED = "finished"
    CLOSED = "closed"


class ServerState(Enum):
    """What the server has sent."""

    CREATING = "creating"
    """No ``session.created`` yet."""
    BEFORE_TEXT = "before_text"
    """Nothing has been committed for synthesis: the configuration may change."""
    STARTED = "started"
    FINISHED = "finished"
    CLOSED = "closed"


class ResponseState(Enum):
    """How far the open response is."""

    NONE = "none"
    CREATED = "created"
    ITEM_ADDED = "item_added"
    PART_ADDED = "part_added"
    STREAMING = "streaming"
    AUDIO_DONE = "audio_done"
    PART_DONE = "part_done"
    ITEM_DONE = "item_done"
    CLOSED = "closed"


class SessionState(Enum):
    """The state of client and server combined."""

    CREATING = "creating"
    BEFORE_TEXT = "before_text"
    STARTED = "started"
    FINISHING = "finishing"
    FINISHED = "finished"
    CLOSED = "closed"


_State = TypeVar("_State", bound=Enum)
_Table = Mapping[_State, Mapping[str, _State]]


def _frozen(table: dict[_State, dict[str, _State]]) -> _Table[_State]:
    return MappingProxyType({state: MappingProxyType(row) for state, row in table.items()})


CLIENT_TABLE: Final = _frozen(
    {
        ClientState.OPEN: {
            "session.update": ClientState.OPEN,
            "input_text_buffer.append": ClientState.OPEN,
            "input_text_buffer.commit": ClientState.OPEN,
            "input_text_buffer.clear": ClientState.OPEN,
            "response.cancel": ClientState.OPEN,
            "session.finish": ClientState.FINISHING,
        },
        ClientState.FINISHING: {
            "response.cancel": ClientState.FINISHING,
            "session.finish": ClientState.FINISHING,
        },
        ClientState.FINISHED: {
            "session.update": ClientState.OPEN,
            "session.finish": ClientState.FINISHED,
        },
        ClientState.CLOSED: {},
    }
)

SERVER_TABLE: Final = _frozen(
    {
        ServerState.CREATING: {
            "session.created": ServerState.BEFORE_TEXT,
            "error": ServerState.CREATING,
        },
        ServerState.BEFORE_TEXT: {
            "session.updated": ServerState.BEFORE_TEXT,
            "input_text_buffer.cleared": ServerState.BEFORE_TEXT,
            "input_text_buffer.committed": ServerState.STARTED,
            # Some servers may not announce a response that they start by themselves with a committed.
            "response.created": ServerState.STARTED,
            "session.finished": ServerState.FINISHED,
            "error": ServerState.BEFORE_TEXT,
        },
        ServerState.STARTED: {
            "session.updated": ServerState.STARTED,
            "input_text_buffer.cleared": ServerState.STARTED,
            "input_text_buffer.committed": ServerState.STARTED,
            "response.created": ServerState.STARTED,
            "response.output_item.added": ServerState.STARTED,
            "response.content_part.added": ServerState.STARTED,
            "response.audio.delta": ServerState.STARTED,
            "saystream.word_timestamps": ServerState.STARTED,
            "response.audio.done": ServerState.STARTED,
            "response.content_part.done": ServerState.STARTED,
            "response.output_item.done": ServerState.STARTED,
            "response.done": ServerState.STARTED,
            "session.finished": ServerState.FINISHED,
            "error": ServerState.STARTED,
        },
        ServerState.FINISHED: {
            "session.created": ServerState.BEFORE_TEXT,
            "error": ServerState.FINISHED,
        },
        ServerState.CLOSED: {},
    }
)

RESPONSE_TABLE: Final = _frozen(
    {
        ResponseState.NONE: {
            "response.created": ResponseState.CREATED,
            # No session begins or ends around an open response.
            "session.created": ResponseState.NONE,
            "session.finished": ResponseState.NONE,
        },
        ResponseState.CREATED: {"response.output_item.added": ResponseState.ITEM_ADDED},
        ResponseState.ITEM_ADDED: {"response.content_part.added": ResponseState.PART_ADDED},
        ResponseState.PART_ADDED: {
            "response.audio.delta": ResponseState.STREAMING,
            "response.audio.done": ResponseState.AUDIO_DONE,
        },
        ResponseState.STREAMING: {
            "response.audio.delta": ResponseState.STREAMING,
            "saystream.word_timestamps": ResponseState.STREAMING,
            "response.audio.done": ResponseState.AUDIO_DONE,
        },
        ResponseState.AUDIO_DONE: {"response.content_part.done": ResponseState.PART_DONE},
        ResponseState.PART_DONE: {"response.output_item.done": ResponseState.ITEM_DONE},
        ResponseState.ITEM_DONE: {"response.done": ResponseState.NONE},
        ResponseState.CLOSED: {},
    }
)
"""Events that it lists under no state are legal during every response."""

_RESPONSE_EVENTS: Final = frozenset(kind for row in RESPONSE_TABLE.values() for kind in row)


class ConnectionState:
    """The three machines of one connection."""

    def __init__(self) -> None:
        self.client = ClientState.OPEN
        self.server = ServerState.CREATING
        self.response = ResponseState.NONE

    @property
    def session(self) -> SessionState:
        if self.client is ClientState.FINISHING and self.server in (
            ServerState.BEFORE_TEXT,
            ServerState.STARTED,
        ):
            return SessionState.FINISHING
        return SessionState(self.server.value)

    def check_client_event(self, kind: str) -> None:
        """Raise ``InvalidState`` when the client may not send ``kind`` now."""
        allowed = CLIENT_TABLE[self.client]
        if kind not in allowed:
            raise InvalidState(
                f"{kind} is not allowed while the session is {self.client.value}. "
                f"Allowed now: {', '.join(allowed) or 'nothing'}."
            )

    def client_event(self, kind: str) -> None:
        """The client sends ``kind``. Raises ``InvalidState`` and changes nothing when it may not."""
        self.check_client_event(kind)
        self.client = CLIENT_TABLE[self.client][kind]

    def check_server_event(self, kind: str) -> None:
        """Raise ``InvalidState`` when the server may not send ``kind`` now."""
        if kind not in SERVER_TABLE[self.server]:
            raise InvalidState(f"{kind} is not allowed while the server's session is {self.server.value}.")
        if kind in _RESPONSE_EVENTS and kind not in RESPONSE_TABLE[self.response]:
            raise InvalidState(
                f"{kind} is not allowed while the state of the response is {self.response.value}."
            )
        if kind == "session.finished" and self.client is not ClientState.FINISHING:
            raise InvalidState("session.finished is not allowed before session.finish.")
        if kind == "session.created" and self.client is ClientState.FINISHED:
            raise InvalidState("session.created is not allowed again before a session.update.")

    def server_event(self, kind: str) -> None:
        """The server sends ``kind``. Raises ``InvalidState`` and changes nothing when it may not."""
        self.check_server_event(kind)
        self.server = SERVER_TABLE[self.server][kind]
        self.response = RESPONSE_TABLE[self.response].get(kind, self.response)
        if kind == "session.finished":
            self.client = ClientState.FINISHED

    def restart_refused(self) -> None:
        """The ``session.update`` that asked for a new session got an error: the old one stays finished."""
        self.client = ClientState.FINISHED

    def closed(self) -> None:
        """The connection has ended (rule 6)."""
        self.client = ClientState.CLOSED
        self.server = ServerState.CLOSED
        self.response = ResponseState.CLOSED
