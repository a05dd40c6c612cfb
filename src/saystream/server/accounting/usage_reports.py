"""Reports on the usage rows of a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from sqlalchemy import ColumnElement, case, func, literal, select

from saystream.storage.schema import keys
from saystream.storage.schema import usage as table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["ANONYMOUS", "COLUMNS", "GroupedBy", "Selection", "Totals", "totals", "usage_rows"]

ANONYMOUS = "anonymous"
"""Stands for requests without a key."""

COLUMNS = tuple(column.name for column in table.c)
"""Columns of a row, in order."""

GroupedBy = Literal["day", "key", "model", "none"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows; ``None`` selects all."""

    since: datetime | None = None
    until: datetime | None = None
    """End of the period, itself excluded."""
    key_id: str | None = None
    """``ANONYMOUS`` selects rows without a key."""

    def conditions(self) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if self.since is not None:
            conditions.append(table.c.created_at >= self.since)
        if self.until is not None:
            conditions.append(table.c.created_at < self.until)
        if self.key_id == ANONYMOUS:
            conditions.append(table.c.key_id.is_(None))
        elif self.key_id is not None:
            conditions.append(table.c.key_id == self.key_id)
        return conditions


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals for one group of rows."""

    group: str
    """A day in UTC, a key id or ``ANONYMOUS``, a model, or empty for all."""
    label: str | None
    """The key's label."""
    responses: int
    cancelled: int
    failed: int
    characters: int
    text_tokens: int
    audio_tokens: int
    audio_s: float
    first_audio_ms: float | None
    """The mean over rows that had audio."""


async def totals(connection: AsyncConnection, chosen: Selection, by: GroupedBy) -> list[Totals]:
    """Totals for each group that has rows, in order; ``none`` always gives one. Raises SQLAlchemyError."""
    group = _group(connection.dialect.name, by)
    statement = select(
        group.label("group"),
        (func.max(keys.c.label) if by == "key" else literal(None)).label("label"),
        func.count().label("responses"),
        _count_of("cancelled"),
        _count_of("failed"),
        *(func.coalesce(func.sum(table.c[name]), 0).label(name) for name in _SUMMED),
        (func.coalesce(func.sum(table.c.audio_ms), 0.0) / 1000).label("audio_s"),
        func.avg(table.c.first_audio_ms).label("first_audio_ms"),
    ).where(*chosen.conditions())
    if by == "key":
        statement = statement.select_from(table.outerjoin(keys, keys.c.id == table.c.key_id))
    if by != "none":
        statement = statement.group_by(group).order_by(group)
    rows = (await connection.execute(statement)).mappings().all()
    # PostgreSQL sums integers to a Decimal.
    return [Totals(**{**row, **{name: int(row[name]) for name in _SUMMED}}) for row in rows]


async def usage_rows(connection: AsyncConnection, chosen: Selection) -> AsyncIterator[dict[str, Any]]:
    """Every row, oldest first, read as needed. Raises SQLAlchemyError."""
    statement = select(table).where(*chosen.conditions()).order_by(table.c.created_at, table.c.id)
    async with connection.stream(statement) as result:
        async for row in result:
            yield row._asdict()


_SUMMED = ("characters", "text_tokens", "audio_tokens")


def _count_of(outcome: str) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((table.c.outcome == outcome, 1), else_=0)), 0).label(outcome)


def _group(dialect: str, by: GroupedBy) -> ColumnElement[str]:
    match by:
        case "key":
            # Not a bound literal: PostgreSQL would not see that it groups by what it selects.
            return func.coalesce(table.c.key_id, literal(ANONYMOUS, literal_execute=True))
        case "model":
            return table.c.model.expression
        case "day" if dialect == "postgresql":
            moment = func.timezone(literal("UTC", literal_execute=True), table.c.created_at)
            return func.to_char(moment, literal("YYYY-MM-DD", literal_execute=True))
        case "day":
            return func.substr(table.c.created_at, 1, 10)
    return literal("")
