"""Runs the application in uvicorn, and ends it without cutting anybody off."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import structlog
import uvicorn

from saystream.server.app import create_app
from saystream.server.auth import check_binding
from saystream.server.keys import KeyStore
from saystream.server.store import open_store

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

    from saystream.config import Settings

__all__ = ["run_server"]

_MAX_LIBRARY_FRAME_BYTES = 16 << 20
"""Above this the WebSocket library itself closes with 1009. Below it, and above our own limit, the core can still say
what was wrong before it closes."""

_log = structlog.get_logger(__name__)


def run_server(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let open sessions speak to their end; a second signal ends at once.

    Raises :class:`~saystream.errors.ConfigurationError` when the settings would open the server to a network without
    keys.
    """
    asyncio.run(_check(settings))
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ws="websockets-sansio",
        ws_max_size=_MAX_LIBRARY_FRAME_BYTES,
        # Base64 audio compresses to half, for fifty times the CPU of a frame (docs/topics/architecture.md).
        ws_per_message_deflate=False,
        # A slow reader is under back-pressure, not dead; the idle and stall limits find those who are gone.
        ws_ping_interval=None,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    _Server(config, app, settings).run()


async def _check(settings: Settings) -> None:
    async with open_store(settings) as engine:
        await check_binding(settings.host, KeyStore(engine), settings.allow_anonymous)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: Starlette, settings: Settings) -> None:
        super().__init__(config)
        self._app = app
        self._settings = settings
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                _log.info("listening", host=host, port=port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is None or self._draining is not None:
            super().handle_exit(sig, frame)
            return
        self._loop.call_soon_threadsafe(self._start_drain)

    def _start_drain(self) -> None:
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        _log.info("draining", timeout_s=self._settings.drain_timeout_s)
        await self._app.state.door.drain(self._settings.drain_timeout_s)
        self.should_exit = True
