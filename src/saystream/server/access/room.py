"""The room of one server: who may enter by any of its doors, how many at once, and how it empties."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, Self

import structlog

from saystream.errors import Draining, LimitReached, SaystreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saystream.server.access.auth import Authenticator, Principal
    from saystream.server.access.limits import Limiter, Permit

__all__ = ["Guest", "Place", "Room"]

_FAREWELL_S = 0.5
"""How long guests have to say why they are cut off, once the time to drain is over."""

_log = structlog.get_logger(__name__)


class Guest(Protocol):
    """What occupies a place: a connection, or a request that is being spoken."""

    def drain(self) -> None:
        """The server is about to stop: finish what is being spoken, then end."""

    def cut_off(self) -> None:
        """The server is stopping now: end, and leave the place soon."""


class Place:
    """A place that is taken until it is left. Leaving twice is harmless."""

    def __init__(self, permit: Permit, leave: Callable[[Place], None]) -> None:
        self.guest: Guest | None = None
        self._permit = permit
        self._leave = leave

    def seat(self, guest: Guest) -> None:
        """Notify ``guest`` when the room is emptied. Without a guest, the room only waits for the place to be left."""
        self.guest = guest

    def leave(self) -> None:
        """Give the place up, so that another can take it."""
        try:
            self._permit.release()
        finally:
            self._leave(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


class Room:
    """Admits, counts and drains for all doors of one process together."""

    def __init__(self, authenticator: Authenticator, limiter: Limiter, *, max_sessions: int) -> None:
        self.draining = False
        """Nothing new is admitted."""
        self._authenticator = authenticator
        self._limiter = limiter
        self._max_sessions = max_sessions
        self._places: set[Place] = set()
        self._left = asyncio.Event()
        """A place was left."""

    @property
    def num_taken(self) -> int:
        """Number of places taken."""
        return len(self._places)

    @property
    def guests(self) -> list[Guest]:
        return [place.guest for place in self._places if place.guest is not None]

    # --- coming in -------------------------------------------------------------------------------------------------

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Who sent ``headers``, if there is room now.

        Raises what the authenticator raises, then Draining or LimitReached.
        """
        principal = await self._authenticator.authenticate(headers)
        self._check()
        return principal

    async def admit(self, principal: Principal, model: str, *, characters: int = 0) -> Place:
        """A place for a connection, or for a request of ``characters``. The caller must leave it.

        Raises what the limiter raises, Draining or LimitReached; then no place is taken.
        """
        permit = await self._limiter.admit(principal, model, characters=characters)
        try:
            self._check()  # others may have entered meanwhile
        except SaystreamError:
            permit.release()
            raise
        place = Place(permit, self._leave)
        self._places.add(place)
        return place

    def _check(self) -> None:
        if self.draining:
            raise Draining("the server is shutting down and accepts no new sessions")
        if self.num_taken >= self._max_sessions:
            raise LimitReached(f"all {self._max_sessions} sessions of this server are taken")

    def _leave(self, place: Place) -> None:
        self._places.discard(place)
        self._left.set()

    # --- emptying --------------------------------------------------------------------------------------------------

    async def drain(self, timeout_s: float) -> None:
        """Admit nothing new; let what is open end within ``timeout_s``, then cut it off."""
        self.draining = True
        for guest in self.guests:
            guest.drain()
        try:
            async with asyncio.timeout(timeout_s):
                await self._until(lambda: not self._places)
        except TimeoutError:
            _log.warning("sessions cut off", count=self.num_taken)
            await self.aclose()

    async def aclose(self) -> None:
        """Cut off what is open."""
        self.draining = True
        for guest in self.guests:
            guest.cut_off()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await self._until(lambda: not self.guests)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._left.clear()
            await self._left.wait()
