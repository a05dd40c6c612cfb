"""Every request and connection has an id: in its answer's header and body, and in each of its log lines."""

from __future__ import annotations

import uuid
from contextvars import ContextVar
from typing import TYPE_CHECKING

import structlog
from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADER", "RequestIds", "request_id"]

HEADER = "x-request-id"

_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})

_current: ContextVar[str] = ContextVar("request_id")


def request_id() -> str:
    """The id of the request, or of the WebSocket connection, that the calling task serves."""
    return _current.get()


class RequestIds:
    """ASGI middleware that gives each request a new id. An id sent by a client is not used: it could be anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        identity = str(uuid.uuid4())

        async def send_with_id(message: Message) -> None:
            if message["type"] in _STARTS:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)

        token = _current.set(identity)
        try:
            with structlog.contextvars.bound_contextvars(request_id=identity):
                await self._app(scope, receive, send_with_id)
        finally:
            _current.reset(token)
