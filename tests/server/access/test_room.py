from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest
from structlog.testing import capture_logs

from client.virtual_time import on_virtual_time
from saystream.errors import (
    AuthenticationFailed,
    Draining,
    InvalidRequest,
    LimitReached,
    SaystreamError,
    StoreUnavailable,
)
from saystream.server.access.auth import Authenticator, Principal
from saystream.server.access.keys import VERIFY_TTL_S, Key, KeyLimits
from saystream.server.access.limits import Limiter, Permit
from saystream.server.access.months import MonthlyCharacters
from saystream.server.access.room import Place, Room
from saystream.server.access.tallies import LocalTally
from saystream.storage.deadline import ANSWER_WITHIN_S

ANN = Principal(key_id="key_1", label="Ann", workspace=None)
PATIENCE_S = 20.0


class FakeAuthenticator:
    def __init__(self) -> None:
        self.keys = {"key_1": KeyLimits()}

    async def authenticate(self, headers: Mapping[str, str], peer: str) -> Principal:
        if "authorization" not in headers:
            raise AuthenticationFailed("who?")
        return ANN

    async def current(self, key_ids: Collection[str]) -> dict[str, Key]:
        moment = datetime(2030, 1, 1, tzinfo=UTC)
        return {
            key_id: Key(key_id, "sk-", "Ann", moment, None, limits)
            for key_id, limits in self.keys.items()
            if key_id in key_ids
        }


