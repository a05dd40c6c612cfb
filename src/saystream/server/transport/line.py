"""One connection from accept to close, below HTTP and WebSocket.

A line counts among the connections of its server, reads little at a time, drops a peer that does not read, and closes
so that the peer can still read what it was told. HTTP and WebSocket are protocols on it, one after the other.
"""

from __future__ import annotations

import asyncio
import socket
import uuid
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import msgspec
import structlog

from saystream.errors import SaystreamError
from saystream.protocol.http.errors import DashScopeError
from saystream.server.transport.turns import Share
from saystream.server.web.faults import RETRY_AFTER_S
from saystream.server.web.request_ids import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.server import ServerState

    from saystream.server.transport.config import TransportConfig

__all__ = ["Line", "LineTransport", "written"]

_HIGH_WATER_BYTES = 32 * 1024
"""With more waiting to be sent, writers pause."""
_SEND_BUFFER_BYTES = 128 * 1024
"""The operating system keeps this much besides. By itself it would let it grow to megabytes, and a peer that reads
nothing could have hundreds of answers made for it; sound needs 100 kB a second at most."""

_READ_S = 0.001
"""As much is read at once as takes about so long, judged by the last read: a few bytes may hold hundreds of frames…"""
_MIN_READ_BYTES = 1024
"""…but no less than this, also at first, and at most what the buffer holds."""

_PROGRESS_BYTES = 32 * 1024
"""A peer that does not take so much in ``send_stall_timeout_s`` counts as one that does not read: a byte now and then
would hold a session, or a connection, for ever."""

_LINGER_S = 5.0
"""How long a peer that was told to go may still send, to be ignored. A socket that is closed with unread data is reset,
and the peer might never see why."""
_QUIET_S = 0.5
"""One that is silent for this long has read it, where its protocol does not end with the end of the stream."""

_large = memoryview(bytearray(64 * 1024))
"""For bytes that cost little, however many come at once: of a body whose length is known, or to be discarded."""

_log = structlog.get_logger(__name__)


def written(error: SaystreamError) -> bytes:
    """The whole answer to a request that was refused before the application saw it."""
    body = msgspec.json.encode(DashScopeError(error.http_code, error.message, identity := str(uuid.uuid4())))
    status = HTTPStatus(error.http_status)
    retry = f"retry-after: {RETRY_AFTER_S}\r\n" if error.retryable else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n{HEADER}: {identity}\r\n{retry}connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


