"""The realtime door: who may connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saystream.server.doors.realtime_connection import Connection
from saystream.server.doors.socket_connection import SocketDoor

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from saystream.server.access.auth import Principal
    from saystream.server.access.room import Place

__all__ = ["PATH", "RealtimeDoor"]

PATH = "/api-ws/v1/realtime"


class RealtimeDoor(SocketDoor):
    """All realtime connections of one process."""

    name = "realtime"
    path = PATH

    async def enter(self, principal: Principal, websocket: WebSocket) -> Place:
        """A place for a session of the model in the URL."""
        return await self.services.room.admit(principal, websocket.query_params.get("model", ""))

    def connection(self, websocket: WebSocket, place: Place) -> Connection:
        """A connection whose every session speaks with that model."""
        return Connection(self.services, websocket, place, place.model or "", self.account(place.principal))
