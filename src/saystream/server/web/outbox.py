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
        self._groups: deque[tuple[tuple[str | bytes, ...], str]] = deque()
        """Frames that were put together, with the id of the response whose audio they are, or an empty string."""
        self._not_empty = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        """How many times ``take`` can be called without waiting."""
        return len(self._groups)

    def put(self, frames: Iterable[str | bytes], *, audio_of: str = "") -> None:
        """``audio_of`` names the response whose audio the frames are; a cancel may drop them, but all or none."""
        group = tuple(frames)
        if not group:
            return
        self._groups.append((group, audio_of))
        num_bytes = sum(map(len, group))
        self._everything.add(num_bytes)
        if not audio_of:
            self._answers.add(num_bytes)
        self._not_empty.set()

    def drop_audio(self, response_id: str) -> bool:
        """Drop the unsent audio of a response; everything else keeps its order. Returns whether there was any."""
        kept: deque[tuple[tuple[str | bytes, ...], str]] = deque()
        for group, audio_of in self._groups:
            if audio_of == response_id:
                self._everything.take(sum(map(len, group)))
            else:
                kept.append((group, audio_of))
        dropped = len(kept) < len(self._groups)
        self._groups = kept
        return dropped

    def close(self) -> None:
        """Nothing more will be put; ``take`` returns nothing after the rest."""
        self._closed = True
        self._not_empty.set()

    async def writable(self) -> None:
        await self._everything.opened()

    async def answerable(self) -> None:
        await self._answers.opened()

    async def take(self) -> tuple[str | bytes, ...]:
        """The next frames that were put together; empty after the last ones of a closed outbox."""
        while not self._groups:
            if self._closed:
                return ()
            self._not_empty.clear()
            await self._not_empty.wait()
        group, audio_of = self._groups.popleft()
        num_bytes = sum(map(len, group))
        self._everything.take(num_bytes)
        if not audio_of:
            self._answers.take(num_bytes)
        return group


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
