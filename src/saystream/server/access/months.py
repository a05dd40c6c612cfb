"""The characters that keys have used this month, in the database: exact for all processes that share it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from saystream.errors import StoreUnavailable
from saystream.storage.schema import monthly_characters as table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["MonthlyCharacters"]


class MonthlyCharacters:
    """One number for each key and month. Only keys with a monthly limit are counted."""

    def __init__(
        self, engine: AsyncEngine, *, utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._utc_now = utc_now
        self._insert = (postgresql if engine.dialect.name == "postgresql" else sqlite).insert

    async def take(self, key_id: str, *, limit: int, amount: int) -> datetime | None:
        """Counts ``amount`` and returns ``None`` if it fits in this month; else returns the start of the next month.

        Raises StoreUnavailable.
        """
        now = self._utc_now()
        month = f"{now:%Y-%m}"
        add = (
            update(table)
            .where(table.c.key_id == key_id, table.c.month == month, table.c.characters + amount <= limit)
            .values(characters=table.c.characters + amount)
        )
        first = self._insert(table).values(key_id=key_id, month=month, characters=0).on_conflict_do_nothing()
        try:
            # The update is one statement: if two run at once, the second sees what the first counted.
            async with self._engine.begin() as connection:
                if (await connection.execute(add)).rowcount:
                    return None
                await connection.execute(first)
                if (await connection.execute(add)).rowcount:
                    return None
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(
                f"the count of the month does not answer ({type(error).__name__})"
            ) from error
        return _next_month(now)


def _next_month(moment: datetime) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)
