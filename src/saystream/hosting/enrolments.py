"""Recordings that wait for an engine to make voices of them: one at a time for each of its processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from saystream.errors import Overloaded

if TYPE_CHECKING:
    from saystream.engines.base import Enrolled, Recording

__all__ = ["Enrolments"]


class _Host(Protocol):
    async def enroll(self, recording: Recording) -> Enrolled: ...


class Enrolments:
    """The line before one engine. In the order in which they came."""

    def __init__(self, hosts: Callable[[], Sequence[_Host]], *, max_waiting: int) -> None:
        """``hosts`` are those that can enroll now, the best first; it raises an error if there are none."""
        self._hosts = hosts
        self._max_waiting = max_waiting
        self._waiting = 0
        self._turn = asyncio.Lock()

    async def enroll(self, recording: Recording) -> Enrolled:
        """Raises what ``hosts`` and the engine raise, and Overloaded if too many wait."""
        self._hosts()
        if self._waiting > self._max_waiting:
            raise Overloaded(f"{self._waiting} recordings are waiting to be enrolled; try again later.")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._hosts()[0].enroll(recording)
        finally:
            self._waiting -= 1
