"""Frames waiting to be sent to one peer, limited by water marks."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Outbox"]


class Outbox:
    """A queue with one reader, the sending task.

    ``put`` never waits. Who makes audio waits in ``writable()`` once more than ``high_bytes`` are queued, until only
    ``low_bytes`` are left. Who answers the client's events waits in ``answerable()`` in the same way, but counts only
    the answers: audio that the peer does not read must not stop its cancel from being read.
    """

    def __init__(self, *, high_bytes: int, low_bytes: int) -> None:
        self._everything = _Gate(high_bytes, low_bytes)
        self._answers = _Gate(high_bytes, low_bytes)
        self._frames: deque[tuple[str | bytes, str, bool]] = deque()
        """Each with the id of the response whose audio it is, or an empty string, and whether it belongs to the frame
        before it."""
        self._not_empty = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frames: Iterable[str | bytes], *, audio_of: str = "") -> None:
        """``audio_of`` names the response whose audio the frames are; a cancel may drop them, but all or none."""
        for number, frame in enumerate(frames):
            self._frames.append((frame, audio_of, number > 0))
            self._everything.add(len(frame))
            if not audio_of:
                self._answers.add(len(frame))
        if self._frames:
            self._not_empty.set()

    def drop_audio(self, response_id: str) -> bool:
        """Drop the unsent audio of a response; everything else keeps its order. Returns whether there was any."""
        kept: deque[tuple[str | bytes, str, bool]] = deque()
        has_begun = True  # what belongs to the last frame that was taken is sent as well
        for entry in self._frames:
            frame, audio_of, follows = entry
            has_begun = has_begun and follows
            if audio_of == response_id and not has_begun:
                self._everything.take(len(frame))
            else:
                kept.append(entry)
        dropped = len(kept) < len(self._frames)
        self._frames = kept
        return dropped

    def close(self) -> None:
        """Nothing more will be put; ``take`` returns ``None`` after the rest."""
        self._closed = True
        self._not_empty.set()

    async def writable(self) -> None:
        await self._everything.opened()

    async def answerable(self) -> None:
        await self._answers.opened()

    async def take(self) -> str | bytes | None:
        """The next frame, or ``None`` after the last one of a closed outbox."""
        while not self._frames:
            if self._closed:
                return None
            self._not_empty.clear()
            await self._not_empty.wait()
        frame, audio_of, _ = self._frames.popleft()
        self._everything.take(len(frame))
        if not audio_of:
            self._answers.take(len(frame))
        return frame


class _Gate:
    """Shut when more than ``high_bytes`` are queued, until only ``low_bytes`` are left."""

    def __init__(self, high_bytes: int, low_bytes: int) -> None:
        self._high_bytes = high_bytes
        self._low_bytes = low_bytes
        self._waiting_bytes = 0
        self._open = asyncio.Event()
        self._open.set()

    def add(self, num_bytes: int) -> None:
        self._waiting_bytes += num_bytes
        if self._waiting_bytes > self._high_bytes:
            self._open.clear()

    def take(self, num_bytes: int) -> None:
        self._waiting_bytes -= num_bytes
        if self._waiting_bytes <= self._low_bytes:
            self._open.set()

    async def opened(self) -> None:
        await self._open.wait()
