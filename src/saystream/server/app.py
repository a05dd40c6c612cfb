"""The ASGI application: every door and the process's life around them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from saystream import __version__, catalog
from saystream.server.auth import Authenticator
from saystream.server.keys import KeyStore
from saystream.server.metrics import Metrics
from saystream.server.realtime import PATH, RealtimeDoor
from saystream.server.store import open_store
from saystream.synthesis import Synthesizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from saystream.config import Settings

__all__ = ["create_app"]

_log = structlog.get_logger(__name__)


def create_app(settings: Settings) -> Starlette:
    """The server as an ASGI application. Its state holds the ``door`` while it runs."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_store(settings) as engine, Synthesizer.running(settings) as synthesizer:
            metrics = Metrics(synthesizer.pool)
            app.state.door = RealtimeDoor(
                synthesizer,
                catalog=catalog.load(),
                authenticator=Authenticator(KeyStore(engine)),
                metrics=metrics,
            )
            app.state.metrics = metrics
            _log.info("ready", version=__version__, engine=settings.engine)
            yield

    async def realtime(websocket: WebSocket) -> None:
        await app.state.door.serve(websocket)

    routes = [
        WebSocketRoute(PATH, realtime),
        Route("/healthz", _healthz),
        Route("/readyz", _readyz),
        Route("/metrics", _metrics),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    return app


async def _healthz(request: Request) -> Response:
    """The process lives."""
    return JSONResponse({"status": "ok", "version": __version__})


async def _readyz(request: Request) -> Response:
    """New sessions are taken: an engine is up, and the server is not about to stop."""
    door: RealtimeDoor = request.app.state.door
    if door.draining:
        return JSONResponse({"status": "draining"}, status_code=503)
    if not any(load.hosts for load in door.synthesizer.pool.load()):
        return JSONResponse({"status": "no engine is up"}, status_code=503)
    return JSONResponse({"status": "ready"})


async def _metrics(request: Request) -> Response:
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")
