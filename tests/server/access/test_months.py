from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from saystream.errors import StoreUnavailable
from saystream.server.access.keys import KeyStore
from saystream.server.access.months import MonthlyCharacters


class Calendar:
    def __init__(self) -> None:
        self.now = datetime(2030, 12, 31, 23, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def months(store_engine: AsyncEngine, calendar: Calendar) -> MonthlyCharacters:
    return MonthlyCharacters(store_engine, utc_now=calendar)


@pytest.fixture
async def key_id(store_engine: AsyncEngine) -> str:
    return (await KeyStore(store_engine).create("Ann")).key.id


async def test_a_month_has_room_for_its_limit_and_no_more(months: MonthlyCharacters, key_id: str) -> None:
    assert await months.take(key_id, limit=100, amount=60) is None
    assert await months.take(key_id, limit=100, amount=41) == datetime(2031, 1, 1, tzinfo=UTC)
    assert await months.take(key_id, limit=100, amount=40) is None
    assert await months.take(key_id, limit=100, amount=1) is not None


async def test_the_next_month_begins_with_nothing(
    months: MonthlyCharacters, key_id: str, calendar: Calendar
) -> None:
    assert await months.take(key_id, limit=10, amount=10) is None
    calendar.now = datetime(2031, 1, 1, tzinfo=UTC)
    assert await months.take(key_id, limit=10, amount=10) is None
    assert await months.take(key_id, limit=10, amount=1) == datetime(2031, 2, 1, tzinfo=UTC)


async def test_a_text_longer_than_the_limit_of_a_new_month_is_not_counted(
    months: MonthlyCharacters, key_id: str
) -> None:
    assert await months.take(key_id, limit=10, amount=11) is not None
    assert await months.take(key_id, limit=10, amount=10) is None


async def test_keys_are_counted_apart(
    months: MonthlyCharacters, key_id: str, store_engine: AsyncEngine
) -> None:
    other = (await KeyStore(store_engine).create("Bob")).key.id
    assert await months.take(key_id, limit=10, amount=10) is None
    assert await months.take(other, limit=10, amount=10) is None


async def test_two_hundred_at_once_use_exactly_the_limit(
    months: MonthlyCharacters, key_id: str, store_engine: AsyncEngine, calendar: Calendar
) -> None:
    elsewhere = MonthlyCharacters(store_engine, utc_now=calendar)
    refused = await asyncio.gather(
        *((months, elsewhere)[number % 2].take(key_id, limit=150, amount=3) for number in range(200))
    )
    assert refused.count(None) == 50


async def test_a_database_that_fails_lets_nothing_through(
    months: MonthlyCharacters, key_id: str, store_engine: AsyncEngine
) -> None:
    async with store_engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE monthly_characters")
    with pytest.raises(StoreUnavailable):
        await months.take(key_id, limit=10, amount=1)
