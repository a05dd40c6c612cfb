"""What the connections of all doors for WebSockets share: their tasks, their frames, their time-outs and their end.

Several tasks serve a connection. The reader receives frames and acts on them at once: it never waits for synthesis or
for the peer to read. The speakers take audio from the spine, and wait while the outbox is full. The sender sends what
is in the outbox.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from saystream.errors import Draining, SaystreamError, ServerFault
from saystream.server.doors.base import Door, peer_of
from saystream.server.transport.websocket import REFUSAL, together
from saystream.server.web.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from starlette.types import Message
    from starlette.websockets import WebSocket

    from saystream.errors import InvalidRequest
    from saystream.protocol.close import Close
    from saystream.server.access.auth import Principal
    from saystream.server.access.room import Place

__all__ = ["SocketConnection", "SocketDoor"]

_FRAMES_BEFORE_YIELD = 16
"""Frames that arrived in one read are handled without waiting; after this many, other tasks get a turn."""

_log = structlog.get_logger(__name__)


class SocketConnection(ABC):
    """One connection, from its accepted handshake to its close."""

    def __init__(
        self, websocket: WebSocket, *, idle_timeout_s: float, outbox_high_bytes: int, outbox_low_bytes: int
    ) -> None:
        """A connection on which nothing happens for ``idle_timeout_s`` is closed; the others are of its ``Outbox``."""
        self._websocket = websocket
        self._idle_timeout_s = idle_timeout_s
        self._outbox = Outbox(high_bytes=outbox_high_bytes, low_bytes=outbox_low_bytes)
        self._last_active_s = time.monotonic()
        self._draining = False
        self._expelled: InvalidRequest | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    # --- what each protocol does in its own way --------------------------------------------------------------------

    @property
    @abstractmethod
    def _close(self) -> Close | None:
        """How the connection should be closed once everything is sent."""

    @property
    @abstractmethod
    def _is_speaking(self) -> bool:
        """Whether audio is on its way to the peer: then the connection is not idle, however long nothing comes."""

    @abstractmethod
    def _open(self) -> Mapping[str, str]:
        """Begin: the handshake was accepted. Returns what the lines of the log should have."""

    def _speak(self) -> Coroutine[Any, Any, None] | None:
        """Work that goes on as long as the connection, beside the reading."""
        return None

    @abstractmethod
    async def _obey(self, frame: str | None) -> None:
        """Act on a frame; ``None`` is a binary one."""

    @abstractmethod
    def fail(self, fault: SaystreamError) -> None:
        """Report what went wrong, then close."""

    @abstractmethod
    def _shut(self, code: int, reason: str) -> None:
        """Close, with nothing left to be reported."""

    @abstractmethod
    def _frames(self) -> list[str | bytes]:
        """Take what is to be sent."""

    @abstractmethod
    def _close_if_due(self) -> None:
        """Close if the connection is to end, by a drain or an expulsion, and has nothing to finish before."""

    @abstractmethod
    def _leave(self) -> None:
        """The connection has ended: account for what was being spoken, and free the engines."""

    # --- the room --------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Close once nothing is left to be spoken."""
        self._draining = True
        self._close_if_due()

    def cut_off(self) -> None:
        """Close at once, giving the reason."""
        self.fail(Draining("the server is shutting down"))

    def expel(self, why: InvalidRequest) -> None:
        """Take no more text and begin no new response; close once the open one has ended."""
        self._expelled = why
        self._close_if_due()

    # --- life ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the connection until it is closed."""
        try:
            await self._websocket.accept()
        except (OSError, WebSocketDisconnect):
            _log.info("peer gone")
            return
        with structlog.contextvars.bound_contextvars(**self._open()):
            _log.info("session opened")
            try:
                async with asyncio.TaskGroup() as self._group:
                    self._work(self._read())
                    if (speech := self._speak()) is not None:
                        self._work(speech)
                    await self._send()
                    for worker in self._workers:
                        worker.cancel()
            except* WebSocketDisconnect:
                _log.info("peer gone")
            finally:
                self._group = None
                self._leave()
            _log.info("session closed")

    def _work(self, task: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``task`` beside the others, until it or the connection ends."""
        assert self._group is not None
        worker = self._group.create_task(self._answering_for(task))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)
        worker.add_done_callback(lambda _: task.close())  # one that is cancelled before its first step
        return worker

    def _mark_active(self) -> None:
        """Something happened: the connection is idle from now on, not from before."""
        self._last_active_s = time.monotonic()

    async def _answering_for(self, task: Coroutine[Any, Any, None]) -> None:
        """Run ``task``; a bug of ours must not leave the peer without an answer."""
        try:
            await task
        except WebSocketDisconnect:
            raise
        except Exception:
            _log.exception("connection failed")
            self.fail(ServerFault("a server error; the log has the details"))

    def _flush(self, *, audio_of: str = "") -> None:
        self._outbox.put(self._frames(), audio_of=audio_of)
        if self._close is not None:
            self._outbox.close()

    # --- the sender ------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while frames := await self._outbox.take():
            await self._websocket.send(together(frames))
        close = self._close
        assert close is not None  # only a close ends the outbox
        await asyncio.sleep(self._linger_s())
        await self._websocket.close(close.code, close.reason)

    def _linger_s(self) -> float:
        """How long to wait before the close."""
        return 0.0

    # --- the reader ------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        since_yield = 0
        while (message := await self._receive()) is not None:
            self._mark_active()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1006), message.get("reason"))
            refusal: SaystreamError | None = message.get(REFUSAL)
            if refusal is not None:
                self.fail(refusal)
            else:
                await self._obey(message.get("text"))
                self._flush()
            await self._outbox.answerable()
            since_yield += 1
            if since_yield >= _FRAMES_BEFORE_YIELD:
                since_yield = 0
                await asyncio.sleep(0)

    async def _receive(self) -> Message | None:
        """The next message; ``None`` once the connection should close, also when none came for a while."""
        while self._close is None:
            try:
                async with asyncio.timeout(self._idle_left_s()):
                    return await self._websocket.receive()
            except TimeoutError:
                if self._idle_left_s() <= 0:
                    self._shut(1000, f"idle for {self._idle_timeout_s:g} s")
                    self._flush()
        return None

    def _idle_left_s(self) -> float:
        if self._is_speaking or len(self._outbox) > 0:
            return self._idle_timeout_s
        return self._last_active_s + self._idle_timeout_s - time.monotonic()


class SocketDoor(Door):
    """A door whose clients connect by WebSocket."""

    path: ClassVar[str]
    stands: ClassVar[bool] = False
    """A connection takes no place: what is spoken on it does."""

    async def enter(self, principal: Principal, websocket: WebSocket) -> Place:
        """A place for the connection. Raises what the room raises."""
        return self.services.room.stand(principal)

    @abstractmethod
    def connection(self, websocket: WebSocket, place: Place) -> SocketConnection:
        """What serves the connection, which is not accepted yet."""

    def routes(self) -> tuple[WebSocketRoute, ...]:
        return (WebSocketRoute(self.path, self.serve),)

    async def serve(self, websocket: WebSocket) -> None:
        """One connection, from its handshake to its close."""
        metrics = self.services.metrics
        try:
            principal = await self.services.room.authenticate(
                websocket.headers, peer_of(websocket), stands=self.stands
            )
            place = await self.enter(principal, websocket)
        except SaystreamError as error:
            metrics.refused.labels(error.code).inc()
            _log.info("handshake refused", code=error.code)
            try:
                await websocket.send_denial_response(self.errors.answer(error))
            except (OSError, WebSocketDisconnect):
                _log.info("peer gone")
            return
        with place:
            connection = self.connection(websocket, place)
            place.seat(connection)
            metrics.sessions.inc()
            try:
                await connection.run()
            finally:
                metrics.sessions.dec()
