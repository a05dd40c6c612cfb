from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from client.virtual_time import on_virtual_time
from saystream.server.web.stalls import StallLimit


async def receive() -> Message:
    return {"type": "http.disconnect"}


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    for part in (b"one", b"two"):
        await send({"type": "http.response.body", "body": part})


class Reader:
    """Takes so many seconds for each message."""

    def __init__(self, *seconds: float) -> None:
        self.taken: list[Any] = []
        self._seconds = iter(seconds)

    async def send(self, message: Message) -> None:
        await asyncio.sleep(next(self._seconds))
        self.taken.append(message["body"])


@on_virtual_time
async def test_a_slow_reader_is_waited_for() -> None:
    reader = Reader(4, 4)
    await StallLimit(answer, timeout_s=5)({"type": "http"}, receive, reader.send)
    assert reader.taken == [b"one", b"two"]


@on_virtual_time
async def test_one_that_takes_nothing_in_time_counts_as_gone() -> None:
    reader = Reader(4, 6)
    with pytest.raises(ClientDisconnect):
        await StallLimit(answer, timeout_s=5)({"type": "http"}, receive, reader.send)
    assert reader.taken == [b"one"]


@on_virtual_time
async def test_a_websocket_has_limits_of_its_own() -> None:
    reader = Reader(100, 100)
    await StallLimit(answer, timeout_s=5)({"type": "websocket"}, receive, reader.send)
    assert reader.taken == [b"one", b"two"]