class SlowAuthenticator(FakeAuthenticator):
    """Each look sees what was there at its beginning, and takes as long as a look may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def current(self, key_ids: Collection[str]) -> dict[str, Key]:
        seen = await super().current(key_ids)
        self.asked.set()
        await asyncio.sleep(ANSWER_WITHIN_S)
        return seen


class AwayAuthenticator(FakeAuthenticator):
    away = True

    async def current(self, key_ids: Collection[str]) -> dict[str, Key]:
        if self.away:
            raise StoreUnavailable("gone")
        return await super().current(key_ids)


class FakeLimiter:
    """Has a limit of its own, and takes its time."""

    def __init__(self) -> None:
        self.open = 0
        self.refusal: SaystreamError | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def admit(self, principal: Principal, model: str, *, characters: int = 0) -> Permit:
        await self.answers.wait()
        if self.refusal is not None:
            raise self.refusal
        self.open += 1
        return Permit(self._leave)

    def _leave(self) -> None:
        self.open -= 1


class FakeGuest:
    def __init__(self, place: Place, *, stays: bool = False) -> None:
        self.told: list[str] = []
        self._place = place
        self._stays = stays
        place.seat(self)

    def drain(self) -> None:
        self.told.append("drain")

    def expel(self, why: InvalidRequest) -> None:
        self.told.append(why.code)

    def cut_off(self) -> None:
        self.told.append("cut off")
        if not self._stays:
            self._place.leave()


@pytest.fixture
def limiter() -> FakeLimiter:
    return FakeLimiter()


@pytest.fixture
def room(limiter: FakeLimiter) -> Room:
    return Room(cast(Authenticator, FakeAuthenticator()), cast(Limiter, limiter), max_sessions=2)


# --- coming in -------------------------------------------------------------------------------------------------------


async def test_who_has_no_key_is_not_told_whether_there_is_room(room: Room) -> None:
    room.draining = True
    with pytest.raises(AuthenticationFailed):
        await room.authenticate({})


async def test_one_more_than_there_are_places_is_refused_until_one_is_left(
    room: Room, limiter: FakeLimiter
) -> None:
    places = [await room.admit(ANN, "model") for _ in "ab"]
    for refused in (room.authenticate({"authorization": "x"}), room.admit(ANN, "model")):
        with pytest.raises(LimitReached, match="all 2 sessions of this server are taken"):
            await refused
    assert (room.num_taken, limiter.open) == (2, 2)
    places[0].leave()
    assert await room.authenticate({"authorization": "x"}) is ANN
    with await room.admit(ANN, "model"):
        assert (room.num_taken, limiter.open) == (2, 2)
    assert (room.num_taken, limiter.open) == (1, 1)


async def test_a_place_that_is_left_twice_is_free_once(room: Room, limiter: FakeLimiter) -> None:
    with await room.admit(ANN, "model") as place:
        place.leave()
        other = await room.admit(ANN, "model")
    assert (room.num_taken, limiter.open) == (1, 1)
    other.leave()


async def test_who_stands_takes_no_place_and_needs_none(room: Room, limiter: FakeLimiter) -> None:
    places = [await room.admit(ANN, "model") for _ in "ab"]
    assert await room.authenticate({"authorization": "x"}, stands=True) is ANN
    with room.stand(ANN) as standing:
        guest = FakeGuest(standing)
        assert (room.num_taken, limiter.open) == (2, 2)
        assert room.guests == [guest]
    standing.leave()
    places[0].leave()
    assert (room.num_taken, limiter.open) == (1, 1)
    room.draining = True
    with pytest.raises(Draining):
        room.stand(ANN)
    with pytest.raises(Draining):
        await room.authenticate({"authorization": "x"}, stands=True)


async def test_what_the_limiter_refuses_takes_no_place(room: Room, limiter: FakeLimiter) -> None:
    limiter.refusal = LimitReached("too fast")
    with pytest.raises(LimitReached, match="too fast"):
        await room.admit(ANN, "model")
    assert (room.num_taken, limiter.open) == (0, 0)


async def test_of_those_who_come_at_once_no_more_are_let_in_than_there_are_places(
    room: Room, limiter: FakeLimiter
) -> None:
    limiter.answers.clear()
    asking = [asyncio.create_task(room.admit(ANN, "model")) for _ in range(5)]
    await asyncio.sleep(0)
    limiter.answers.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(isinstance(answer, Place) for answer in answers) == 2
    assert sum(isinstance(answer, LimitReached) for answer in answers) == 3
    assert (room.num_taken, limiter.open) == (2, 2)


async def test_who_is_let_in_by_the_limiter_while_the_room_drains_is_refused(
    room: Room, limiter: FakeLimiter
) -> None:
    limiter.answers.clear()
    asking = asyncio.create_task(room.admit(ANN, "model"))
    await asyncio.sleep(0)
    await room.drain(PATIENCE_S)
    limiter.answers.set()
    with pytest.raises(Draining):
        await asking
    assert limiter.open == 0


# --- keys that change ------------------------------------------------------------------------------------------------


@pytest.fixture
def authenticator() -> FakeAuthenticator:
    return FakeAuthenticator()


@pytest.fixture
def watched(authenticator: FakeAuthenticator) -> Room:
    """A room with a real limiter."""
    limiter = Limiter(LocalTally(), cast(MonthlyCharacters, None))
    return Room(cast(Authenticator, authenticator), limiter, max_sessions=9)


async def test_who_sits_there_with_a_revoked_key_is_expelled_once(
    watched: Room, authenticator: FakeAuthenticator
) -> None:
    guest = FakeGuest(await watched.admit(ANN, "model"))
    await watched.recheck()
    assert guest.told == []
    authenticator.keys.clear()
    await watched.recheck()
    await watched.recheck()
    assert guest.told == ["invalid_api_key"]


@on_virtual_time
async def test_who_sits_there_with_a_revoked_key_is_expelled_in_time_however_slow_the_database_is() -> None:
    authenticator = SlowAuthenticator()
    limiter = Limiter(LocalTally(), cast(MonthlyCharacters, None))
    room = Room(cast(Authenticator, authenticator), limiter, max_sessions=9)
    guest = FakeGuest(await room.admit(ANN, "model"))
    async with room.watching_keys():
        await authenticator.asked.wait()
        authenticator.keys.clear()  # after this look has seen it
        async with asyncio.timeout(VERIFY_TTL_S + 0.1):
            while not guest.told:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert guest.told == ["invalid_api_key"]


@on_virtual_time
async def test_a_database_that_is_away_for_a_while_expels_nobody_and_is_told_once() -> None:
    authenticator = AwayAuthenticator()
    limiter = Limiter(LocalTally(), cast(MonthlyCharacters, None))
    room = Room(cast(Authenticator, authenticator), limiter, max_sessions=9)
    guest = FakeGuest(await room.admit(ANN, "model"))
    with capture_logs() as lines:
        async with room.watching_keys():
            await asyncio.sleep(10)
            assert guest.told == []
            authenticator.away = False
            authenticator.keys.clear()
            await asyncio.sleep(VERIFY_TTL_S)
    assert guest.told == ["invalid_api_key"]
    assert [line["event"] for line in lines] == ["keys of open sessions cannot be checked"]


async def test_of_more_sessions_than_a_key_now_allows_the_oldest_stay(
    watched: Room, authenticator: FakeAuthenticator
) -> None:
    places = [await watched.admit(ANN, "model") for _ in range(3)]
    guests = [FakeGuest(place) for place in places]
    authenticator.keys["key_1"] = KeyLimits(max_sessions=2)
    await watched.recheck()
    assert [guest.told for guest in guests] == [[], [], ["rate_limit_exceeded"]]
    new = replace(ANN, limits=KeyLimits(max_sessions=2))
    with pytest.raises(LimitReached):
        await watched.admit(new, "model")
    for place in places[1:]:
        place.leave()
    (await watched.admit(new, "model")).leave()


async def test_new_limits_hold_for_those_who_are_inside(
    watched: Room, authenticator: FakeAuthenticator
) -> None:
    place = await watched.admit(ANN, "model")
    guest = FakeGuest(place)
    authenticator.keys["key_1"] = KeyLimits(characters_per_minute=5)
    await watched.recheck()
    assert place.principal.limits.characters_per_minute == 5
    authenticator.keys["key_1"] = KeyLimits(models=("another",))
    await watched.recheck()
    assert guest.told == ["model_access_denied"]


async def test_limits_of_sessions_and_models_are_not_for_who_stands(
    watched: Room, authenticator: FakeAuthenticator
) -> None:
    with watched.stand(ANN) as standing:
        guest = FakeGuest(standing)
        limits = KeyLimits(max_sessions=1, models=("other",))
        authenticator.keys["key_1"] = limits
        await watched.recheck()
        assert guest.told == []
        assert standing.principal.limits == limits
        del authenticator.keys["key_1"]
        await watched.recheck()
        assert guest.told == ["invalid_api_key"]


async def test_who_is_seated_after_the_key_was_revoked_is_told(
    watched: Room, authenticator: FakeAuthenticator
) -> None:
    place = await watched.admit(ANN, "model")
    authenticator.keys.clear()
    await watched.recheck()
    assert FakeGuest(place).told == ["invalid_api_key"]


# --- emptying --------------------------------------------------------------------------------------------------------


async def test_a_drain_tells_everybody_takes_nobody_and_ends_when_the_last_has_left(room: Room) -> None:
    places = [await room.admit(ANN, "model") for _ in "ab"]
    guest = FakeGuest(places[0])
    draining = asyncio.create_task(room.drain(PATIENCE_S))
    await asyncio.sleep(0)
    assert guest.told == ["drain"]
    with pytest.raises(Draining, match="shutting down"):
        await room.authenticate({"authorization": "x"})
    places[0].leave()
    await asyncio.sleep(0)
    assert not draining.done()
    places[1].leave()
    await draining
    assert guest.told == ["drain"]


async def test_after_its_time_a_drain_cuts_off_who_is_still_there(room: Room) -> None:
    guests = [FakeGuest(await room.admit(ANN, "model")) for _ in "ab"]
    await room.drain(0.01)
    assert [guest.told for guest in guests] == [["drain", "cut off"]] * 2
    assert room.num_taken == 0


async def test_nobody_can_keep_the_server_from_its_end(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saystream.server.access.room._FAREWELL_S", 0.01)
    stays = FakeGuest(await room.admit(ANN, "model"), stays=True)
    with await room.admit(ANN, "model"):  # nobody who could be told
        await room.drain(0.01)
    assert stays.told == ["drain", "cut off"]
