"""Paths as programs write them, and what is said of the wrong ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from saystream.errors import PathNotFound
from saystream.server.web.paths import TidyPaths, UnknownPath
from server.live import Live

HTTP = ("/v1/audio/speech", "/v1/models/{model}", "/v1/voices")
WEBSOCKET = ("/api-ws/v1/realtime",)


async def routed(path: str, kind: str = "http") -> str:
    """The path that the application sees."""
    seen: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["raw_path"].decode() == scope["path"]
        seen.append(scope["path"])

    tidy = TidyPaths(application, {"/v1/audio/voices": "/v1/voices"})
    scope = {"type": kind, "path": path, "raw_path": path.encode()}
    await tidy(scope, None, None)  # type: ignore[arg-type]
    return seen[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/v1/audio/speech", "/v1/audio/speech"),
        ("//v1/audio/speech", "/v1/audio/speech"),
        ("/v1//audio///speech/", "/v1/audio/speech"),
        ("/v1/audio/voices/", "/v1/voices"),
        ("/", "/"),
        ("//", "/"),
    ],
)
async def test_slashes_too_many_are_left_out(written: str, meant: str) -> None:
    assert await routed(written) == meant
    assert await routed(written, "websocket") == meant


async def reason(path: str) -> str:
    with pytest.raises(PathNotFound) as refusal:
        await UnknownPath(HTTP, WEBSOCKET)({"type": "http", "path": path}, None, None)  # type: ignore[arg-type]
    return refusal.value.message


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/audio/speech", "/v1/audio/speech"),
        ("/v1/audio/speec", "/v1/audio/speech"),
        ("/api-ws/v1/realtim", "/api-ws/v1/realtime"),
    ],
)
async def test_a_wrong_path_is_answered_with_the_nearest_one(path: str, right: str) -> None:
    assert f"did you mean {right}?" in await reason(path)


@pytest.mark.parametrize("path", ["/", "/nothing", "/" + "a" * 5000])
async def test_a_path_like_none_is_answered_with_where_all_are_listed(path: str) -> None:
    assert "/openapi.json" in await reason(path)


async def test_a_request_to_a_websocket_path_is_told_so() -> None:
    assert "is for WebSockets" in await reason("/api-ws/v1/realtime")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "said"),
    [("/api-ws/v1/realtim", "did you mean /api-ws/v1/realtime?"), ("/v1/voices", "is for HTTP")],
)
async def test_a_handshake_at_a_wrong_path_is_refused_with_the_right_one(
    server: Live, path: str, said: str
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None):
            pass
    assert refusal.value.response.status_code == 404
    assert said in json.loads(refusal.value.response.body or b"")["message"]
