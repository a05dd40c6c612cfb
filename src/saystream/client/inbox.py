"""Events between the task that reads the socket and the one that uses them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from saystream.errors import ClientError, InvalidState

__all__ = ["Inbox"]

_Event = TypeVar("_Event")


class Inbox(Generic[_Event]):
    """A queue whose writer keeps its limit: put, and wait for ``room()`` before reading on.

    One task may wait in ``next()`` and one in ``room()``.
    """

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        self._events: deque[_Event] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._ended = False
        self._error: ClientError | None = None

    @property
    def full(self) -> bool:
        return len(self._events) >= self._max_events and not self._ended

    @property
    def error(self) -> ClientError | None:
        """What it ended with."""
        return self._error

    def put(self, event: _Event) -> None:
        """Queue ``event``; dropped after the end."""
        if not self._ended:
            self._events.append(event)
            _wake(self._reader)

    async def room(self) -> None:
        """Return once the inbox is not full, or has ended."""
        while self.full:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                await self._writer
            finally:
                self._writer = None

    async def next(self) -> _Event | None:
        """The next event. After the last one, each call returns ``None`` or raises what ``end`` was given.

        Raises InvalidState while another task waits here.
        """
        if self._reader is not None:
            raise InvalidState("two tasks read the events of one session; only one may at a time")
        while not self._events:
            if self._ended:
                if self._error is not None:
                    raise self._error
                return None
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        _wake(self._writer)
        return self._events.popleft()

    def end(self, error: ClientError | None, *, drop: bool = False) -> None:
        """No more events: ``next()`` returns what is queued, unless ``drop``, and then the end. Only the first call
        counts."""
        if drop:
            self._events.clear()
        if not self._ended:
            self._ended, self._error = True, error
        _wake(self._reader)
        _wake(self._writer)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
