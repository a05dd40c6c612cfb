"""Which web pages may use a server that needs no key.

A browser lets any web page send requests to ``http://127.0.0.1``, and says in the header ``Origin`` which page it
was. If a key is needed, web pages do not have it; if none is, their origin is checked instead. Programs send no
``Origin``, except the official SDK, which sends the address of the server itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from saystream.errors import OriginRefused, quote

__all__ = ["check_origin", "is_loopback"]


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
