"""A WebSocket peer below any library: writes each bit of a frame by hand, and reads what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from server.live import PATIENCE_S, Live

from .raw import HANDSHAKE, RawPeer, raw_peer

__all__ = ["BINARY", "CLOSE", "CONT", "PING", "PONG", "TEXT", "FramePeer", "chopped", "frame", "frame_peer"]

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

_MASK = b"\x37\xfa\x21\x3d"


def frame(opcode: int, content: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """RFC 6455, section 5.2."""
    if len(content) < 126:
        length = bytes([masked << 7 | len(content)])
    elif len(content) < 1 << 16:
        length = bytes([masked << 7 | 126]) + len(content).to_bytes(2)
    else:
        length = bytes([masked << 7 | 127]) + len(content).to_bytes(8)
    head = bytes([fin << 7 | rsv << 4 | opcode]) + length
    if not masked:
        return head + content
    key = (_MASK * (len(content) // 4 + 1))[: len(content)]
    return head + _MASK + (int.from_bytes(content) ^ int.from_bytes(key)).to_bytes(len(content))


def chopped(octets: bytes, size: int) -> list[bytes]:
    """Written one by one, so that the server may read them one by one."""
    return [octets[start : start + size] for start in range(0, len(octets), size)]


@dataclass
class FramePeer:
    """One WebSocket of the realtime door, from its accepted handshake."""

    raw: RawPeer
    heard: list[tuple[str, Any]] = field(default_factory=list)
    """What has come so far: ``("pong", content)``, or the type of an event and, of an error, the ``event_id`` of what
    was refused."""
    closed: tuple[int, bytes] | None = None
    """Code (1005 if there is none) and reason of the close."""

    async def send(self, octets: bytes) -> None:
        await self.raw.send(octets)
        await asyncio.sleep(0)

    async def hear(self, number: int) -> None:
        """Read until so many frames have come in all."""
        while len(self.heard) < number:
            assert await self._next(), "no answer"

    async def hear_close(self) -> None:
        """Read up to the close, which is answered."""
        while self.closed is None:
            assert await self._next(), "no close"

    async def _next(self) -> bool:
        reader = self.raw.reader
        try:
            async with asyncio.timeout(PATIENCE_S):
                first, length = await reader.readexactly(2)
                if length >= 126:
                    length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8))
                content = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        assert first & 0xF0 == 0x80, "a server has no reason for fragments or reserved bits"
        match first & 0x0F:
            case 1:
                event = json.loads(content)
                error = event.get("error", {})
                self.heard.append((error.get("code", event["type"]), error.get("event_id") or ""))
            case 8:
                self.closed = (int.from_bytes(content[:2]) if content else 1005, content[2:])
                await self.raw.send(frame(CLOSE, content[:2]))
            case 10:
                self.heard.append(("pong", content))
            case other:
                raise AssertionError(f"opcode {other}")
        return True


@asynccontextmanager
async def frame_peer(live: Live, *fields: bytes) -> AsyncIterator[tuple[FramePeer, dict[str, str]]]:
    """A peer that has read ``session.created``, and the fields of the answer to its handshake."""
    async with raw_peer(live) as raw:
        await raw.send(HANDSHAKE + b"".join(line + b"\r\n" for line in fields) + b"\r\n")
        status, answered, _ = await raw.answer()
        assert status == 101
        peer = FramePeer(raw)
        await peer.hear(1)
        assert peer.heard.pop() == ("session.created", "")
        yield peer, answered
