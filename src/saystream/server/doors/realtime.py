"""The realtime door: who may connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from saystream.errors import SaystreamError
from saystream.server.doors.base import Door, peer_of
from saystream.server.doors.realtime_connection import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

__all__ = ["PATH", "RealtimeDoor"]

PATH = "/api-ws/v1/realtime"

_log = structlog.get_logger(__name__)


class RealtimeDoor(Door):
    """All realtime connections of one process."""

    name = "realtime"

    def routes(self) -> Sequence[BaseRoute]:
        return (WebSocketRoute(PATH, self.serve),)

    async def serve(self, websocket: WebSocket) -> None:
        """One connection, from its handshake to its close."""
        room, metrics = self.services.room, self.services.metrics
        model = websocket.query_params.get("model", "")
        try:
            principal = await room.authenticate(websocket.headers, peer_of(websocket))
            place = await room.admit(principal, model)
        except SaystreamError as error:
            metrics.refused.labels(error.code).inc()
            _log.info("handshake refused", code=error.code)
            try:
                await websocket.send_denial_response(self.errors.answer(error))
            except (OSError, WebSocketDisconnect):
                _log.info("peer gone")
            return
        with place:
            connection = Connection(self.services, websocket, place, model, self.account(principal))
            place.seat(connection)
            metrics.sessions.inc()
            try:
                await connection.run()
            finally:
                metrics.sessions.dec()
