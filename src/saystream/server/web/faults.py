"""What goes wrong in an HTTP request, as the body that its door promises. Never a stack trace.

Endpoints raise; ``EXCEPTION_HANDLERS`` answer. Paths below ``/v1/`` have the error body of OpenAI's interface, all
others that of DashScope (protocol reference, http §1 and §5).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import structlog
from starlette.exceptions import HTTPException
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
from saystream.protocol.http.errors import DashScopeError
from saystream.server.web.request_ids import request_id

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "EXCEPTION_HANDLERS",
    "UnforeseenErrors",
    "dashscope_error",
    "error_answer",
]

RETRY_AFTER_S = 5
"""Said with a refusal that is only for now, where nobody knows for how long."""

_DASHSCOPE_STATUS = {BodyTooLarge.http_status: 400}
"""Where its documents name another status than HTTP has for it."""

_log = structlog.get_logger(__name__)


def dashscope_error(error: SaystreamError) -> DashScopeError:
    """The body of an error of the request that the calling task serves."""
    return DashScopeError(error.http_code, error.message, request_id())


def error_answer(error: SaystreamError, path: str) -> Response:
    """``error`` as the door of ``path`` says it."""
    if path.startswith("/v1/"):
        status = error.http_status
        body: msgspec.Struct = openai.error_body(error)
    else:
        status = _DASHSCOPE_STATUS.get(error.http_status, error.http_status)
        body = dashscope_error(error)
    return Response(msgspec.json.encode(body), status, _retry_headers(error), media_type="application/json")


def _retry_headers(error: SaystreamError) -> dict[str, str]:
    if isinstance(error, LimitReached) and error.retry_after_s is not None:
        headers = {"retry-after": str(max(1, math.ceil(error.retry_after_s)))}
        # A header that the SDKs of both interfaces obey: their own retries would only wait in vain.
        return headers if error.retryable else {**headers, "x-should-retry": "false"}
    return {"retry-after": str(RETRY_AFTER_S)} if error.retryable else {}


def _answer_fault(request: Request, error: Exception) -> Response:
    assert isinstance(error, SaystreamError)
    if isinstance(error, InvalidRequest):
        _log.info("request refused", code=error.code, param=error.param)
    else:
        _log.error("request failed", code=error.code, error=error)
    return error_answer(error, request.url.path)


def _answer_routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == MethodNotAllowed.http_status:
        fault: SaystreamError = MethodNotAllowed(f"{request.method} is not answered at this path")
    else:
        fault = PathNotFound("nothing answers at this path; /openapi.json lists those that are answered")
    answer = error_answer(fault, request.url.path)
    answer.headers.update(error.headers or {})
    return answer


EXCEPTION_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Response]] = {
    SaystreamError: _answer_fault,
    HTTPException: _answer_routing,
}
"""For ``Starlette(exception_handlers=…)``, whose router raises ``HTTPException`` for no other reasons."""


class UnforeseenErrors:
    """ASGI middleware that answers a mistake of ours with 500 and tells only the log what it was."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception:
            if started:
                raise  # uvicorn logs it and cuts the connection, which tells the peer that the answer is not whole
            _log.exception("request failed")
            answer = error_answer(ServerFault("an error of the server; its log tells more"), scope["path"])
            await answer(scope, receive, send)
