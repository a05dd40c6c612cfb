"""Frames on their way to one peer, bounded by water marks."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Outbox"]


class Outbox:
    """A queue with one reader, the sending task.

    ``put`` never waits, so that the answer to a client's event never does; who makes audio waits in ``writable()``
    while more than ``high_bytes`` lie here, until the peer has taken them down to ``low_bytes``.
    """

    def __init__(self, *, high_bytes: int, low_bytes: int) -> None:
        self._high_bytes = high_bytes
        self._low_bytes = low_bytes
        self._frames: deque[tuple[str, str]] = deque()
        """Each with the response whose audio it is, or an empty string."""
        self._waiting_bytes = 0
        self._not_empty = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frames: Iterable[str], *, audio_of: str = "") -> None:
        """``audio_of`` names the response whose audio the frames are; a cancel may drop them."""
        for frame in frames:
            self._frames.append((frame, audio_of))
            self._waiting_bytes += len(frame)
        if self._frames:
            self._not_empty.set()
        if self._waiting_bytes > self._high_bytes:
            self._writable.clear()

    def drop_audio(self, response_id: str) -> None:
        """Forget the audio of a response that was not sent yet; everything else keeps its order."""
        self._frames = deque(entry for entry in self._frames if entry[1] != response_id)
        self._waiting_bytes = sum(len(frame) for frame, _ in self._frames)
        self._note_taken()

    def close(self) -> None:
        """Nothing more will be put; ``take`` ends when the rest is taken."""
        self._closed = True
        self._not_empty.set()

    async def writable(self) -> None:
        await self._writable.wait()

    async def take(self) -> str | None:
        """The next frame, or ``None`` after the last one of a closed outbox."""
        while not self._frames:
            if self._closed:
                return None
            self._not_empty.clear()
            await self._not_empty.wait()
        frame, _ = self._frames.popleft()
        self._waiting_bytes -= len(frame)
        self._note_taken()
        return frame

    def _note_taken(self) -> None:
        if self._waiting_bytes <= self._low_bytes:
            self._writable.set()
