"""Paths as programs write them, and an answer to the wrong ones that names the right one.

Programs join a base address and a path in their own ways: a slash too many between the two or at the end means the same
path.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

import structlog
from starlette.websockets import WebSocket

from saystream.errors import PathNotFound
from saystream.server.web.faults import DASHSCOPE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["TidyPaths", "UnknownPath"]

_SLASHES = re.compile(r"//+")

_MAX_COMPARED_CHARACTERS = 100
"""Comparing takes a time that grows with the square of the length."""

_log = structlog.get_logger(__name__)


class TidyPaths:
    """ASGI middleware that takes slashes too many out of paths, and gives paths other names."""

    def __init__(self, app: ASGIApp, names: Mapping[str, str]) -> None:
        """``names`` maps paths of other servers to ours."""
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            path = _SLASHES.sub("/", scope["path"])
            path = path.rstrip("/") or "/"
            if (path := self._names.get(path, path)) != scope["path"]:
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


class UnknownPath:
    """ASGI application for paths without a route. Over HTTP it raises PathNotFound, for a handler to answer; a
    WebSocket is refused with 404 and the same reason."""

    def __init__(self, http: Sequence[str], websocket: Sequence[str]) -> None:
        """The paths that there are."""
        self._http = http
        self._websocket = websocket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        error = PathNotFound(self._reason(scope["path"], is_http=is_http))
        if is_http:
            raise error
        _log.info("handshake refused", code=error.code)
        await WebSocket(scope, receive, send).send_denial_response(DASHSCOPE.answer(error))

    def _reason(self, path: str, *, is_http: bool) -> str:
        if is_http and path in self._websocket:
            return f"{path} is for WebSockets: connect to it with ws:// or wss://"
        if not is_http and path in self._http:
            return f"{path} is for HTTP; the paths for WebSockets are {', '.join(self._websocket)}"
        near = self._nearest(path)
        advice = f"did you mean {near}?" if near else "/openapi.json lists the paths for HTTP"
        return f"there is nothing at this path; {advice}"

    def _nearest(self, path: str) -> str | None:
        if len(path) > _MAX_COMPARED_CHARACTERS:
            return None
        known = [*self._websocket, *self._http]
        tail = next((name for name in known if len(path) > 1 and name.endswith(path)), None)
        return tail or next(iter(get_close_matches(path, known, n=1, cutoff=0.7)), None)
