"""Runs the application in uvicorn, and stops it without cutting anyone off."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from contextvars import Context
from typing import TYPE_CHECKING, cast

import structlog
import uvicorn

from saystream.errors import ConfigurationError, SaystreamError
from saystream.server.access.auth import check_binding
from saystream.server.access.keys import KeyStore
from saystream.server.app import create_app
from saystream.server.running import announced
from saystream.server.stopping import STOPPED_AFTER_S, end_process_in, heed_signals_from_now
from saystream.server.transport.config import TransportConfig
from saystream.server.transport.descriptors import budget_connections
from saystream.server.transport.http import HttpProtocol
from saystream.server.transport.line import Line
from saystream.server.transport.websocket import WebSocketProtocol
from saystream.storage import open_store

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from saystream.config import Settings
    from saystream.server.doors.base import Services

__all__ = ["run_server", "uvicorn_config"]

_BACKLOG = 256
"""Connections that the operating system accepts for us; all of them may be handed over at once, before one is counted.
They have descriptors in reserve (``transport/descriptors.py``)."""

_SHUTDOWN_TIMEOUT_S = 0.5
"""Draining is over by then: everything still open has been told to close."""

_log = structlog.get_logger(__name__)


def run_server(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let open sessions finish speaking; a second signal stops at once.

    After the first signal the process ends within ``drain_timeout_s`` and 3 s, with code 0, whatever hangs.

    Raises :class:`~saystream.errors.ConfigurationError` when the settings would open the server to a network without
    keys, :class:`~saystream.errors.EngineUnavailable` when there is no engine to speak.
    """
    heed_signals_from_now()
    asyncio.run(_check(settings))
    app = create_app(settings)
    start = _Start(app)
    try:
        config = uvicorn_config(start, settings, max_connections=budget_connections(settings))
        _Server(config, app, settings).run(_both_families(settings))
    except SystemExit:
        if start.error is not None:
            raise start.error from None
        raise


def uvicorn_config(
    app: ASGIApp, settings: Settings, *, max_connections: int | None = None
) -> TransportConfig:
    """How the application is served. ``max_connections`` is how many the descriptors of the process allow."""
    return TransportConfig(
        app,
        settings,
        max_connections=max_connections,
        http=Line,
        first_protocol=HttpProtocol,
        ws=WebSocketProtocol,
        # Base64 audio compresses to half its size, at fifty times the CPU time (docs/topics/architecture.md).
        ws_per_message_deflate=False,
        # A slow reader is under back-pressure, not dead; the idle and stall limits find peers that are gone.
        ws_ping_interval=None,
        backlog=_BACKLOG,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # web/forwarded.py
        server_header=False,
        timeout_graceful_shutdown=cast(int, _SHUTDOWN_TIMEOUT_S),  # any number of seconds does
    )


def _both_families(settings: Settings) -> list[socket.socket] | None:
    """For the host ``::`` one socket for IPv6 and IPv4, as other servers have it; asyncio makes one for IPv6 alone.

    Raises ConfigurationError if the port cannot be had.
    """
    if settings.host != "::":
        return None
    try:
        return [
            socket.create_server(
                ("::", settings.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
            )
        ]
    except OSError as error:
        raise ConfigurationError(f"cannot listen on port {settings.port}: {error}", param="port") from error


class _Start:
    """The application. It keeps an error of ours that stops its start, which uvicorn would log as a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.error: SaystreamError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failure: Message | None = None

        async def hold_failure(message: Message) -> None:
            nonlocal failure
            if message["type"] == "lifespan.startup.failed":
                failure = message
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold_failure)
        except BaseException as error:
            if failure is not None and isinstance(error, SaystreamError):
                self.error = error
                failure["message"] = ""
            raise
        finally:
            if failure is not None:
                await send(failure)


async def _check(settings: Settings) -> None:
    async with open_store(settings) as engine:
        await check_binding(settings.host, KeyStore(engine), settings.allow_anonymous)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: Starlette, settings: Settings) -> None:
        super().__init__(config)
        self._app = app
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        """Set while sessions can be open."""
        self._told_to_stop = False
        self._draining: asyncio.Task[None] | None = None
        self._announcement = ExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._loop = asyncio.get_running_loop()
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                _log.info("listening", host=host, port=port)
                self._announcement.enter_context(announced(self._settings, port))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._announcement.close()
        await super().shutdown(sockets=sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._told_to_stop:
            super().handle_exit(sig, frame)
            return
        self._told_to_stop = True
        if self._loop is None:
            end_process_in(STOPPED_AFTER_S, lambda: 0)
            self.should_exit = True
            return
        end_process_in(self._settings.drain_timeout_s + STOPPED_AFTER_S, self._num_rows_waiting)
        # Not in the context of the session that the signal interrupted.
        self._loop.call_soon_threadsafe(self._start_drain, context=Context())

    def _num_rows_waiting(self) -> int:
        services: Services = self._app.state.services
        return services.usage.num_waiting

    def _start_drain(self) -> None:
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        _log.info("draining", timeout_s=self._settings.drain_timeout_s)
        self._announcement.close()
        try:
            await self._app.state.services.room.drain(self._settings.drain_timeout_s)
        finally:
            self.should_exit = True
