from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from saystream.server.access.keys import KeyStore
from saystream.server.accounting.usage_reports import (
    ANONYMOUS,
    COLUMNS,
    GroupedBy,
    Selection,
    Totals,
    totals,
    usage_rows,
)
from saystream.storage.schema import usage as table

from .test_usage import MIDNIGHT, row

DAY = timedelta(days=1)
TOKENS = {"model": "qwen-tts-realtime", "characters": None, "text_tokens": 3, "audio_tokens": 50}


@pytest.fixture
async def reported(store_engine: AsyncEngine) -> AsyncEngine:
    """A database with four rows, of three days, two keys and two models."""
    made = await KeyStore(store_engine).create("Ann")
    key_id = made.key.id
    rows = [
        row(1, key_id=key_id, created_at=MIDNIGHT - timedelta(microseconds=1), first_audio_ms=100.0),
        row(2, key_id=key_id, created_at=MIDNIGHT, first_audio_ms=300.0, outcome="cancelled"),
        row(3, key_id=None, created_at=MIDNIGHT + DAY / 2, first_audio_ms=None, outcome="failed", **TOKENS),
        row(4, key_id=None, created_at=MIDNIGHT + DAY, first_audio_ms=200.0),
    ]
    async with store_engine.begin() as connection:
        await connection.execute(insert(table), [asdict(each) for each in rows])
    return store_engine


async def reports(engine: AsyncEngine, by: GroupedBy, **chosen: object) -> list[Totals]:
    async with engine.connect() as connection:
        return await totals(connection, Selection(**chosen), by)  # type: ignore[arg-type]


async def test_everything_adds_up(reported: AsyncEngine) -> None:
    assert await reports(reported, "none") == [
        Totals(
            group="",
            label=None,
            responses=4,
            cancelled=1,
            failed=1,
            characters=36,
            text_tokens=3,
            audio_tokens=50,
            audio_s=cast(float, pytest.approx(6.002)),
            first_audio_ms=200.0,
        )
    ]


@pytest.mark.parametrize("by", ["day", "key", "model", "none"])
async def test_numbers_are_of_the_same_types_in_every_database(reported: AsyncEngine, by: GroupedBy) -> None:
    for group in await reports(reported, by):
        assert [type(value) for value in asdict(group).values()] == [
            *(str, type(group.label), int, int, int, int, int, int, float),
            type(group.first_audio_ms),
        ]
        assert group.first_audio_ms is None or type(group.first_audio_ms) is float


async def test_days_are_those_of_utc(reported: AsyncEngine) -> None:
    days = await reports(reported, "day")
    assert [(day.group, day.responses) for day in days] == [
        ("2029-12-31", 1),
        ("2030-01-01", 2),
        ("2030-01-02", 1),
    ]


async def test_keys_have_their_labels_and_those_without_are_together(reported: AsyncEngine) -> None:
    (ann,) = await KeyStore(reported).list()
    groups = {group.group: (group.label, group.responses) for group in await reports(reported, "key")}
    assert groups == {ann.id: ("Ann", 2), ANONYMOUS: (None, 2)}


async def test_models_are_apart(reported: AsyncEngine) -> None:
    groups = await reports(reported, "model")
    assert [(group.group, group.characters, group.audio_tokens) for group in groups] == [
        ("qwen-tts-realtime", 0, 50),
        ("qwen3-tts-flash-realtime", 36, 0),
    ]


async def test_rows_are_chosen_by_moment_and_key(reported: AsyncEngine) -> None:
    (ann,) = await KeyStore(reported).list()

    async def ids(**chosen: object) -> list[str]:
        async with reported.connect() as connection:
            selection = Selection(**chosen)  # type: ignore[arg-type]
            return [kept["id"][-1:] async for kept in usage_rows(connection, selection)]

    assert await ids() == ["1", "2", "3", "4"]
    assert await ids(since=MIDNIGHT) == ["2", "3", "4"]
    assert await ids(until=MIDNIGHT) == ["1"]
    assert await ids(since=MIDNIGHT, until=MIDNIGHT + DAY) == ["2", "3"]
    assert await ids(key_id=ann.id) == ["1", "2"]
    assert await ids(key_id=ANONYMOUS, until=MIDNIGHT + DAY) == ["3"]
    assert await ids(key_id="key_000000000000") == []


async def test_a_row_has_every_column_in_order(reported: AsyncEngine) -> None:
    async with reported.connect() as connection:
        rows = [kept async for kept in usage_rows(connection, Selection(until=MIDNIGHT))]
    assert [tuple(kept) for kept in rows] == [COLUMNS]
    assert rows[0]["created_at"] == MIDNIGHT - timedelta(microseconds=1)
    assert rows[0]["created_at"].tzinfo is UTC


async def test_nothing_adds_up_to_nothing(store_engine: AsyncEngine) -> None:
    assert await reports(store_engine, "day", since=datetime(2030, 1, 1, tzinfo=UTC)) == []
    (total,) = await reports(store_engine, "none")
    assert (total.responses, total.failed, total.audio_s, total.first_audio_ms) == (0, 0, 0.0, None)
