"""Answers errors in HTTP requests with the body that their door documents, never a stack trace.

Endpoints raise; ``EXCEPTION_HANDLERS`` answer, in the shape that the route has from its door.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from saystream.errors import (
    BodyTooLarge,
    InvalidRequest,
    LimitReached,
    MethodNotAllowed,
    PathNotFound,
    SaystreamError,
    ServerFault,
)
from saystream.protocol.http import openai
from saystream.protocol.http.errors import DashScopeError, OpenAIError
from saystream.server.web.request_ids import request_id

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "DASHSCOPE",
    "EXCEPTION_HANDLERS",
    "OPENAI",
    "SHAPE_IN_SCOPE",
    "ErrorShape",
    "UnforeseenErrors",
    "dashscope_error",
]

SHAPE_IN_SCOPE = "saystream.errors"
"""Where an ASGI scope holds the ``ErrorShape`` of its route."""

RETRY_AFTER_S = 5
"""Sent with a temporary refusal if it is not known how long it lasts."""

_log = structlog.get_logger(__name__)


def dashscope_error(error: SaystreamError) -> DashScopeError:
    """The body of an error in the request that the calling task serves."""
    return DashScopeError(error.http_code, error.message, request_id())


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """How an interface reports errors."""

    schema: type[msgspec.Struct]
    body: Callable[[SaystreamError], msgspec.Struct]
    statuses: Mapping[int, int] = field(default_factory=dict)
    """Statuses for which its documents name another."""

    def answer(self, error: SaystreamError) -> Response:
        return Response(
            msgspec.json.encode(self.body(error)),
            self.statuses.get(error.http_status, error.http_status),
            _retry_headers(error),
            media_type="application/json",
        )


DASHSCOPE = ErrorShape(DashScopeError, dashscope_error, {BodyTooLarge.http_status: 400})
"""The shape of DashScope (protocol reference, http §1)."""

OPENAI = ErrorShape(OpenAIError, openai.error_body)
"""The shape of OpenAI's interface (protocol reference, http §5)."""


def _shape_of(scope: Scope) -> ErrorShape:
    shape: ErrorShape = scope.get(SHAPE_IN_SCOPE, DASHSCOPE)
    return shape


def _retry_headers(error: SaystreamError) -> dict[str, str]:
    if isinstance(error, LimitReached) and error.retry_after_s is not None:
        headers = {"retry-after": str(max(1, math.ceil(error.retry_after_s)))}
        # The SDKs of both interfaces obey this header: their own retries would be of no use.
        return headers if error.retryable else {**headers, "x-should-retry": "false"}
    return {"retry-after": str(RETRY_AFTER_S)} if error.retryable else {}


async def _answer_fault(request: Request, error: Exception) -> Response:
    assert isinstance(error, SaystreamError)
    if isinstance(error, InvalidRequest):
        _log.info("request refused", code=error.code, param=error.param)
    else:
        _log.error("request failed", code=error.code, error=error)
    return _shape_of(request.scope).answer(error)


async def _answer_routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == MethodNotAllowed.http_status:
        methods = (error.headers or {}).get("Allow", "")
        fault: SaystreamError = MethodNotAllowed(
            f"{request.method} is not allowed at this path, but {methods}"
        )
    else:
        fault = PathNotFound("there is nothing at this path; /openapi.json lists all paths")
    answer = _shape_of(request.scope).answer(fault)
    answer.headers.update(error.headers or {})
    return answer


# Coroutines, because Starlette would run functions in threads.
EXCEPTION_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    SaystreamError: _answer_fault,
    HTTPException: _answer_routing,
}
"""For ``Starlette(exception_handlers=…)``, whose router raises ``HTTPException`` for no other reason."""


class UnforeseenErrors:
    """ASGI middleware that answers a mistake of ours with 500; what it was goes only to the log."""

    def __init__(self, app: ASGIApp, shapes: Mapping[str, ErrorShape] | None = None) -> None:
        """``shapes``, by the beginning of the path, are for paths without a route."""
        self._app = app
        self._shapes = dict(shapes or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        for prefix, shape in self._shapes.items():
            if scope["path"].startswith(prefix):
                scope[SHAPE_IN_SCOPE] = shape
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except ClientDisconnect:
            _log.info("peer gone")  # before its body had come, or it has stopped reading
        except Exception:
            if started:
                raise  # uvicorn logs it and cuts the connection, which tells the peer that the answer is incomplete
            _log.exception("request failed")
            fault = ServerFault("a server error; the log has the details")
            await _shape_of(scope).answer(fault)(scope, receive, send)
