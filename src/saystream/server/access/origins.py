"""Which web pages may use a server that needs no key.

A browser lets any web page send requests to ``http://127.0.0.1``, and says in the header ``Origin`` which page it
was. If a key is needed, web pages do not have it; if none is, their origin is checked instead. Programs send no
``Origin``, except the official SDK, which sends the address of the server itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers

from saystream.errors import OriginRefused, quote
from saystream.server.web.faults import DASHSCOPE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Preflights", "check_origin", "is_loopback"]

_log = structlog.get_logger(__name__)


class Preflights:
    """ASGI middleware that refuses browsers which ask whether a page may read answers, if its origin is not one of
    ``allowed``, and says what would allow it."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            headers = Headers(scope=scope)
            origin = headers.get("origin", "")
            if "access-control-request-method" in headers and origin not in self._allowed:
                refusal = OriginRefused(
                    f"A page of '{quote(origin)}' may not read the answers of this server: name this origin in the"
                    " setting cors_origins."
                )
                _log.info("preflight refused", origin=quote(origin))
                await DASHSCOPE.answer(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def check_origin(headers: Mapping[str, str], *, allowed: Collection[str], loopback_only: bool) -> None:
    """Raises OriginRefused for a page that may not use a server without keys.

    Allowed are pages of this machine, those of the ``allowed`` origins and, unless ``loopback_only``, pages of the
    host that the request was sent to. On loopback that last rule would admit any page whose host name points to
    127.0.0.1. ``headers`` has lower-case names.
    """
    origin = headers.get("origin")
    if origin is None or origin in allowed:
        return
    host, authority = _host(origin)
    if is_loopback(host) or (not loopback_only and authority == headers.get("host", "").lower()):
        return
    raise OriginRefused(
        f"A web page of '{quote(origin)}' may not use this server, which needs no key: create a key with"
        " `saystream keys create NAME`, or name the origin in the setting cors_origins."
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``. A name other than ``localhost`` may point anywhere."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(origin: str) -> tuple[str, str]:
    """The host alone, and with the port if there is one; empty if it is not an origin, such as ``null``."""
    try:
        parts = urlsplit(origin)
        return parts.hostname or "", parts.netloc.lower()
    except ValueError:
        return "", ""
