"""The ASGI application: every door and the process's life around them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from saystream import __version__, catalog
from saystream.server import files, generation
from saystream.server.auth import Authenticator
from saystream.server.faults import EXCEPTION_HANDLERS, UnforeseenErrors
from saystream.server.keys import KeyStore
from saystream.server.metrics import Metrics
from saystream.server.openapi import DocumentedRoute
from saystream.server.realtime import PATH as REALTIME_PATH
from saystream.server.realtime import RealtimeDoor
from saystream.server.request_ids import RequestIds
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
        async with (
            open_store(settings) as engine,
            files.AudioFiles.open(settings) as audio_files,
            Synthesizer.running(settings) as synthesizer,
        ):
            models = catalog.load()
            metrics = Metrics(synthesizer.pool)
            keys = Authenticator(KeyStore(engine), host=settings.host, cors_origins=settings.cors_origins)
            app.state.door = RealtimeDoor(synthesizer, catalog=models, authenticator=keys, metrics=metrics)
            app.state.generation = generation.GenerationDoor(
                synthesizer, catalog=models, authenticator=keys, metrics=metrics, files=audio_files
            )
            app.state.files = audio_files
            app.state.metrics = metrics
            _log.info("ready", version=__version__, engine=settings.engine)
            try:
                yield
            finally:
                await app.state.generation.aclose()

    async def realtime(websocket: WebSocket) -> None:
        await app.state.door.serve(websocket)

    async def generate(request: Request) -> Response:
        response: Response = await app.state.generation.serve(request)
        return response

    async def read_file(request: Request) -> Response:
        response: Response = await app.state.files.serve(request)
        return response

    app = Starlette(
        routes=[
            WebSocketRoute(REALTIME_PATH, realtime),
            DocumentedRoute(generation.PATH, generate, method="POST", operation=generation.OPERATION),
            DocumentedRoute(files.PATH, read_file, operation=files.OPERATION),
            Route("/healthz", _healthz),
            Route("/readyz", _readyz),
            Route("/metrics", _metrics),
        ],
        middleware=[Middleware(RequestIds), Middleware(UnforeseenErrors)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
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
