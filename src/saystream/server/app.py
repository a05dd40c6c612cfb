"""The ASGI application: all doors, and what starts and stops with them."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from saystream import __version__, catalog
from saystream.server.access.auth import Authenticator
from saystream.server.access.hosts import LocalHosts
from saystream.server.access.keys import KeyStore
from saystream.server.access.limits import Limiter
from saystream.server.access.links import Links
from saystream.server.access.origins import Preflights, is_loopback
from saystream.server.access.room import Room
from saystream.server.accounting.metrics import Metrics
from saystream.server.accounting.usage import UsageRecorder
from saystream.server.doors.base import Door, Services
from saystream.server.doors.customization import CustomizationDoor
from saystream.server.doors.files import FilesDoor
from saystream.server.doors.generation import GenerationDoor
from saystream.server.doors.openai import OpenAIDoor
from saystream.server.doors.operations import OperationsDoor
from saystream.server.doors.own_voices import OwnVoicesDoor
from saystream.server.doors.realtime import RealtimeDoor
from saystream.server.doors.speech_synthesizer import SpeechSynthesizerDoor
from saystream.server.doors.task import TaskDoor
from saystream.server.web.faults import EXCEPTION_HANDLERS, UnforeseenErrors
from saystream.server.web.fetching import Fetcher
from saystream.server.web.forwarded import Forwarded
from saystream.server.web.paths import TidyPaths, UnknownPath
from saystream.server.web.request_ids import HEADER, RequestIds
from saystream.speech.enrolling import OwnVoices
from saystream.speech.synthesizer import Synthesizer
from saystream.storage import serving_store
from saystream.storage.files import FileStore
from saystream.voices.custom.store import OwnVoiceStore
from saystream.voices.upload import UploadReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from saystream.config import Settings
    from saystream.voices.casting import Choice

__all__ = ["DOORS", "create_app"]

_log = structlog.get_logger(__name__)


DOORS: tuple[type[Door], ...] = (
    RealtimeDoor,
    TaskDoor,
    GenerationDoor,
    SpeechSynthesizerDoor,
    CustomizationDoor,
    FilesDoor,
    OpenAIDoor,
    OwnVoicesDoor,
    OperationsDoor,
)
"""Every protocol of the server, in their order in the OpenAPI document."""


PATHS_OF_OTHERS = {"/v1/audio/voices": "/v1/voices", "/v1/audio/models": "/v1/models"}
"""Where other servers with OpenAI's speech interface list their voices and models, and where they are here."""


def create_app(settings: Settings) -> Starlette:
    """The server as an ASGI application. While it runs, its state holds the ``services`` that its doors use."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with _services(settings) as services:
            app.state.services = services
            _route(app, services)
            for choice in services.synthesizer.casting.describe():
                _say_who_speaks(choice)
            _log.info("ready", version=__version__, engine=settings.engine)
            try:
                yield
            finally:
                await services.room.aclose()

    return Starlette(
        middleware=_middleware(settings), exception_handlers=EXCEPTION_HANDLERS, lifespan=lifespan
    )


@asynccontextmanager
async def _services(settings: Settings) -> AsyncIterator[Services]:
    links, known, uploads = Links.of(settings), catalog.load(), UploadReader(settings.uploads)
    async with (
        serving_store(settings) as store,
        Limiter.open(settings, store.writing) as limiter,
        FileStore.open(settings) as files,
        aclosing(Fetcher(settings.fetching, uploads)) as fetcher,
        Synthesizer.running(settings, catalog=known) as synthesizer,
        UsageRecorder(store.writing, metrics := Metrics(synthesizer.hosting)).running(
            retention_days=settings.usage_retention_days
        ) as usage,
        OwnVoices.running(
            OwnVoiceStore(store, files, settings.own_voices), synthesizer, catalog=known
        ) as own_voices,
    ):
        authenticator = Authenticator(
            KeyStore(store.reading),
            host=settings.host,
            cors_origins=settings.cors_origins,
            wrong_keys_per_minute=settings.limits.max_wrong_keys_per_minute,
        )
        room = Room(authenticator, limiter, max_sessions=settings.limits.max_sessions)
        services = Services(
            settings=settings,
            synthesizer=synthesizer,
            catalog=known,
            authenticator=authenticator,
            limiter=limiter,
            room=room,
            metrics=metrics,
            usage=usage,
            files=files,
            links=links,
            fetcher=fetcher,
            uploads=uploads,
            own_voices=own_voices,
        )
        async with room.watching_keys():
            yield services


def _route(app: Starlette, services: Services) -> None:
    routes = [route for door in DOORS for route in door(services).routes()]
    app.router.routes[:] = routes
    app.router.redirect_slashes = False  # a program that posts would have to post again
    http, websocket = (
        [route.path for route in routes if isinstance(route, kind)] for kind in (Route, WebSocketRoute)
    )
    app.router.default = UnknownPath(http, websocket)


def _say_who_speaks(choice: Choice) -> None:
    """Log one line for each language; a warning if one command would make it better."""
    say = _log.warning if choice.advice else _log.info
    # Only if there is such a command.
    better = {"remedy": choice.advice} if choice.advice else {}
    say(
        "speaks",
        language=choice.language_type,
        engine=choice.engine,
        quality=choice.quality,
        native_voices=choice.native_voices,
        reason=choice.reason,
        **better,
    )


def _middleware(settings: Settings) -> list[Middleware]:
    """Outermost first."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=[HEADER, "retry-after"],
    )
    shapes = {door.prefix: door.errors for door in DOORS if door.prefix}
    return [
        Middleware(RequestIds),
        *([Middleware(LocalHosts, settings)] if is_loopback(settings.host) else []),
        Middleware(Forwarded, settings.trusted_proxies),
        Middleware(Preflights, settings.cors_origins),
        *([cors] if settings.cors_origins else []),
        Middleware(TidyPaths, PATHS_OF_OTHERS),
        Middleware(UnforeseenErrors, shapes),
    ]