class Line(asyncio.BufferedProtocol):
    """uvicorn makes one for each connection that it accepts."""

    __slots__ = (
        "_app_state", "_halted", "_linger", "_paused", "_protocol", "_read_bytes", "_reading", "_resting",
        "_sends_still", "_server_state", "_share", "_stall", "_transport", "_waiting", "config", "loop", "peer",
        "wanted_bytes",
    )  # fmt: skip

    def __init__(
        self,
        config: TransportConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.config = config
        self.loop = _loop or asyncio.get_running_loop()
        self.peer = ""
        self.wanted_bytes = 0
        """So many bytes of a body whose length is known have still to come."""
        self._server_state = server_state
        self._app_state = app_state
        self._protocol: asyncio.Protocol | None = None
        """``None`` once the peer was told to go."""
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # set when the connection is made
        self._reading = True
        self._share = Share()
        self._read_bytes = _MIN_READ_BYTES
        self._waiting = False
        """For its turn."""
        self._paused = False
        self._halted = False
        self._sends_still = False
        self._resting: asyncio.Handle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None

    # --- what the loop calls ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        address = transport.get_extra_info("peername")
        self.peer = address[0] if isinstance(address, tuple) else ""
        try:
            self.config.open.enter(self, self.loop.time())
        except SaystreamError as refusal:
            if self.config.open.is_told(self):
                self.hang_up(written(refusal))
            else:
                self._transport.write(written(refusal))
                self._transport.close()
            return
        self._protocol = self.config.first_protocol(
            config=self.config, server_state=self._server_state, app_state=self._app_state, _loop=self.loop
        )
        self._protocol.connection_made(LineTransport(self, self._transport))

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._protocol is None:
            return _large
        if self.wanted_bytes > self._read_bytes and not self.config.turns.crowded:
            return _large[: self.wanted_bytes]
        return self.config.read_buffer[: self._read_bytes]

    def buffer_updated(self, nbytes: int) -> None:
        if self._protocol is None:
            self._sends_still = True
            return
        buffer = self.get_buffer(nbytes)
        if nbytes >= len(buffer):
            self.rest()  # there is more: others first
        self.in_turn(partial(self._receive, bytes(buffer[:nbytes])))

    def _receive(self, data: bytes) -> None:
        if self._protocol is None:
            return
        began_s = self.loop.time()
        self._protocol.data_received(data)
        took_s = self.loop.time() - began_s
        fitting_bytes = int(len(data) * _READ_S / max(took_s, 1e-6))
        self._read_bytes = min(max(fitting_bytes, _MIN_READ_BYTES), len(self.config.read_buffer))

    def in_turn(self, handle: Callable[[], None], *, as_if_used_s: float = 0.0) -> None:
        """Call ``handle`` when this line's turn has come, and read nothing until then."""
        take_turn = partial(self._take_turn, handle)
        if self.config.turns.take(self._share, take_turn, as_if_used_s=as_if_used_s):
            return
        self._waiting = True
        self._read_or_not()

    def _take_turn(self, handle: Callable[[], None]) -> None:
        self._waiting = False
        handle()
        self._read_or_not()

    def eof_received(self) -> None:
        if self._protocol is not None:
            self._protocol.eof_received()
        self.close()

    def pause_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.pause_writing()
        self._watch_stall(None)

    def resume_writing(self) -> None:
        if self._stall is not None and not self._transport.is_closing():
            self._stall.cancel()
            self._stall = None
        if self._protocol is not None:
            self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.config.open.leave(self)
        self._server_state.connections.discard(self)
        for timer in (self._resting, self._stall, self._linger):
            if timer is not None:
                timer.cancel()
        if self._protocol is not None:
            self._protocol.connection_lost(exc)
            self._protocol = None

    # --- what its protocols ask for ---------------------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        return self._protocol is None or self._transport.is_closing()

    def speaks(self, protocol: asyncio.Protocol) -> bool:
        return self._protocol is protocol

    def speak(self, protocol: asyncio.Protocol) -> None:
        """``protocol`` takes over."""
        self._protocol = protocol

    def pause_reading(self) -> None:
        self._paused = True
        self._read_or_not()

    def resume_reading(self) -> None:
        self._paused = False
        self._read_or_not()

    def rest(self, pause_s: float = 0.0) -> None:
        """Read nothing for ``pause_s``, and at least until others had their turn."""
        if self._resting is not None:
            if not pause_s:
                return
            self._resting.cancel()
        if pause_s:
            self._resting = self.loop.call_later(pause_s, self._rested)
        else:
            self._resting = self.loop.call_soon(self._rested)
        self._read_or_not()

    def halt(self) -> None:
        """Read nothing more of what is meant for the protocol."""
        self._halted = True
        self._read_or_not()

    def _rested(self) -> None:
        self._resting = None
        self._read_or_not()

    def _read_or_not(self) -> None:
        reading = not (self._paused or self._halted or self._waiting or self._resting is not None)
        if reading is not self._reading and not self._transport.is_closing():
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def close(self) -> None:
        """Close as soon as the peer has read all; one that does not read is dropped."""
        self._transport.close()
        if self._stall is None and self._transport.get_write_buffer_size():
            self._watch_stall(None)

    def hang_up(self, answer: bytes = b"", *, half_close: bool = True) -> None:
        """Say ``answer``, then close as soon as the peer has had time to read it. The protocol is told that the
        connection is lost. With ``half_close`` the peer sees at once that nothing follows."""
        protocol, self._protocol = self._protocol, None
        if not self._transport.is_closing():
            if answer:
                self._transport.write(answer)
            if half_close:
                self._transport.write_eof()
            self._server_state.connections.add(self)  # type: ignore[arg-type]
            self.config.open.idle(self)
            first_s = _LINGER_S if half_close else _QUIET_S
            self._linger = self.loop.call_later(first_s, self._end_linger, self.loop.time() + _LINGER_S)
            self._paused = self._halted = False
            self._read_or_not()
        if protocol is not None:
            protocol.connection_lost(ConnectionAbortedError())

    def _end_linger(self, until_s: float) -> None:
        reads_still = self._stall is not None  # or is found to stall
        if reads_still or (self._sends_still and self.loop.time() < until_s):
            self._sends_still = False
            self._linger = self.loop.call_later(_QUIET_S, self._end_linger, until_s)
        else:
            self._transport.abort()

    # --- what its server asks for -----------------------------------------------------------------------------------

    def make_room(self) -> None:
        protocol, self._protocol = self._protocol, None
        self._transport.abort()
        if protocol is not None:
            protocol.connection_lost(ConnectionAbortedError())

    def shutdown(self) -> None:
        """The server stops while the peer was being told to go."""
        self._transport.abort()

    # --- a peer that does not read ----------------------------------------------------------------------------------

    def _watch_stall(self, waiting_bytes: int | None) -> None:
        """Called when writers pause, and from then on after each time-out until they go on."""
        now_bytes = self._transport.get_write_buffer_size()
        if waiting_bytes is not None and now_bytes > waiting_bytes - _PROGRESS_BYTES:
            _log.info("peer stalled", waiting_bytes=now_bytes)
            self._transport.abort()
            return
        self._stall = self.loop.call_later(self.config.send_stall_timeout_s, self._watch_stall, now_bytes)


class LineTransport(asyncio.Transport):
    """A line as its protocol sees it."""

    __slots__ = ("_transport", "line")

    def __init__(self, line: Line, transport: asyncio.Transport) -> None:
        self.line = line
        self._transport = transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.line.speak(cast("asyncio.Protocol", protocol))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.line.is_closing:
            self._transport.write(data)

    def pause_reading(self) -> None:
        self.line.pause_reading()

    def resume_reading(self) -> None:
        self.line.resume_reading()

    def is_closing(self) -> bool:
        return self.line.is_closing

    def close(self) -> None:
        if not self.line.is_closing:
            self.line.close()

    def abort(self) -> None:
        self._transport.abort()
