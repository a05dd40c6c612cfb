"""The client's end of a realtime connection, without the connection.

Methods return the frame to send; ``receive_text`` takes a received frame and returns its event. The same
tables as at the server's end decide what is legal (``state.py``).
"""

from __future__ import annotations

from collections.abc import Callable

from saystream.errors import InvalidState, RemoteProtocolError
from saystream.protocol.realtime.codec import decode_server_event, encode
from saystream.protocol.realtime.events import (
    AudioDelta,
    AudioDone,
    ClientEvent,
    ContentPartAdded,
    ContentPartDone,
    Error,
    OutputItemAdded,
    OutputItemDone,
    ResponseCancel,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SessionCreated,
    SessionFinish,
    SessionUpdate,
    SessionUpdated,
    TextAppend,
    TextClear,
    TextCommit,
    WordTimes,
    wire_type,
)
from saystream.protocol.realtime.session_config import Session, SessionPatch
from saystream.protocol.realtime.state import ConnectionState, ServerState, SessionState

__all__ = ["ClientConnection"]


class ClientConnection:
    """What a client may send and receive.

    The methods that send raise ``InvalidState`` and change nothing when the event is not allowed now. They
    may be called before ``session.created`` arrives: the server reads the frames when it is ready.
    """

    def __init__(self, *, new_id: Callable[[str], str]) -> None:
        """``new_id("event")`` returns a new, unique id that begins with ``event_``."""
        self.session: Session | None = None
        """The session as the server last described it."""
        self.response_id = ""
        """The open response, or the last one."""
        self._new_id = new_id
        self._states = ConnectionState()
        self._item_id = ""
        self._restart_id = ""
        """The last update that asked for a new session and has not been answered."""

    @property
    def state(self) -> SessionState:
        return self._states.session

    def update_session(self, patch: SessionPatch) -> str:
        """Ask for a configuration; after ``session.finished``, for a new session with it."""
        event = SessionUpdate(event_id=self._new_id("event"), session=patch)
        frame = self._send(event)
        if self._states.server is ServerState.FINISHED:
            self._restart_id = event.event_id
        return frame

    def append_text(self, text: str) -> str:
        """Add ``text`` to the buffer. Lone surrogates cannot be sent: ``ValueError``."""
        return self._send(TextAppend(event_id=self._new_id("event"), text=text))

    def commit(self) -> str:
        return self._send(TextCommit(event_id=self._new_id("event")))

    def clear(self) -> str:
        return self._send(TextClear(event_id=self._new_id("event")))

    def cancel(self) -> str:
        return self._send(ResponseCancel(event_id=self._new_id("event")))

    def finish(self) -> str:
        return self._send(SessionFinish(event_id=self._new_id("event")))

    def receive_text(self, frame: str) -> ServerEvent:
        """The event in ``frame``.

        Raises ``RemoteProtocolError`` when the frame is not an event, or the server may not send it now, or it
        belongs to a response that is not open. Nothing has changed then, but the two ends no longer agree: close
        the connection.
        """
        event = decode_server_event(frame)
        self._check_ids(event)
        try:
            self._states.server_event(wire_type(event))
        except InvalidState as error:
            raise RemoteProtocolError(f"The server violated the order of events: {error.message}") from error
        self._note(event)
        return event

    def closed(self) -> None:
        """The connection has ended: nothing more can be sent or received."""
        self._states.closed()

    def _send(self, event: ClientEvent) -> str:
        frame = encode(event)
        self._states.client_event(wire_type(event))
        return frame

    def _check_ids(self, event: ServerEvent) -> None:
        match event:
            case OutputItemAdded(response_id=response_id):
                self._refuse_other("response_id", response_id, self.response_id)
            case OutputItemDone(response_id=response_id, item=item):
                self._refuse_other("response_id", response_id, self.response_id)
                self._refuse_other("item.id", item.id, self._item_id)
            case ContentPartAdded() | AudioDelta() | WordTimes() | AudioDone() | ContentPartDone():
                self._refuse_other("response_id", event.response_id, self.response_id)
                self._refuse_other("item_id", event.item_id, self._item_id)
            case ResponseDone(response=response):
                self._refuse_other("response.id", response.id, self.response_id)
            case _:
                pass

    def _refuse_other(self, param: str, came: str, expected: str) -> None:
        if came != expected:
            raise RemoteProtocolError(f"{param} is not that of the open response.", param=param)

    def _note(self, event: ServerEvent) -> None:
        match event:
            case SessionCreated(session=session):
                self.session = session
                self._restart_id = ""
            case SessionUpdated(session=session):
                self.session = session
            case ResponseCreated(response=response):
                self.response_id = response.id
                self._item_id = ""
            case OutputItemAdded(item=item):
                self._item_id = item.id
            case Error(error=error) if self._restart_id and error.event_id == self._restart_id:
                self._restart_id = ""
                self._states.restart_refused()
            case _:
                pass
