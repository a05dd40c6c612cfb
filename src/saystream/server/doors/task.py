"""The task door: CosyVoice and Sambert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saystream.server.doors.socket_connection import SocketDoor
from saystream.server.doors.task_connection import TaskConnection

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from saystream.server.access.room import Place

__all__ = ["PATH", "TaskDoor"]

PATH = "/api-ws/v1/inference"


class TaskDoor(SocketDoor):
    """All connections of the task protocol of one process.

    A connection stands: each of its tasks takes a place. Clients keep pools of connections that are silent most of the
    time, and a place for each would fill the server with nobody speaking. What a silent one costs is limited by
    ``limits.max_connections``, by which the one that has been idle longest is closed for a new one.
    """

    name = "task"
    path = PATH
    stands = True

    def connection(self, websocket: WebSocket, place: Place) -> TaskConnection:
        """A connection on which tasks can be run."""
        return TaskConnection(self.services, websocket, place, account=self.account)
