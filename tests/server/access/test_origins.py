"""Which pages a browser may let talk to a server without keys."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from saystream.config import Settings
from saystream.errors import OriginRefused
from saystream.server.access.origins import Preflights, check_origin
from saystream.server.web.request_ids import RequestIds
from server.live import live_server


def check(
    origin: str | None,
    *,
    host: str = "127.0.0.1:8321",
    allowed: Collection[str] = (),
    loopback_only: bool = True,
) -> None:
    headers = {"host": host} if origin is None else {"host": host, "origin": origin}
    check_origin(headers, allowed=allowed, loopback_only=loopback_only)


@pytest.mark.parametrize("loopback_only", [True, False])
def test_a_program_sends_no_origin_and_is_let_in(loopback_only: bool) -> None:
    check(None, loopback_only=loopback_only)


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:8321",
        "http://localhost:3000",
        "http://LOCALHOST",
        "https://[::1]:8321",
        "http://127.8.8.8",
    ],
)
@pytest.mark.parametrize("loopback_only", [True, False])
def test_pages_of_this_machine_are_let_in(origin: str, loopback_only: bool) -> None:
    check(origin, loopback_only=loopback_only)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "file://",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://evil.example/127.0.0.1",
        "http://127.0.0.1@evil.example",
        "http://[::1",
        "http://2130706433",
    ],
)
@pytest.mark.parametrize("loopback_only", [True, False])
def test_other_pages_are_refused(origin: str, loopback_only: bool) -> None:
    with pytest.raises(OriginRefused, match="cors_origins"):
        check(origin, loopback_only=loopback_only)


def test_a_page_whose_name_was_pointed_at_this_machine_is_refused() -> None:
    with pytest.raises(OriginRefused):
        check("http://evil.example:8321", host="evil.example:8321")


def test_a_server_for_a_network_lets_in_its_own_address_as_the_official_sdk_sends_it() -> None:
    check("http://tts.lan:8321", host="tts.lan:8321", loopback_only=False)
    check("http://TTS.lan:8321", host="tts.lan:8321", loopback_only=False)
    with pytest.raises(OriginRefused):
        check("http://tts.lan:9000", host="tts.lan:8321", loopback_only=False)


def test_an_origin_of_the_settings_is_let_in() -> None:
    check("https://app.example", allowed={"https://app.example"})
    with pytest.raises(OriginRefused):
        check("http://app.example", allowed={"https://app.example"})


def test_a_refusal_quotes_only_so_much() -> None:
    with pytest.raises(OriginRefused) as refused:
        check("http://" + "a" * 5000)
    assert len(refused.value.message) < 400


async def test_a_handshake_of_a_foreign_page_is_refused_and_that_of_the_official_sdk_is_not(
    tmp_path: Path,
) -> None:
    async with live_server(tmp_path) as live:
        async with live.peer(origin=f"http://127.0.0.1:{live.port}"):
            pass
        with pytest.raises(InvalidStatus) as refused:
            async with live.peer(origin="https://evil.example"):
                raise AssertionError("it was let in")
        assert refused.value.response.status_code == 403
        assert b"AccessDenied" in refused.value.response.body


async def test_a_handshake_of_a_page_that_the_settings_name_is_not_refused(tmp_path: Path) -> None:
    async with live_server(tmp_path, cors_origins=("https://app.example",)) as live:
        async with live.peer(greeted=False, origin="https://app.example") as peer:
            assert (await peer.next())["type"] == "session.created"


async def preflight(origin: str, **headers: str) -> tuple[int | None, bytes]:
    """The status and the body; no status if the application is asked."""
    messages: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": b"asked"})

    async def send(message: Any) -> None:
        messages.append(message)

    given = {"origin": origin, "access-control-request-method": "POST", **headers}
    scope = {
        "type": "http",
        "method": "OPTIONS",
        "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
    }
    await RequestIds(Preflights(application, ["app://notes"]))(scope, None, send)  # type: ignore[arg-type]
    return messages[0].get("status"), messages[-1]["body"]


async def test_a_refused_preflight_names_the_setting_that_would_allow_it() -> None:
    status, body = await preflight("chrome-extension://abc")
    assert status == 403
    assert b"chrome-extension://abc" in body and b"cors_origins" in body


async def test_other_questions_are_passed_on() -> None:
    assert await preflight("app://notes") == (None, b"asked")
    assert await preflight("https://a.example", **{"access-control-request-method": ""}) == (None, b"asked")


@pytest.mark.parametrize(
    "origin",
    ["https://app.example", "app://obsidian.md", "chrome-extension://abc", "tauri://localhost", "null"],
)
def test_origins_of_pages_apps_and_extensions_can_be_allowed(origin: str) -> None:
    assert Settings(cors_origins=(origin,)).cors_origins == (origin,)
    check(origin, allowed=[origin])


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/", "*", "https://*.example"])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="cors_origins"):
        Settings(cors_origins=(origin,))
