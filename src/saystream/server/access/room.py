"""The room of one server: who may enter by any of its doors, how many at once, and how it empties."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, Self

import structlog

from saystream.errors import (
    AuthenticationFailed,
    Draining,
    InvalidRequest,
    LimitReached,
    ModelDenied,
    SaystreamError,
    StoreUnavailable,
)
from saystream.server.access.auth import UNKNOWN_KEY
from saystream.server.access.limits import Permit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from saystream.server.access.auth import Authenticator, Principal
    from saystream.server.access.keys import KeyLimits
    from saystream.server.access.limits import Limiter

__all__ = ["Guest", "Place", "Room"]

_FAREWELL_S = 0.5
"""How long guests have to say why they are cut off, once the time to drain is over."""

_RECHECK_S = 1.0
"""How soon after one look the keys of those inside are looked up again, in one query. What changes during a look is
seen by the next one: the pause and two slow answers of the database must fit into ``keys.VERIFY_TTL_S``."""

_log = structlog.get_logger(__name__)


class Guest(Protocol):
    """What occupies a place: a connection, or a request that is being spoken."""

    def drain(self) -> None:
        """The server is about to stop: finish what is being spoken, then end."""

    def cut_off(self) -> None:
        """The server is stopping now: end, and leave the place soon."""

    def expel(self, why: InvalidRequest) -> None:
        """The key no longer allows this: begin no new response, say why, and leave when the open one has ended."""


class Place:
    """A place that is taken until it is left. Leaving twice is harmless."""

    def __init__(
        self, principal: Principal, model: str | None, permit: Permit, leave: Callable[[Place], None]
    ) -> None:
        self.principal = principal
        """Who sits there, with the limits that hold now."""
        self.model = model
        """``None`` for one who stands: nothing is spoken there."""
        self.guest: Guest | None = None
        self.permit = permit
        self._leave = leave
        self._expelled: InvalidRequest | None = None

    def seat(self, guest: Guest) -> None:
        """Notify ``guest`` when the room is emptied. Without a guest, the room only waits for the place to be left."""
        self.guest = guest
        if self._expelled is not None:
            guest.expel(self._expelled)

    def expel(self, why: InvalidRequest) -> None:
        """The key no longer allows this place."""
        if self._expelled is None:
            self._expelled = why
            if self.guest is not None:
                self.guest.expel(why)

    def leave(self) -> None:
        """Give the place up, so that another can take it."""
        try:
            self.permit.release()
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
        self._places: dict[Place, None] = {}
        """In the order in which they were taken."""
        self._num_standing = 0
        """Of those, how many are taken by who stands."""
        self._recheck_fails = False
        self._left = asyncio.Event()
        """A place was left."""

    @property
    def num_taken(self) -> int:
        """Number of places taken; those who stand take none."""
        return len(self._places) - self._num_standing

    @property
    def guests(self) -> list[Guest]:
        return [place.guest for place in self._places if place.guest is not None]

    # --- coming in -------------------------------------------------------------------------------------------------

    async def authenticate(
        self, headers: Mapping[str, str], peer: str = "", *, stands: bool = False
    ) -> Principal:
        """Who sent ``headers`` from the address ``peer``, if there is room now, which one who ``stands`` does not need.

        Raises what the authenticator raises, then Draining or LimitReached.
        """
        principal = await self._authenticator.authenticate(headers, peer)
        self._check_open()
        if not stands:
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
        place = Place(principal, model, permit, self._leave)
        self._places[place] = None
        return place

    def stand(self, principal: Principal) -> Place:
        """A place for a connection on which nothing is spoken, only in places that it asks for later. It counts for no
        limit, but is told when the room is emptied or its key revoked. The caller must leave it.

        Raises Draining.
        """
        self._check_open()
        place = Place(principal, None, Permit(), self._leave)
        self._places[place] = None
        self._num_standing += 1
        return place

    def _check_open(self) -> None:
        if self.draining:
            raise Draining("the server is shutting down and accepts no new sessions")

    def _check(self) -> None:
        self._check_open()
        if self.num_taken >= self._max_sessions:
            raise LimitReached(f"all {self._max_sessions} sessions of this server are taken")

    def _leave(self, place: Place) -> None:
        if place in self._places:
            del self._places[place]
            self._num_standing -= place.model is None
        self._left.set()

    # --- keys that change --------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def watching_keys(self) -> AsyncIterator[None]:
        """Until its end, holds those who are inside to what their keys allow, within ``VERIFY_TTL_S``."""
        watching = asyncio.create_task(self._watch_keys())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait({watching})

    async def _watch_keys(self) -> None:
        while True:
            await asyncio.sleep(_RECHECK_S)
            try:
                await self.recheck()
            except StoreUnavailable as fault:
                # Those who are inside go on: a store that is away for a while must not end every session.
                if not self._recheck_fails:
                    _log.warning("keys of open sessions cannot be checked", error=fault)
                self._recheck_fails = True
            else:
                self._recheck_fails = False

    async def recheck(self) -> None:
        """Expel those whose key was revoked, or whose limits no longer allow them; give the others their new limits.

        Raises StoreUnavailable.
        """
        ids = {place.principal.key_id for place in self._places} - {None}
        if not ids:
            return
        keys = await self._authenticator.current([key_id for key_id in ids if key_id is not None])
        for key_id in ids:
            places = [place for place in self._places if place.principal.key_id == key_id]
            key = None if key_id is None else keys.get(key_id)
            if key is None:
                for place in places:
                    place.expel(AuthenticationFailed(UNKNOWN_KEY))
            else:
                await self._apply(
                    key.limits, [place for place in places if place.principal.limits != key.limits]
                )

    async def _apply(self, limits: KeyLimits, places: list[Place]) -> None:
        """Give ``places`` of one key new limits, the oldest first."""
        recounted = [
            place
            for place in places
            if place.model is not None and place.principal.limits.max_sessions != limits.max_sessions
        ]
        for place in places:
            place.principal = replace(place.principal, limits=limits)
            if place.model is None:
                continue
            try:
                self._limiter.check_model(place.principal, place.model)
            except ModelDenied as denied:
                place.expel(denied)
        for place in recounted:
            place.permit.release()
        for place in recounted:
            try:
                permit = await self._limiter.enter(place.principal)
            except LimitReached as reached:
                place.expel(reached)
                continue
            if place in self._places:
                place.permit = permit
            else:  # it was left meanwhile
                permit.release()

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
