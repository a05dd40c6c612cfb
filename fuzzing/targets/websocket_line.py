"""Frames of a peer after the handshake of a WebSocket: its connection ends in time, and nothing of it is left."""

from __future__ import annotations

from fuzzing.playing import play
from fuzzing.reading import Reader, pieces

MAX_BYTES = 400
DICTIONARY = "websocket"

_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def one(data: bytes) -> None:
    reader = Reader(data)
    seed, how = reader.byte(), reader.byte()
    answer = play([_HANDSHAKE, *pieces(_frames(reader), seed)], ends=how % 3, reads=how < 192)
    assert answer.startswith(b"HTTP/1.1 101 ")


def _frames(reader: Reader) -> bytes:
    """Frames with right lengths and masks first, whose bits and contents the input chooses; then it is on its own."""
    frames = bytearray()
    for _ in range(reader.byte() % 32):
        first, size = reader.byte(), reader.byte() % 126
        content = reader.take(size)
        frames += bytes((first, 0x80 | len(content))) + b"\0\0\0\0" + content
    return bytes(frames) + reader.rest()
