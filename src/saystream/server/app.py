"""The ASGI application: every door and the process's life around them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypedDict

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import WebSocketRoute

from saystream import __version__, catalog
from saystream.server.access.auth import Authenticator
from saystream.server.access.keys import KeyStore
from saystream.server.access.limits import Limiter
from saystream.server.accounting.metrics import Metrics
from saystream.server.accounting.usage import UsageRecorder
from saystream.server.doors.files import AudioFiles
from saystream.server.doors.generation import GenerationDoor
from saystream.server.doors.openai import OpenAIDoor
from saystream.server.doors.realtime import PATH, RealtimeDoor
from saystream.server.routes import ROUTES
from saystream.server.web.faults import EXCEPTION_HANDLERS, UnforeseenErrors
from saystream.server.web.request_ids import HEADER, RequestIds
from saystream.speech.synthesizer import Synthesizer
from saystream.storage import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.websockets import WebSocket

    from saystream.catalog import Catalog
    from saystream.config import Settings
    from saystream.voices.casting import Choice

__all__ = ["create_app"]

_log = structlog.get_logger(__name__)


class _Shared(TypedDict):
    """What every door is given."""

    catalog: Catalog
    authenticator: Authenticator
    limiter: Limiter
    metrics: Metrics
    usage: UsageRecorder


def create_app(settings: Settings) -> Starlette:
    """The server as an ASGI application.

    While it runs, its state holds ``door``, ``generation``, ``openai``, ``files`` and ``metrics``, and all ``doors``,
    each with a ``drain``.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with (
            open_store(settings) as engine,
            Limiter.open(settings, engine) as limiter,
            AudioFiles.open(settings) as files,
            Synthesizer.running(settings) as synthesizer,
            UsageRecorder(engine, metrics := Metrics(synthesizer.hosting)).running(
                retention_days=settings.usage_retention_days
            ) as usage,
        ):
            authenticator = Authenticator(
                KeyStore(engine), host=settings.host, cors_origins=settings.cors_origins
            )
            state, known = app.state, catalog.load()
            state.files, state.metrics = files, metrics
            shared = _Shared(
                catalog=known, authenticator=authenticator, limiter=limiter, metrics=metrics, usage=usage
            )
            state.door = RealtimeDoor(synthesizer, **shared)
            state.generation = GenerationDoor(synthesizer, files=files, **shared)
            state.openai = OpenAIDoor(synthesizer, **shared)
            state.doors = (state.door, state.generation, state.openai)
            for choice in synthesizer.router.describe():
                _say_who_speaks(choice)
            _log.info("ready", version=__version__, engine=settings.engine)
            try:
                yield
            finally:
                await state.generation.aclose()

    return Starlette(
        routes=[WebSocketRoute(PATH, _realtime), *ROUTES],
        middleware=_middleware(settings),
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )


def _say_who_speaks(choice: Choice) -> None:
    """One line for each language; a warning where one command would make it better."""
    say = _log.warning if choice.advice else _log.info
    # The command is named only where there is one.
    better = {"remedy": choice.advice} if choice.advice else {}
    say("speaks", language=choice.language_type, engine=choice.engine, quality=choice.quality, **better)


async def _realtime(websocket: WebSocket) -> None:
    await websocket.app.state.door.serve(websocket)


def _middleware(settings: Settings) -> list[Middleware]:
    """Outermost first."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=[HEADER, "retry-after"],
    )
    return [Middleware(RequestIds), *([cors] if settings.cors_origins else []), Middleware(UnforeseenErrors)]
