"""A peer below HTTP: sends any bytes, reads what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from server.live import PATIENCE_S, Live

HOST = b"Host: localhost\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
HANDSHAKE = (
    b"GET /api-ws/v1/realtime?model=qwen3-tts-flash-realtime HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


class RawPeer:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        with suppress(ConnectionError):
            for part in parts:
                self.writer.write(part)
                await self.writer.drain()

    async def rest(self) -> bytes:
        """All that is sent until the server closes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, fields and body of the next answer."""
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await self.reader.readexactly(int(fields.get("content-length", "0")))
        return int(first.split()[1]), fields, body

    async def refusal(self) -> tuple[int, str]:
        """Status and code of the answer with which the server closes."""
        status, fields, body = await self.answer()
        assert fields["connection"] == "close"
        assert fields["x-request-id"]
        refused: dict[str, Any] = json.loads(body)
        assert await self.rest() == b""
        return status, f"{refused['code']}: {refused['message']}"


@asynccontextmanager
async def raw_peer(live: Live) -> AsyncIterator[RawPeer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
