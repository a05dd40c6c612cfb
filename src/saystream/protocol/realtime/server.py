"""The server's end of a realtime connection, without the connection.

The owner passes it frames, acts on the events that it returns, tells it what is spoken, and after every call
sends what ``frames_to_send`` returns, then closes the connection if ``close`` is set.

The core holds no text. It keeps only what it needs to refuse events: whether text waits to be committed, how
many commits wait for their response, and the states of ``state.py``. One commit is one response: the owner
starts a response for each commit, in order, even if its text gives no audio.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Literal, assert_never

import msgspec

from saystream.audio import Mark
from saystream.errors import (
    BinaryFrame,
    EmptyBuffer,
    FrameTooLarge,
    InvalidRequest,
    InvalidState,
    LimitReached,
    ProtocolAbuse,
    SaystreamError,
    TooManyErrors,
)
from saystream.protocol.close import Close
from saystream.protocol.json import check_frame_size
from saystream.protocol.realtime.codec import (
    decode_client_event,
    encode,
    event_id_of,
    unknown_session_keys,
)
from saystream.protocol.realtime.events import (
    ClientEvent,
    Error,
    ErrorBody,
    ResponseCancel,
    ServerEvent,
    SessionCreated,
    SessionFinish,
    SessionFinished,
    SessionUpdate,
    SessionUpdated,
    TextAppend,
    TextClear,
    TextCleared,
    TextCommit,
    TextCommitted,
    wire_type,
)
from saystream.protocol.realtime.open_response import OpenResponse
from saystream.protocol.realtime.session_config import Session, SessionConfig
from saystream.protocol.realtime.state import ClientState, ConnectionState, ServerState, SessionState
from saystream.protocol.surrogates import HalfCharacters
from saystream.protocol.usage import Usage

__all__ = ["UPDATE_REFUSED", "ServerConnection"]

UPDATE_REFUSED: Final = "Session update error: session already started or finished or failed."
"""The documented text for a ``session.update`` that comes too late."""


class ServerConnection:
    """What a server may do, and how it answers what a client does.

    Nothing that a peer sends makes it raise. ``RuntimeError`` and ``ValueError`` mean a mistake of its owner.
    """

    def __init__(
        self,
        *,
        model: str,
        config: SessionConfig,
        new_id: Callable[[str], str],
        check: Callable[[SessionConfig], None],
        max_frame_bytes: int,
        max_consecutive_errors: int,
        max_pending_responses: int,
        is_speakable: Callable[[str], bool] = lambda text: not text.isspace(),
    ) -> None:
        """``config`` is what every session of the connection begins with.

        ``new_id("event")`` returns a new id of letters, digits, ``_`` and ``-`` that begins with ``event_``; other
        prefixes are ``sess``, ``resp`` and ``item``. ``check`` raises ``InvalidRequest`` for a configuration that
        the model does not take. ``is_speakable`` says whether a piece of text, never empty, gives a commit
        something to speak.
        """
        self.config = config
        self.session_id = ""
        self.ignored_keys: tuple[str, ...] = ()
        """Keys of the last accepted ``session.update`` that are not fields (ruling 5)."""
        self.close: Close | None = None
        self._model = model
        self._initial_config = config
        self._new_id = new_id
        self._check = check
        self._max_frame_bytes = max_frame_bytes
        self._max_consecutive_errors = max_consecutive_errors
        self._max_pending_responses = max_pending_responses
        self._is_speakable = is_speakable
        self._states = ConnectionState()
        self._outbox: list[str] = []
        self._committed_items: deque[str] = deque()
        self._response: OpenResponse | None = None
        self._text_waits = False
        """Whether there is speakable text that belongs to no response yet."""
        self._append_can_be_undone = False
        """Whether the last event was an append and the reason for ``_text_waits``."""
        self._halves = HalfCharacters()
        self._spoke_unasked = False
        """The last response was begun by the server itself, and nothing was committed since."""
        self._errors_in_row = 0
        self._refused_last = False
        self._unknown_keys: tuple[str, ...] = ()
        """Unknown keys of the last received ``session.update``."""

    @property
    def state(self) -> SessionState:
        return self._states.session

    @property
    def response_open(self) -> bool:
        return self._response is not None

    @property
    def pending_responses(self) -> int:
        """Commits whose response has not been started."""
        return len(self._committed_items)

    def frames_to_send(self) -> list[str]:
        """Take what is queued, in the order in which it must be sent."""
        frames, self._outbox = self._outbox, []
        return frames

    # --- what the peer does ------------------------------------------------------------------------------

    def receive_text(self, frame: str) -> ClientEvent | None:
        """The event in ``frame``, or ``None`` if it was refused.

        Before the next frame, the owner passes it to ``accept`` or, for reasons of its own, calls ``refuse``; it may
        take its time. After ``close`` is set, frames are ignored.
        """
        if self.close is not None:
            return None
        if not self._refused_last:
            self._errors_in_row = 0
        self._refused_last = False
        self._append_can_be_undone = False
        try:
            check_frame_size(frame, self._max_frame_bytes)
        except FrameTooLarge as abuse:
            self._abort(abuse)
            return None
        try:
            event = decode_client_event(frame)
            if isinstance(event, SessionUpdate):
                self._unknown_keys = unknown_session_keys(frame)
            elif isinstance(event, TextAppend):
                event = self._mended(event)
            elif isinstance(event, TextCommit | TextClear | SessionFinish):
                self._halves.clear()
        except InvalidRequest as mistake:
            self.refuse(mistake, event_id_of(frame))
            return None
        return event

    def _mended(self, event: TextAppend) -> TextAppend:
        text = self._halves.push(event.text)
        return event if text is event.text else msgspec.structs.replace(event, text=text)

    def accept(self, event: ClientEvent) -> ClientEvent | None:
        """The event from ``receive_text``, to act on, or ``None`` if it was refused or changes nothing.

        A refusal queues an error and leaves everything as it was. After ``close`` is set, events are ignored.
        """
        if self.close is not None:
            return None
        try:
            return self._accepted(event)
        except InvalidRequest as mistake:
            self.refuse(mistake, event.event_id)
            return None

    def receive_binary(self) -> None:
        """A binary frame arrived: send an error, close with 1003."""
        if self.close is None:
            self._abort(BinaryFrame("Frames are text with one JSON object each; a binary frame came."))

    def refuse(self, error: SaystreamError, event_id: str = "") -> None:
        """Answer the last event with an error; the session continues unless it is one error too many.

        For mistakes that only the owner can see. It also undoes a refused append, so call it before the next
        ``receive_text``; no other event that ``accept`` returned can be undone. Does nothing when ``close`` is set.
        """
        if self.close is not None:
            return
        self._refused_last = True
        self._errors_in_row += 1
        if self._append_can_be_undone:
            self._text_waits = False
        self._send_error(error, event_id)
        if self._errors_in_row >= self._max_consecutive_errors:
            self._abort(TooManyErrors(f"{self._errors_in_row} events in a row were refused."))

    def _accepted(self, event: ClientEvent) -> ClientEvent | None:
        if isinstance(event, SessionUpdate):
            return self._update(event)
        kind = wire_type(event)
        self._states.check_client_event(kind)
        match event:
            case TextAppend(text=text):
                needs_action = self._append(text)
            case TextCommit():
                needs_action = self._commit()
            case TextClear():
                needs_action = self._clear()
            case ResponseCancel():
                needs_action = bool(self._response or self._committed_items or self._text_waits)
            case SessionFinish():
                needs_action = self._finish()
            case _:
                assert_never(event)
        self._states.client_event(kind)
        return event if needs_action else None

    def _update(self, event: SessionUpdate) -> SessionUpdate | None:
        is_new_session = self._states.client is ClientState.FINISHED
        if is_new_session:
            config = self._initial_config.merged(event.session)
        elif self._states.client is ClientState.OPEN and self._states.server is ServerState.BEFORE_TEXT:
            config = self.config.merged(event.session)
        else:
            self._refuse_change(event)
            self._send(SessionUpdated(event_id=self._event_id(), session=self._session()))
            return None
        self._check(config)
        self._states.client_event("session.update")
        self.ignored_keys = self._unknown_keys
        if is_new_session:
            self.open()
        self.config = config
        self._send(SessionUpdated(event_id=self._event_id(), session=self._session()))
        return event

    def _refuse_change(self, event: SessionUpdate) -> None:
        """Once started, an update may only ask for the values in force; once finishing, for nothing."""
        try:
            self._states.check_client_event("session.update")
            changes = self.config.merged(event.session) != self.config
        except InvalidRequest:
            changes = True
        if changes:
            raise InvalidRequest(UPDATE_REFUSED, param="session")

    def _append(self, text: str) -> bool:
        # Text joins the open response until the client commits it; only other text waits for a commit.
        joins = self.config.mode == "server_commit" and self._response and not self._response.committed
        if text and not joins and not self._text_waits and self._is_speakable(text):
            self._text_waits = True
            self._append_can_be_undone = True
        return True

    def _commit(self) -> bool:
        spoke_unasked, self._spoke_unasked = self._spoke_unasked, False
        if not self._close_open_response():
            if not self._text_waits:
                if spoke_unasked:
                    return False  # too late: what it was meant for has been spoken already (ruling 8)
                raise EmptyBuffer("The text buffer holds nothing to speak.", param="text")
            limit = self._max_pending_responses
            if self.pending_responses >= limit:
                raise LimitReached(
                    f"{limit} commits wait for their response already, which is the limit."
                    " The text stays in the buffer; commit it when a response is done."
                )
            self._commit_item()
        return True

    def _clear(self) -> bool:
        self._text_waits = False
        self._spoke_unasked = False
        self._send(TextCleared(event_id=self._event_id()))
        return True

    def _finish(self) -> bool:
        if self._states.client is not ClientState.OPEN:
            return False
        # The last text is always accepted, even over the limit of commits: nothing can follow it.
        if not self._close_open_response() and self._text_waits:
            self._commit_item()
        return True

    def _close_open_response(self) -> bool:
        """``server_commit``: the open response takes no more text. ``False`` if none was taking any."""
        if self.config.mode == "commit" or self._response is None or self._response.committed:
            return False
        self._response.committed = True
        return True

    def _commit_item(self) -> None:
        item_id = self._new_id("item")
        self._send(TextCommitted(event_id=self._event_id(), item_id=item_id))
        self._committed_items.append(item_id)
        self._text_waits = False
        self._append_can_be_undone = False

    # --- what the owner does -----------------------------------------------------------------------------

    def open(self) -> None:
        """Begin the connection with ``session.created``."""
        self._spoke_unasked = False
        session_id = self._new_id("sess")
        session = Session.created(session_id=session_id, model=self._model, config=self._initial_config)
        self._send(SessionCreated(event_id=self._event_id(), session=session))
        self.session_id = session_id

    def start_response(self) -> str:
        """Open the next response: that of the oldest commit or, in ``server_commit``, one of the owner's own.

        Queues its opening events and returns its id. No other response may be open.
        """
        self._require("response.created")
        committed = bool(self._committed_items)
        if not committed:
            if self.config.mode == "commit":
                raise RuntimeError("there is no commit to answer with a response")
            self._commit_item()
        self._spoke_unasked = not committed
        response = OpenResponse(
            response_id=self._new_id("resp"),
            item_id=self._committed_items.popleft(),
            voice=self.config.voice,
            committed=committed,
        )
        self._response = response
        for event in response.opening(self._event_id):
            self._send(event)
        return response.id

    def send_audio(self, audio: bytes) -> None:
        """Queue one ``response.audio.delta`` of the open response. ``audio`` must not be empty."""
        if not audio:
            raise ValueError("a delta without audio")
        self._advance("response.audio.delta")
        assert self._response is not None
        self._outbox.append(self._response.deltas.frame(self._event_id(), audio))

    def send_words(self, marks: Sequence[Mark]) -> None:
        """Queue one ``saystream.word_timestamps``, behind audio of the open response in which words begin."""
        response = self._response
        assert response is not None
        self._send(response.words(self._event_id(), marks))

    def take_no_more_text(self) -> None:
        """``server_commit``: the open response takes no more text, as if the client had committed it.

        For a response that the owner ends by itself: text from now on waits for the next response, and a commit
        applies to that text. Does nothing if no response was taking text.
        """
        self._close_open_response()

    def finish_response(
        self, status: Literal["completed", "cancelled", "failed", "incomplete"], usage: Usage | None
    ) -> None:
        """Queue the closing events of the open response.

        ``usage`` is left out of ``response.done`` if nothing was counted.
        """
        self._require("response.audio.done")
        response = self._response
        assert response is not None
        self._response = None
        if status == "cancelled":
            self._spoke_unasked = False  # the client knows what became of its text
        for event in response.closing(self._event_id, status, usage):
            self._send(event)

    def report(self, fault: SaystreamError, *, start: int, end: int) -> None:
        """Tell of a fault that the session survives, and of the text that it cost: the characters from ``start`` to
        ``end`` of the open response. Does nothing when ``close`` is set."""
        if self.close is None:
            lost = f"Characters {start + 1} to {end} of the response were not heard, or only in part."
            self._send_error(fault, "", lost=lost)

    def finish_session(self) -> None:
        """Everything has been spoken: send ``session.finished``. The client must have asked for it."""
        self._require("session.finished")
        if self._committed_items:
            raise RuntimeError(f"{len(self._committed_items)} commits have had no response")
        self._send(SessionFinished(event_id=self._event_id()))

    def fail(self, fault: SaystreamError, usage: Usage | None = None) -> None:
        """End the connection because of ``fault``: send an error, end an open response, close with the fault's code.

        ``usage`` is that of the open response. May be called before ``open``. Does nothing when ``close`` is
        set.
        """
        if self.close is not None:
            return
        self._send_error(fault, "")
        if self._response is not None:
            self.finish_response("failed", usage)
        self._close(fault.close_code or 1011, fault.message)

    def shut(self, code: int, reason: str) -> None:
        """Close normally, after what is queued. Does nothing when ``close`` is set."""
        if self.close is None:
            self._close(code, reason)

    # --- sending -----------------------------------------------------------------------------------------

    def _event_id(self) -> str:
        return self._new_id("event")

    def _session(self) -> Session:
        return Session.updated(session_id=self.session_id, model=self._model, config=self.config)

    def _send_error(self, error: SaystreamError, event_id: str, *, lost: str = "") -> None:
        body = ErrorBody(
            type=error.kind,
            code=error.code,
            message=f"{error.message.rstrip('.')}. {lost}" if lost else error.message,
            param=error.param,
            event_id=event_id or None,
        )
        self._send(Error(event_id=self._event_id(), error=body))

    def _abort(self, abuse: ProtocolAbuse) -> None:
        self._send_error(abuse, "")
        self._close(abuse.close_code or 1008, abuse.message)

    def _close(self, code: int, reason: str) -> None:
        self.close = Close.fitting(code, reason)
        self._response = None
        self._states.closed()

    def _send(self, event: ServerEvent) -> None:
        self._advance(wire_type(event))
        self._outbox.append(encode(event))

    def _advance(self, kind: str) -> None:
        try:
            self._states.server_event(kind)
        except InvalidState as error:
            raise RuntimeError(error.message) from None

    def _require(self, kind: str) -> None:
        try:
            self._states.check_server_event(kind)
        except InvalidState as error:
            raise RuntimeError(error.message) from None
