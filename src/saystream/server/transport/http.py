"""HTTP/1.1 of uvicorn and h11, with limits on every part of a request and on the time that it takes."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from saystream.errors import (
    Draining,
    HeadTimedOut,
    HeadTooLarge,
    MalformedRequest,
    Overloaded,
    SaystreamError,
    UnknownEncoding,
)
from saystream.server.transport.line import LineTransport, written

if TYPE_CHECKING:
    from uvicorn.server import ServerState

    from saystream.config import LimitSettings
    from saystream.server.transport.config import TransportConfig
    from saystream.server.transport.connections import Unfinished

__all__ = ["HttpProtocol"]

_FRAMING_BYTES = 16 * 1024
"""In a chunked body, what is not content may be as long as the content and this."""

_SESSION_S = 0.002
"""A session that begins costs about so much more than a request that is answered at once: of many, the latter come
first."""

_log = structlog.get_logger(__name__)
_quiet = logging.getLogger(f"{__name__}.uvicorn")
"""uvicorn warns of each request that is not HTTP, without saying why; a flood of them would fill the log."""
_quiet.setLevel(logging.ERROR)


class HttpProtocol(H11Protocol):
    """Every request is answered or its connection closed, at the latest when its time is up."""

    config: TransportConfig
    transport: LineTransport

    def __init__(
        self,
        config: TransportConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _quiet
        self.conn = self._parser = _Parser(config.limits, config.unfinished)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_began = False
        self._upgrading = False
        """A handshake waits for its turn, or was the last thing that this protocol read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.config.limits.head_timeout_s, self._head_timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        self._parser.let_go()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.line.wanted_bytes = self._parser.num_missing
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.line.hang_up()  # nobody wants the rest of this body
            return
        self._follow()

    def _follow(self) -> None:
        """Start or stop the time for a head, and say whether the line is idle."""
        if self.transport.is_closing() or not self.transport.line.speaks(self):
            return
        lines = self.config.open
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_head_timer()
            lines.busy(self.transport.line)
            return
        lines.idle(self.transport.line)
        if self._parser.head_began and not self._head_began:
            self._stop_head_timer()
            self._head_began = True
            self._head_timer = self.loop.call_later(self.config.limits.head_timeout_s, self._head_timed_out)

    def _stop_head_timer(self) -> None:
        self._head_began = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_timed_out(self) -> None:
        limit_s = self.config.limits.head_timeout_s
        self._refuse(HeadTimedOut(f"The head of the request did not arrive within {limit_s:g} s."))

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what the parser has refused."""
        self._refuse(self._parser.refusal or MalformedRequest("This is not HTTP/1.1."))

    def _refuse(self, error: SaystreamError) -> None:
        if self.transport.is_closing():
            return
        answerable = self.cycle is None or self.cycle.response_complete or not self.cycle.response_started
        if isinstance(error, HeadTimedOut) and not self._head_began:
            answerable = False  # no request to answer
        else:
            _log.info("request refused", code=error.code)
        if answerable:
            self.transport.line.hang_up(written(error))
        else:
            self.transport.close()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        headers = dict(self.headers)
        if event.http_version != b"1.1":
            self._refuse(MalformedRequest("A WebSocket needs HTTP/1.1."))
        elif headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
            self._refuse(MalformedRequest("The handshake of a WebSocket has no body."))
        else:
            self._stop_head_timer()
            self.config.open.busy(self.transport.line)
            self._upgrading = True
            self.transport.line.in_turn(partial(self._upgrade, event), as_if_used_s=_SESSION_S)

    def _upgrade(self, event: h11.Request) -> None:
        if self.transport.line.speaks(self):
            super().handle_websocket_upgrade(event)

    def shutdown(self) -> None:
        unread = self.cycle is not None and self.cycle.more_body and not self.cycle.response_started
        if unread or self._upgrading:
            self.transport.write(written(Draining("the server is shutting down")))
            self.transport.close()
        else:
            super().shutdown()


class _Parser(h11.Connection):
    """Refuses a request that is over a limit, as h11 does one that is malformed."""

    def __init__(self, limits: LimitSettings, unfinished: Unfinished) -> None:
        super().__init__(h11.SERVER, limits.max_head_bytes)
        self.refusal: SaystreamError | None = None
        self.head_began = False
        """Part of the head of a request has arrived."""
        self._limits = limits
        self._unfinished = unfinished
        self._num_received = 0
        """Bytes since the head of the request that is being read."""
        self._num_content = 0
        """Bytes of its body."""
        self._num_announced = 0
        """How many there will be, if its head says so."""

    @property
    def num_missing(self) -> int:
        """Bytes of the body that have still to come, if its head says how many there will be."""
        return max(0, self._num_announced - self._num_content)

    def receive_data(self, data: bytes) -> None:
        self._num_received += len(data)
        self.head_began = self.head_began or self.their_state is h11.IDLE
        super().receive_data(data)

    def next_event(self) -> Any:
        try:
            event = super().next_event()
            self._check(event)
        except Overloaded as overload:
            self._deny(overload)
        except h11.RemoteProtocolError as error:
            self.refusal = self.refusal or self._why(error)
            raise
        return event

    def let_go(self) -> None:
        """The body that was being read is whole or lost."""
        self._unfinished.hold(self, 0)

    def _check(self, event: object) -> None:
        if isinstance(event, h11.Request):
            self.head_began = False
            self._num_received, self._num_content = len(self.trailing_data[0]), 0
            self._check_head(event)
            self._num_announced = _announced(event)
            if self._num_announced <= self._limits.max_body_bytes:  # else the application refuses it
                self._unfinished.check(self._num_announced)
        elif isinstance(event, h11.Data):
            self._num_content += len(event.data)
            framing_bytes = self._num_received - self._num_content
            if framing_bytes > self._num_content + _FRAMING_BYTES:
                self._deny(MalformedRequest("The chunks of the body are too small."))
            self._unfinished.hold(self, self._num_content)
        elif isinstance(event, h11.EndOfMessage):
            self._num_announced = 0
            self.let_go()
            self._check_fields(event.headers)

    def _check_head(self, head: h11.Request) -> None:
        if len(head.target) > self._limits.max_line_bytes:
            self._deny(HeadTooLarge(f"The address has more than {self._limits.max_line_bytes} bytes."))
        self._check_fields(head.headers)

    def _check_fields(self, headers: Any) -> None:
        limits = self._limits
        if len(headers) > limits.max_headers:
            self._deny(HeadTooLarge(f"The request has more than {limits.max_headers} header fields."))
        if any(len(name) + len(value) + 4 > limits.max_line_bytes for name, value in headers):
            self._deny(HeadTooLarge(f"A header field has more than {limits.max_line_bytes} bytes."))

    def _deny(self, refusal: SaystreamError) -> None:
        self.refusal = refusal
        self._process_error(self.their_role)
        raise h11.RemoteProtocolError(refusal.message)

    def _why(self, error: h11.RemoteProtocolError) -> SaystreamError:
        if error.error_status_hint == HeadTooLarge.http_status:
            return HeadTooLarge(f"The head of the request has more than {self._limits.max_head_bytes} bytes.")
        if error.error_status_hint == UnknownEncoding.http_status:
            return UnknownEncoding("The only transfer encoding is 'chunked'.")
        return MalformedRequest(f"The request is malformed: {error}.")


def _announced(head: h11.Request) -> int:
    """Bytes of the body; 0 if the head does not say how many there will be."""
    fields = dict(head.headers)
    return 0 if b"transfer-encoding" in fields else int(fields.get(b"content-length", b"0"))
