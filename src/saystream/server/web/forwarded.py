"""What a proxy says about the requests that it passes on: who asked, by which scheme and name, and below which path.

Anyone can send these headers, so they are believed only from the addresses of the setting ``trusted_proxies``.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["PREFIX_IN_SCOPE", "Forwarded", "Network"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PREFIX_IN_SCOPE: Final = "saystream.prefix"
"""Where an ASGI scope holds the path below which a proxy serves this server, such as ``/speech``."""

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


class Forwarded:
    """ASGI middleware that reads ``X-Forwarded-For``, ``-Proto``, ``-Host`` and ``-Prefix`` of trusted proxies."""

    def __init__(self, app: ASGIApp, trusted: Collection[Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if scope["type"] in ("http", "websocket") and client and self._trusts(client[0]):
            scope = self._read(scope)
        await self._app(scope, receive, send)

    def _trusts(self, address: str) -> bool:
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        known = getattr(known, "ipv4_mapped", None) or known
        return any(known in network for network in self._trusted)

    def _read(self, scope: Scope) -> Scope:
        headers = Headers(scope=scope)
        read = dict(scope)
        if asker := self._asker(headers.get("x-forwarded-for", "")):
            read["client"] = (asker, 0)
        if said := _last(headers.get("x-forwarded-proto", "")).lower():
            plain = "http" if scope["type"] == "http" else "ws"
            read["scheme"] = f"{plain}s" if said in ("https", "wss") else plain
        if host := _last(headers.get("x-forwarded-host", "")):
            read["headers"] = list(scope["headers"])
            MutableHeaders(scope=read)["host"] = host
        prefix = _last(headers.get("x-forwarded-prefix", "")).rstrip("/")
        if _PREFIX.fullmatch(prefix):
            read[PREFIX_IN_SCOPE] = prefix
        return read

    def _asker(self, chain: str) -> str:
        """The last address of the chain that is not a trusted proxy's own; the first one if all are."""
        addresses = [part.strip() for part in chain.split(",") if part.strip()]
        strangers = (address for address in reversed(addresses) if not self._trusts(address))
        return next(strangers, addresses[0] if addresses else "")


def _last(values: str) -> str:
    """What the nearest proxy said: each adds its own at the end."""
    return values.rpartition(",")[2].strip()
