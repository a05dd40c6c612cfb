"""What the protocol classes of one server share."""

from __future__ import annotations

import asyncio
import time
from contextvars import Context
from typing import TYPE_CHECKING, Any

import uvicorn

from saystream.server.transport.connections import Connections, Unfinished
from saystream.server.transport.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from saystream.config import Settings

__all__ = ["TransportConfig"]

_READ_BYTES = 4096
"""Read at once from one socket, at most. Before it is read again, all others have their turn, and a paused one holds no
more."""


class TransportConfig(uvicorn.Config):
    """uvicorn hands its configuration to each protocol it makes."""

    def __init__(
        self,
        app: Any,
        settings: Settings,
        *,
        first_protocol: Callable[..., asyncio.Protocol],
        max_connections: int | None = None,
        **options: Any,
    ) -> None:
        """``first_protocol`` is spoken on each line to begin with. ``max_connections`` is how many the descriptors of
        the process allow, if that is less than the setting."""
        limits = settings.limits
        super().__init__(
            app,
            host=settings.host,
            port=settings.port,
            ws_max_size=limits.max_frame_bytes,
            **options,
        )
        self.timeout_keep_alive = limits.keep_alive_timeout_s  # type: ignore[assignment]  # any number of seconds does
        self.first_protocol = first_protocol
        self.limits = limits
        self.send_stall_timeout_s = settings.realtime.send_stall_timeout_s
        self.open = Connections(
            max_connections=limits.max_connections if max_connections is None else max_connections,
            max_per_peer=limits.max_connections_per_peer,
        )
        self.unfinished = Unfinished(limits.max_unfinished_bytes)
        self.turns = Turns(time.perf_counter, _call_soon)
        self.read_buffer = memoryview(bytearray(_READ_BYTES))
        """All sockets are read into it: a read is taken out of it at once."""


def _call_soon(callback: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(callback, context=Context())  # not that of one connection
