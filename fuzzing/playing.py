"""A server's connection without sockets or waiting: bytes are played into it, and time passes only when all wait.

The loop has a clock of its own. Where it would wait for a timer, that timer is due at once; where it would wait for
ever, nothing would ever happen again, and that is an error.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import selectors
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from uvicorn.server import ServerState

from saystream.config import Settings
from saystream.errors import SaystreamError
from saystream.server.runner import uvicorn_config
from saystream.server.transport.connections import Connections, Unfinished
from saystream.server.transport.line import Line
from saystream.server.transport.websocket import REFUSAL
from saystream.server.web.bodies import read_json_body

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from saystream.server.transport.config import TransportConfig

__all__ = ["END", "RESET", "SILENCE", "Peer", "play"]

_CLOSED_WITHIN_S = 400.0
"""Of a peer that says nothing more; the sum of all limits that may come one after the other."""
_IDLE_S = 60.0
SILENCE, END, RESET = range(3)
"""How a peer leaves."""
_SYSTEM_BUFFER_BYTES = 4096
_ANSWER = b"x" * 1500


class _NoSelector(selectors.SelectSelector):
    """Lets the time pass that the loop would wait."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("everything waits for something that will never happen")
        self.now_s += max(0.0, timeout)
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.clock = _NoSelector()
        super().__init__(self.clock)
        self.faults: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, fault: self.faults.append(fault))

    def time(self) -> float:
        return self.clock.now_s


class _Faults(logging.Handler):
    """Keeps what uvicorn reports as an error: no peer may cause one."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class _Socket:
    """What is asked of one."""

    def setsockopt(self, *_: Any) -> None:
        pass

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 5000

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 80


_SOCKET = _Socket()


class Peer(asyncio.Transport):
    """The other end, and the transport that leads to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, line: Line, *, reads: bool = True) -> None:
        super().__init__()
        self._loop = loop
        self._line = line
        self._reads = reads
        self.received = bytearray()
        self.ready = asyncio.Event()
        """Set while the server reads."""
        self.ready.set()
        self.closed = asyncio.Event()
        self._closing = False
        self._is_lost = False
        self._full = False
        self._high_water = 0

    async def send(self, stream: bytes) -> None:
        while stream and not self._closing:
            await self._until_ready()
            if self._closing:
                return
            buffer = self._line.get_buffer(-1)
            part, stream = stream[: len(buffer)], stream[len(buffer) :]
            buffer[: len(part)] = part
            self._line.buffer_updated(len(part))
            await asyncio.sleep(0)

    async def _until_ready(self) -> None:
        if not self.ready.is_set():
            async with asyncio.timeout(_CLOSED_WITHIN_S):
                await self.ready.wait()

    def end(self) -> None:
        """Send no more, which may be the end of the stream."""
        if not self._closing:
            self._line.eof_received()
            self.close()

    def lose(self, error: Exception | None = None) -> None:
        self._closing = True
        self.ready.set()
        if not self._is_lost:
            self._is_lost = True
            self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        self._line.connection_lost(error)
        self.closed.set()

    # What a line asks of its transport.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        known = {"socket": _SOCKET, "peername": _SOCKET.getpeername(), "sockname": _SOCKET.getsockname()}
        return known.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_water = high or 0

    def get_write_buffer_size(self) -> int:
        """What the operating system has not taken yet."""
        return 0 if self._reads else max(0, len(self.received) - _SYSTEM_BUFFER_BYTES)

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._closing, "nothing is written after the end"
        self.received += data
        if not self._full and self.get_write_buffer_size() > self._high_water:
            self._full = True
            self._line.pause_writing()

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.ready.clear()

    def resume_reading(self) -> None:
        self.ready.set()

    def close(self) -> None:
        if not self.get_write_buffer_size():
            self.lose()
        else:  # once all is sent, which never happens: the line has to see to it
            self._closing = True
            self.ready.set()

    def abort(self) -> None:
        self.lose()


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await _speak_websocket(receive, send)
        return
    status = 200
    try:
        await read_json_body(Request(scope, receive), max_bytes=2000, timeout_s=30.0)
    except SaystreamError as refusal:
        status = refusal.http_status
    except ClientDisconnect:
        return
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": _ANSWER})


async def _speak_websocket(receive: Receive, send: Send) -> None:
    """As a door does: answers each message, and closes for a refusal or after a silence."""
    message: Message = await receive()
    assert message["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    code = 1000
    while True:
        try:
            async with asyncio.timeout(_IDLE_S):
                message = await receive()
        except TimeoutError:
            break
        if message["type"] == "websocket.disconnect":
            return
        if REFUSAL in message:
            code = message[REFUSAL].close_code or 1008
            break
        await send({"type": "websocket.send", "text": _ANSWER.decode()})
    await send({"type": "websocket.close", "code": code, "reason": "over"})


_loop = _Loop()
atexit.register(_loop.close)
_reported = _Faults()


def _made_config() -> TransportConfig:
    config = uvicorn_config(_app, Settings(data_dir="/nonexistent"))
    config.limits = config.limits.model_copy(
        update={"max_frame_bytes": 2000, "max_head_bytes": 1500, "max_line_bytes": 500, "max_headers": 20}
    )
    config.ws_max_size = 2000
    config.load()
    return config


_config = _made_config()


def play(parts: Iterable[bytes], *, ends: int, reads: bool) -> bytes:
    """What the server answers to ``parts``. ``ends`` is how the peer leaves; it may never read what it is sent.

    Raises AssertionError if anything of the connection is left, or anything was reported as an error.
    """
    limits = _config.limits
    _config.open = Connections(max_connections=limits.max_connections, max_per_peer=None)
    _config.unfinished = Unfinished(limits.max_unfinished_bytes)
    logging.getLogger("uvicorn.error").addHandler(_reported)
    state = ServerState()
    try:
        answer = _loop.run_until_complete(_play(parts, state, ends=ends, reads=reads))
    finally:
        logging.getLogger("uvicorn.error").removeHandler(_reported)
        faults, _loop.faults = _loop.faults, []
        records, _reported.records = _reported.records, []
    assert not faults, faults
    assert not records, [record.getMessage() for record in records]
    assert not state.connections
    assert not state.tasks
    assert not len(_config.open)
    assert not _config.unfinished.num_bytes
    return answer


async def _play(parts: Iterable[bytes], state: ServerState, *, ends: int, reads: bool) -> bytes:
    loop = asyncio.get_running_loop()
    line = Line(_config, state, {}, loop)
    peer = Peer(loop, line, reads=reads)
    line.connection_made(peer)
    for part in parts:
        await peer.send(part)
    if ends == END:
        peer.end()
    elif ends == RESET:
        peer.lose(ConnectionResetError())
    async with asyncio.timeout(_CLOSED_WITHIN_S):
        await peer.closed.wait()
        await asyncio.gather(*state.tasks)
    return bytes(peer.received)
