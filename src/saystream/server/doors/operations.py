"""For the operators of a server: is it alive, does it accept work, its metrics and its API description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from starlette.responses import Response

from saystream import __version__
from saystream.errors import AccessDenied
from saystream.server.access.origins import is_loopback
from saystream.server.doors.base import Door, peer_of
from saystream.server.web.openapi import Answer, DocumentedRoute, Operation, document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

__all__ = ["Health", "OperationsDoor", "Readiness"]

_JSON = "application/json"


class Health(msgspec.Struct, frozen=True):
    """The process is alive."""

    version: str
    status: Literal["ok"] = "ok"


class Readiness(msgspec.Struct, frozen=True):
    """Whether new work is accepted."""

    status: Literal["ready", "draining", "no engine is up"]


_HEALTH = Operation(
    "health", "Whether the process is running", {200: Answer("It does.", {_JSON: Health})}, needs_key=False
)
_READINESS = Operation(
    "readiness",
    "Whether new work is accepted",
    {200: Answer("Yes.", {_JSON: Readiness}), 503: Answer("Not now.", {_JSON: Readiness})},
    needs_key=False,
)
_METRICS = Operation(
    "metrics",
    "Counters for Prometheus",
    {200: Answer("All.", {"text/plain": {"type": "string"}})},
    needs_key=False,
)
_OPENAPI = Operation(
    "openapi", "This document", {200: Answer("It.", {_JSON: {"type": "object"}})}, needs_key=False
)


class OperationsDoor(Door):
    _document: bytes | None = None

    def routes(self) -> Sequence[BaseRoute]:
        settings = self.services.settings
        routes = [
            self.route("/healthz", self.health, _HEALTH),
            self.route("/readyz", self.readiness, _READINESS),
        ]
        if settings.metrics_for != "nobody":
            routes.append(self.route("/metrics", self.metrics, _METRICS))
        if settings.openapi_for != "nobody":
            routes.append(self.route("/openapi.json", self.openapi, _OPENAPI))
        return routes

    async def _check(self, request: Request, readers: str) -> None:
        """Raises AccessDenied, or what the authenticator raises, unless ``request`` is from one of ``readers``."""
        if readers == "loopback" and not is_loopback(peer_of(request)):
            raise AccessDenied("Only programs on the server's machine may read this.")
        if readers == "keys":
            await self.services.authenticator.authenticate(request.headers, peer_of(request))

    async def health(self, request: Request) -> Response:
        return _json(Health(__version__))

    async def readiness(self, request: Request) -> Response:
        if self.services.room.draining:
            return _json(Readiness("draining"), status=503)
        if not any(load.hosts for load in self.services.synthesizer.hosting.load()):
            return _json(Readiness("no engine is up"), status=503)
        return _json(Readiness("ready"))

    async def metrics(self, request: Request) -> Response:
        await self._check(request, self.services.settings.metrics_for)
        return Response(
            self.services.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    async def openapi(self, request: Request) -> Response:
        await self._check(request, self.services.settings.openapi_for)
        if self._document is None:  # it takes milliseconds to make, and the routes stay as they are
            self._document = _document(request.app.routes)
        return Response(self._document, media_type=_JSON)


def _document(routes: Sequence[BaseRoute]) -> bytes:
    return msgspec.json.encode(document(route for route in routes if isinstance(route, DocumentedRoute)))


def _json(body: msgspec.Struct, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=_JSON)
