from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from saystream.errors import BodyTimedOut, BodyTooLarge, UnsupportedMediaType
from saystream.server.web.bodies import read_json_body


class Sender:
    """Gives the parts of a body one by one, and counts them."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = [*parts]
        self.taken = 0

    async def __call__(self) -> Message:
        self.taken += 1
        body = self._parts[self.taken - 1]
        return {"type": "http.request", "body": body, "more_body": self.taken < len(self._parts)}


def request(receive: object, content_type: str = "application/json", **headers: str) -> Request:
    given = {
        "content-type": content_type,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    return Request({"type": "http", "headers": raw}, receive)  # type: ignore[arg-type]


async def read(wanted: Request, timeout_s: float = 10) -> bytes:
    return await read_json_body(wanted, max_bytes=10, timeout_s=timeout_s)


async def test_the_parts_of_a_body_are_joined() -> None:
    assert await read(request(Sender([b"01234", b"", b"56789"]))) == b"0123456789"


async def test_an_announced_size_over_the_limit_is_refused_before_anything_is_read() -> None:
    sender = Sender([b"x"])
    with pytest.raises(BodyTooLarge, match="50000000 bytes; the limit is 10"):
        await read(request(sender, content_length="50000000"))
    assert sender.taken == 0


@pytest.mark.parametrize("headers", [{}, {"content_length": "5"}, {"content_length": "x"}])
async def test_an_unannounced_size_over_the_limit_is_refused_at_the_limit(headers: dict[str, str]) -> None:
    sender = Sender([b"01234"] * 100)
    with pytest.raises(BodyTooLarge):
        await read(request(sender, **headers))
    assert sender.taken == 3


async def test_a_body_that_does_not_come_is_refused_in_time() -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(BodyTimedOut) as raised:
        await read(request(never), timeout_s=0.01)
    assert raised.value.http_status == 408


async def test_a_client_that_leaves_is_no_request() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await read(request(gone))


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        'application/json; charset="utf-8"',
    ],
)
async def test_json_in_utf8_is_taken(content_type: str) -> None:
    assert await read(request(Sender([b"{}"]), content_type)) == b"{}"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=gbk",
        "multipart/form-data; boundary=x",
    ],
)
async def test_any_other_kind_is_refused_before_it_is_read(content_type: str) -> None:
    sender = Sender([b"{}"])
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        await read(request(sender, content_type))
    assert sender.taken == 0
