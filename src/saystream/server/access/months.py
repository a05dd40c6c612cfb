"""The characters that keys have used this month, in the database: exact for all processes that share it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from saystream.errors import StoreUnavailable
from saystream.storage.deadline import ANSWER_WITHIN_S, in_time
from saystream.storage.schema import monthly_characters as table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["MonthlyCharacters"]

_BATCH = 200
"""Counted in one transaction: on SQLite nobody else can write meanwhile."""


@dataclass(frozen=True, slots=True, eq=False)
class _Take:
    """One text that wants to be counted."""

    key_id: str
    limit: int
    amount: int
    answer: asyncio.Future[datetime | None]


class MonthlyCharacters:
    """One number for each key and month. Only keys with a monthly limit are counted.

    What comes while a transaction is being written waits for the next one, and all of it shares that one: however many
    requests there are, the database has one short write at a time. Belongs to one event loop.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._engine = engine
        self._utc_now = utc_now
        self._answer_within_s = answer_within_s
        self._insert = (postgresql if engine.dialect.name == "postgresql" else sqlite).insert
        self._waiting: deque[_Take] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def take(self, key_id: str, *, limit: int, amount: int) -> datetime | None:
        """Counts ``amount`` and returns ``None`` if it fits in this month; else returns the start of the next month.

        Raises StoreUnavailable; then it may have been counted all the same.
        """
        wanted = _Take(key_id, limit, amount, asyncio.get_running_loop().create_future())
        self._waiting.append(wanted)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(self._answer_within_s):
                return await wanted.answer
        except TimeoutError:
            raise StoreUnavailable(
                f"the count of the month does not answer within {self._answer_within_s:g} s"
            ) from None

    async def aclose(self) -> None:
        """Nobody asks any more. What is being written is given a moment to end."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=self._answer_within_s)

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                # In one order everywhere, so that two servers never wait for each other. Some may have been given up.
                await self._write_batch(
                    sorted((each for each in batch if not each.answer.done()), key=lambda each: each.key_id)
                )
        finally:
            self._writing = None

    async def _write_batch(self, batch: list[_Take]) -> None:
        now = self._utc_now()
        try:
            fits = await in_time(
                self._count(batch, f"{now:%Y-%m}"),
                what="the count of the month",
                within_s=self._answer_within_s,
            )
        except (SQLAlchemyError, OSError, StoreUnavailable) as error:
            message = f"the count of the month does not answer ({type(error).__name__})"
            _answer(batch, lambda answer: answer.set_exception(StoreUnavailable(message)))
        else:
            _answer([each for each in batch if each in fits], lambda answer: answer.set_result(None))
            _answer(batch, lambda answer: answer.set_result(_next_month(now)))

    async def _count(self, batch: list[_Take], month: str) -> set[_Take]:
        """Those of ``batch`` that fit, each after those before it; they are counted."""
        fits: set[_Take] = set()
        async with self._engine.begin() as connection:
            for key_id, wanted in groupby(batch, key=lambda each: each.key_id):
                row = (table.c.key_id == key_id, table.c.month == month)
                present = await self._lock(connection, key_id, month)
                used = present
                for each in wanted:
                    if used + each.amount <= each.limit:
                        used += each.amount
                        fits.add(each)
                if used > present:
                    await connection.execute(update(table).where(*row).values(characters=used))
        return fits

    async def _lock(self, connection: AsyncConnection, key_id: str, month: str) -> int:
        """What is counted, and stays so for all others until the transaction has ended."""
        # Not a SELECT: on SQLite another could write between it and the update.
        lock = (
            update(table)
            .where(table.c.key_id == key_id, table.c.month == month)
            .values(characters=table.c.characters)
            .returning(table.c.characters)
        )
        present = (await connection.execute(lock)).scalar_one_or_none()
        if present is None:
            first = self._insert(table).values(key_id=key_id, month=month, characters=0)
            await connection.execute(first.on_conflict_do_nothing())
            present = (await connection.execute(lock)).scalar_one()
        return int(present)


def _answer(batch: Iterable[_Take], how: Callable[[asyncio.Future[datetime | None]], None]) -> None:
    """Answers those that were neither answered nor given up."""
    for each in batch:
        if not each.answer.done():
            how(each.answer)


def _next_month(moment: datetime) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)
