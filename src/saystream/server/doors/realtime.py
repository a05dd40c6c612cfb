"""The realtime door: who may connect, and what becomes of the connections when the server stops."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from saystream.errors import Draining, LimitReached, SaystreamError
from saystream.server.doors.realtime_connection import Connection, model_of
from saystream.server.web.faults import error_answer

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from saystream.catalog import Catalog
    from saystream.server.access.auth import Authenticator, Principal
    from saystream.server.access.limits import Admission, Limiter
    from saystream.server.accounting.metrics import Metrics
    from saystream.server.accounting.usage import UsageRecorder
    from saystream.speech.synthesizer import Synthesizer

__all__ = ["PATH", "RealtimeDoor"]

PATH = "/api-ws/v1/realtime"

_FAREWELL_S = 2.0
"""Where the time to drain is over, how long connections have to send why they are closed."""

_log = structlog.get_logger(__name__)


class RealtimeDoor:
    """All realtime connections of one process."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        *,
        catalog: Catalog,
        authenticator: Authenticator,
        limiter: Limiter,
        metrics: Metrics,
        usage: UsageRecorder,
    ) -> None:
        self.synthesizer = synthesizer
        self.settings = synthesizer.settings
        self.catalog = catalog
        self.metrics = metrics
        self.limiter = limiter
        self.usage = usage
        self._authenticator = authenticator
        self._connections: set[Connection] = set()
        self._left = asyncio.Event()
        """A connection has ended."""
        self.draining = False

    async def serve(self, websocket: WebSocket) -> None:
        """One connection, from its handshake to its close."""
        try:
            principal, admission = await self._admit(websocket)
        except SaystreamError as error:
            self.metrics.refused.labels(error.code).inc()
            _log.info("handshake refused", code=error.code)
            await websocket.send_denial_response(error_answer(error, PATH))
            return
        with admission:
            connection = Connection(self, websocket, principal)
            self._connections.add(connection)
            self.metrics.sessions.inc()
            try:
                await connection.run()
            finally:
                self._connections.discard(connection)
                self._left.set()
                self.metrics.sessions.dec()

    async def drain(self, timeout_s: float) -> None:
        """Take no new connection; let open ones speak to their end, at most for ``timeout_s``."""
        self.draining = True
        for connection in list(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(timeout_s):
                await self._until_empty()
        except TimeoutError:
            for connection in list(self._connections):
                connection.fail(Draining("the server stops now"))
            with suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_S):
                    await self._until_empty()

    async def _until_empty(self) -> None:
        while self._connections:
            self._left.clear()
            await self._left.wait()

    async def _admit(self, websocket: WebSocket) -> tuple[Principal, Admission]:
        principal = await self._authenticator.authenticate(websocket.headers)
        self._check_room()
        admission = await self.limiter.admit(principal, model_of(websocket))
        try:
            self._check_room()  # others came meanwhile
        except SaystreamError:
            admission.release()
            raise
        return principal, admission

    def _check_room(self) -> None:
        if self.draining:
            raise Draining("the server is about to stop and takes no new sessions")
        limit = self.settings.limits.max_sessions
        if len(self._connections) >= limit:
            raise LimitReached(f"all {limit} sessions of this server are taken")
