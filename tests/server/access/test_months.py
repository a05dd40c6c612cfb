from __future__ import annotations

import asyncio
import sqlite3
from contextlib import aclosing, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from postgres import Cluster
from saystream.config import Settings
from saystream.errors import StoreUnavailable
from saystream.server.access.keys import KeyStore
from saystream.server.access.months import MonthlyCharacters
from saystream.storage import open_store, serving_store


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
    return MonthlyCharacters(store_engine, utc_now=calendar, answer_within_s=60)


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
    elsewhere = MonthlyCharacters(store_engine, utc_now=calendar, answer_within_s=60)
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


async def test_those_who_come_while_one_is_written_share_the_next_transaction(
    sqlite_engine: AsyncEngine,
) -> None:
    months = MonthlyCharacters(sqlite_engine, answer_within_s=60)
    ids = [(await KeyStore(sqlite_engine).create(label)).key.id for label in ("Ann", "Bob")]
    commits: list[object] = []
    event.listen(sqlite_engine.sync_engine, "commit", commits.append)
    answers = await asyncio.gather(*(months.take(key_id, limit=50, amount=1) for key_id in ids * 100))
    assert answers.count(None) == 100
    assert len(commits) <= 3


async def test_while_another_program_holds_the_lock_texts_are_refused_and_keys_are_read(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=None)
    async with open_store(settings) as engine:
        key_id = (await KeyStore(engine).create("Ann")).key.id
    async with serving_store(settings) as store, aclosing(MonthlyCharacters(store.writing)) as months:
        keys = KeyStore(store.reading, answer_within_s=60)
        with closing(sqlite3.connect(tmp_path / "saystream.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = [asyncio.create_task(months.take(key_id, limit=1000, amount=1)) for _ in range(40)]
            await asyncio.sleep(0)
            assert await keys.verify("sk-" + "x" * 43) is None
            refused = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(answer) for answer in refused} == {StoreUnavailable}
            other.execute("ROLLBACK")
            # Nothing of ours keeps the lock from the others.
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        assert await months.take(key_id, limit=1000, amount=1000) is None


async def test_a_connection_for_reading_cannot_write(tmp_path: Path) -> None:
    async with serving_store(Settings(data_dir=tmp_path, database_url=None)) as store:
        with pytest.raises(StoreUnavailable):
            await KeyStore(store.reading).create("Ann")


async def test_a_row_that_another_holds_in_postgresql_is_not_waited_for(
    postgres: Cluster, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=postgres.new_database())
    async with open_store(settings) as engine, serving_store(settings) as store:
        key_id = (await KeyStore(engine).create("Ann")).key.id
        months = MonthlyCharacters(store.writing, answer_within_s=60)
        assert await months.take(key_id, limit=1000, amount=1) is None
        async with engine.begin() as other:
            await other.exec_driver_sql("SELECT * FROM monthly_characters FOR UPDATE")
            with pytest.raises(StoreUnavailable):
                await months.take(key_id, limit=1000, amount=1)
        assert await months.take(key_id, limit=1000, amount=1) is None
