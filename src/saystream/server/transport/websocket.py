"""WebSocket of uvicorn and websockets, with limits on messages that are not whole and on what a second may bring."""

from __future__ import annotations

import asyncio
import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CTRL_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from saystream.errors import (
    FrameTimedOut,
    FrameTooLarge,
    MalformedRequest,
    Overloaded,
    SaystreamError,
    TooManyControlFrames,
)
from saystream.server.transport.budgets import Budget
from saystream.server.transport.line import LineTransport, written

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from uvicorn._types import ASGISendEvent
    from uvicorn.server import ServerState

    from saystream.server.transport.config import TransportConfig

__all__ = ["REFUSAL", "WebSocketProtocol", "together"]

REFUSAL = "saystream.refusal"
"""A message from ``receive`` that has this key holds the error for which the door should close the connection: the door
can still say in its own protocol what was wrong. Nothing else is received after it."""

_BEFORE = "saystream.before"
"""A message to ``send`` that has this key holds frames to be sent before its own."""

_FAREWELL_S = 15.0
"""How long a peer may take, after its session has ended, to read the rest and answer the close; uvicorn closes after
10 s."""


_Utf8Decoder = codecs.getincrementaldecoder("utf-8")


def together(frames: Sequence[str | bytes]) -> dict[str, Any]:
    """The message to ``send`` that sends all ``frames``, of which there is at least one, with a single write: each
    costs the server and its client as much as 2 kB of sound."""
    *before, last = frames
    message = {"type": "websocket.send", "text" if isinstance(last, str) else "bytes": last}
    return {**message, _BEFORE: before} if before else message


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Reads no more than its budgets allow, and does not wait forever for a peer to read what is left for it."""

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
        limits, now_s = config.limits, self.loop.time()
        self.conn = self._frames = _Frames(limits.max_frame_bytes, self.logger)
        self._frame_budget = Budget(limits.max_frames_per_second, now_s)
        self._byte_budget = Budget(limits.max_bytes_per_second, now_s)
        self._control_budget = Budget(limits.max_control_frames_per_second, now_s)
        self._unfinished_timer: asyncio.TimerHandle | None = None
        self._pong = b""
        """For a peer that does not read: the last one, once it reads (RFC 6455, section 5.5.3)."""
        self._refused = False
        self._farewell: asyncio.TimerHandle | None = None

    # --- what arrives -----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self.conn.receive_data(data)
        if self.conn.parser_exc is not None and self._frames.too_large is None:
            self.handle_parser_exception()
            return
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            output = b"".join(self.conn.data_to_send())
            self.transport.line.hang_up(output or written(MalformedRequest("The handshake is malformed.")))
            return
        self.handle_events()
        if not self._refused:
            self._count(len(data))

    def _count(self, num_bytes: int) -> None:
        """Refuse or slow down what has just arrived."""
        frames, now_s = self._frames, self.loop.time()
        if frames.too_large is not None:
            self._refuse(FrameTooLarge(frames.too_large))
            return
        arrived = frames.take_arrived()
        if arrived.control_frames and self._control_budget.spend(arrived.control_frames, now_s):
            most = self.config.limits.max_control_frames_per_second
            self._refuse(TooManyControlFrames(f"More than {most:g} pings or pongs a second came."))
            return
        owed_s = self._frame_budget.spend(arrived.data_frames, now_s)
        owed_s = max(owed_s, self._byte_budget.spend(num_bytes, now_s))
        if owed_s:
            self.transport.line.rest(owed_s)
        if arrived.messages and self._unfinished_timer is not None:
            self._let_go()
        if (num_unfinished := frames.num_unfinished) > 0:
            self._hold(num_unfinished)

    def _hold(self, num_bytes: int) -> None:
        if self._unfinished_timer is None:
            limit_s = self.config.limits.body_timeout_s
            self._unfinished_timer = self.loop.call_later(limit_s, self._unfinished_too_long, limit_s)
        try:
            self.config.unfinished.hold(self, num_bytes)
        except Overloaded as overload:
            self._refuse(overload)

    def _let_go(self) -> None:
        self.config.unfinished.hold(self, 0)
        if self._unfinished_timer is not None:
            self._unfinished_timer.cancel()
            self._unfinished_timer = None

    def _unfinished_too_long(self, limit_s: float) -> None:
        self._refuse(FrameTimedOut(f"A message did not arrive whole within {limit_s:g} s."))

    def _refuse(self, error: SaystreamError) -> None:
        """Receive nothing more; the door closes."""
        if self.close_sent:
            self.transport.abort()
            return
        self._refused = True
        self._let_go()
        self._frames.drop()
        self.frames = []
        self.transport.line.halt()
        message: Any = {"type": "websocket.receive", "text": None, REFUSAL: error}
        self.queue.put_nowait(message)

    def handle_ping(self) -> None:
        pongs = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        elif pongs:
            self._pong = pongs[-1]

    def handle_parser_exception(self) -> None:
        """The peer does not speak WebSocket; it may still read why it is closed."""
        self.close_sent = True
        if self.conn.state is State.CONNECTING:
            early = MalformedRequest("Frames came before the handshake was answered, and are malformed.")
            self.transport.line.hang_up(written(early))
        else:
            self.transport.line.hang_up(b"".join(self.conn.data_to_send()), half_close=False)

    # --- what leaves ------------------------------------------------------------------------------------------------

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._pong and not self.close_sent:
            self.transport.write(self._pong)
        self._pong = b""

    async def send(self, message: ASGISendEvent) -> None:
        await self.writable.wait()
        if self.close_sent and message["type"] == "websocket.send":
            raise ClientDisconnected  # closed before its door learnt of it
        if self.conn.state is State.OPEN:
            for frame in cast("dict[str, Any]", message).get(_BEFORE, ()):
                if isinstance(frame, str):
                    self.conn.send_text(frame.encode())
                else:
                    self.conn.send_binary(frame)
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # else an orderly refusal is logged as an error
        if message["type"] == "websocket.close" and self._refused:
            self.transport.line.hang_up(half_close=False)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if not self.writable.is_set():
            self.transport.abort()
        elif not self.disconnected:
            self._farewell = self.loop.call_later(_FAREWELL_S, self.transport.abort)

    def shutdown(self) -> None:
        if self.handshake_complete and not self.close_sent and self.conn.state is not State.OPEN:
            self.transport.close()  # the peer closes already
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._let_go()
        if self._farewell is not None:
            self._farewell.cancel()


@dataclass(slots=True)
class _Arrived:
    data_frames: int = 0
    control_frames: int = 0
    messages: int = 0
    """Whole ones."""


class _Frames(ServerProtocol):
    """Counts frames, and leaves it to its owner to close for one that is too large.

    Where websockets differs from Autobahn's suite: a peer may close in the middle of its message, and text that is not
    UTF-8 fails with the frame that shows it, not with the end of the message.
    """

    def __init__(self, max_message_bytes: int, logger: Any) -> None:
        super().__init__(max_size=max_message_bytes, logger=logger)
        self.too_large: str | None = None
        """Says which frame was."""
        self._arrived = _Arrived()
        self._text: codecs.IncrementalDecoder | None = None
        """Of the text message that is arriving."""

    @property
    def num_unfinished(self) -> int:
        """Bytes of a message that is not whole, and at least one if it has begun."""
        begun = 0 if self.current_size is None else self.current_size + 1
        return begun + len(self.reader.buffer)

    def take_arrived(self) -> _Arrived:
        """What has arrived since the last call."""
        arrived, self._arrived = self._arrived, _Arrived()
        return arrived

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode in CTRL_OPCODES:
            self._arrived.control_frames += 1
            if frame.opcode is Opcode.CLOSE:
                self.current_size = None  # what has come of a message is void
        else:
            self._arrived.data_frames += 1
            self._arrived.messages += frame.fin
            self._check_text(frame)
        super().recv_frame(frame)

    def _check_text(self, frame: Frame) -> None:
        """Raises UnicodeDecodeError, for which the parser closes with 1007."""
        if frame.opcode is Opcode.TEXT:
            self._text = _Utf8Decoder()
        if self._text is not None:
            self._text.decode(frame.data, frame.fin)
        if frame.fin:
            self._text = None

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        if code == CloseCode.MESSAGE_TOO_BIG and self.state is State.OPEN:
            self.too_large = f"A {reason}."
            self.drop()
        else:
            super().fail(code, reason)

    def drop(self) -> None:
        """Parse nothing more."""
        self.parser = self._drop_all()
        next(self.parser)

    def _drop_all(self) -> Generator[None]:
        while True:
            self.reader.discard()
            yield
