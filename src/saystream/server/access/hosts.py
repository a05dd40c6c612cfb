"""By which names a server that only this machine can reach may be called.

A web page can make a name of its own point to 127.0.0.1 after it was loaded (DNS rebinding). A browser then lets it
read all answers, because it takes them for the page's own; but it says in ``Host`` by which name it called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.websockets import WebSocket

from saystream.errors import HostRefused, quote
from saystream.server.access.origins import is_loopback
from saystream.server.web.faults import DASHSCOPE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from saystream.config import Settings

__all__ = ["LocalHosts", "check_host"]


def check_host(host: str | None, allowed: frozenset[str]) -> None:
    """Raises HostRefused unless ``host``, the field of a request, names this machine or one of ``allowed``.

    A request of HTTP/1.0 may have none; no browser sends it.
    """
    if host is None or (name := _name(host)) in allowed or is_loopback(name):
        return
    raise HostRefused(
        f"This server serves only its own machine, and was called as '{quote(host)}': call it as 'localhost', or name"
        " the host in the setting allowed_hosts."
    )


class LocalHosts:
    """ASGI middleware for a server on loopback."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        public = urlsplit(settings.public_url).hostname if settings.public_url else None
        self._allowed = frozenset({*settings.allowed_hosts, *([public] if public else [])})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                check_host(Headers(scope=scope).get("host"), self._allowed)
            except HostRefused as refusal:
                answer = DASHSCOPE.answer(refusal)
                if scope["type"] == "websocket":
                    await WebSocket(scope, receive, send).send_denial_response(answer)
                else:
                    await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return ""
