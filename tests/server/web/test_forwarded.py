"""What proxies say of a request is believed from those alone that are trusted."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from saystream.server.web.forwarded import PREFIX_IN_SCOPE, Forwarded

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1"))


async def read(client: str | None = "10.0.0.1", kind: str = "http", **headers: str) -> dict[str, Any]:
    """The scope that the application sees."""
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope = {
        "type": kind,
        "scheme": "http" if kind == "http" else "ws",
        "client": None if client is None else (client, 5000),
        "headers": [
            (b"host", b"inside:8321"),
            *((f"x-forwarded-{name}".encode(), value.encode()) for name, value in headers.items()),
        ],
    }
    await Forwarded(application, TRUSTED)(scope, None, None)  # type: ignore[arg-type]
    return dict(seen[0])


ALL = {"for": "203.0.113.9", "proto": "https", "host": "speech.example.com", "prefix": "/speech/"}


@pytest.mark.parametrize("client", ["10.0.0.1", "::ffff:10.0.0.1", "::1"])
async def test_a_trusted_proxy_says_who_asked_and_how(client: str) -> None:
    scope = await read(client, **ALL)
    assert scope["client"] == ("203.0.113.9", 0)
    assert scope["scheme"] == "https"
    assert dict(scope["headers"])[b"host"] == b"speech.example.com"
    assert scope[PREFIX_IN_SCOPE] == "/speech"


@pytest.mark.parametrize("client", ["192.0.2.1", None, "a.socket"])
async def test_nobody_else_is_believed(client: str | None) -> None:
    assert await read(client, **ALL) == {
        **await read(client),
        "headers": (await read(client, **ALL))["headers"],
    }
    assert (await read(client, **ALL))["scheme"] == "http"


@pytest.mark.parametrize(
    ("chain", "asker"),
    [
        ("203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
        (" , ", "10.0.0.1"),
    ],
)
async def test_the_last_stranger_of_a_chain_asked(chain: str, asker: str) -> None:
    assert (await read(**{"for": chain}))["client"][0] == asker


@pytest.mark.parametrize(
    ("said", "scheme"), [("wss", "https"), ("https", "https"), ("ws", "http"), ("x", "http")]
)
async def test_the_scheme_of_a_request_is_never_one_of_websockets(said: str, scheme: str) -> None:
    assert (await read(proto=said))["scheme"] == scheme


async def test_the_scheme_of_a_websocket_is_one_of_websockets() -> None:
    assert (await read(kind="websocket", proto="https"))["scheme"] == "wss"


@pytest.mark.parametrize("prefix", ["speech", "/a b", "//", "/a?b", ""])
async def test_a_prefix_that_is_no_path_is_left_out(prefix: str) -> None:
    assert PREFIX_IN_SCOPE not in await read(prefix=prefix)
