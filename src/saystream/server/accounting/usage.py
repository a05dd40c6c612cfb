"""What was spoken for whom: each response adds one row to the database, never its text.

A door adds a row and goes on. One task writes the rows in batches: a slow or missing database never delays speech,
and rows that find no room meanwhile are lost, counted and reported once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Literal

import structlog
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from saystream.server.accounting.billing import bill
from saystream.storage.schema import usage as table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from saystream.catalog.entries import Model
    from saystream.server.access.auth import Principal
    from saystream.server.accounting.metrics import Metrics

__all__ = [
    "Outcome",
    "UsageRecorder",
    "UsageRow",
    "remove_usage_before",
]

Outcome = Literal["completed", "cancelled", "failed"]

_MAX_WAITING = 10_000
"""Rows kept while the database does not answer, about 1 KB each."""

_BATCH = 500
_LINGER_S = 0.2
"""How long the first row of a batch waits for others: a transaction costs as much as a hundred rows."""

_RETRY_S = 5.0
_WRITE_TIMEOUT_S = 30.0
_FLUSH_TIMEOUT_S = 1.2
"""How long the process waits for the database when it ends: few rows are left then, and the database may hang."""
_CANCEL_TIMEOUT_S = 0.1

_REMOVED_AT_ONCE = 2000
"""Rows removed in one transaction: on SQLite nobody else can write meanwhile."""

_SWEEP_INTERVAL_S = 86_400.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """One response; the fields are the columns."""

    id: str
    """The response's at the realtime door, else the request's."""
    request_id: str
    """The id in the answer's header and in the log; at the realtime door, the handshake's."""
    created_at: datetime
    """When the response ended."""
    door: str
    """The door's ``name``."""
    key_id: str | None
    workspace: str | None
    model: str
    voice: str
    characters: int | None = None
    """What is billed: characters or tokens, depending on the model. The others are ``None``."""
    text_tokens: int | None = None
    audio_tokens: int | None = None
    audio_ms: float
    first_audio_ms: float | None
    """Time from the text to its first audio; ``None`` if there was no audio."""
    outcome: Outcome
    error_code: str | None

    @classmethod
    def of(
        cls,
        text: str,
        model: Model,
        principal: Principal,
        *,
        id: str,
        request_id: str,
        door: str,
        voice: str,
        audio_ms: float,
        first_audio_ms: float | None,
        outcome: Outcome,
        error_code: str | None,
    ) -> UsageRow:
        """The row for a response that ends now. Only the count of ``text`` is kept."""
        return cls(
            id=id,
            request_id=request_id,
            created_at=datetime.now(UTC),
            door=door,
            key_id=principal.key_id,
            workspace=principal.workspace,
            model=model.name,
            voice=voice,
            **asdict(bill(model, text, audio_ms)),
            audio_ms=audio_ms,
            first_audio_ms=first_audio_ms,
            outcome=outcome,
            error_code=error_code,
        )


@dataclass(slots=True)
class UsageRecorder:
    """Collects rows, and writes them when it can. Belongs to one event loop."""

    engine: AsyncEngine
    metrics: Metrics
    max_waiting: int = _MAX_WAITING
    linger_s: float = _LINGER_S
    retry_s: float = _RETRY_S
    _waiting: deque[UsageRow] = field(default_factory=deque, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _closing: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _losing: bool = field(default=False, init=False)
    """Rows have been lost since the last one was written."""
    _failing: bool = field(default=False, init=False)

    @asynccontextmanager
    async def running(self, *, retention_days: int) -> AsyncIterator[UsageRecorder]:
        """Writes rows until its end, then those that are left; removes rows older than ``retention_days`` every day."""
        writer = asyncio.create_task(self._write())
        sweeper = asyncio.create_task(self._sweep(timedelta(days=retention_days)))
        try:
            yield self
        finally:
            sweeper.cancel()
            self._closing.set()
            self._wake.set()
            await asyncio.wait({writer}, timeout=_FLUSH_TIMEOUT_S)
            writer.cancel()
            await asyncio.wait({writer, sweeper}, timeout=_CANCEL_TIMEOUT_S)  # a driver may hang
            self._lose(len(self._waiting))
            self._waiting.clear()

    @property
    def num_waiting(self) -> int:
        """Rows that are not in the database yet."""
        return len(self._waiting)

    def add(self, row: UsageRow) -> None:
        """Queue ``row`` to be written. Never waits and never fails; without room, the row is lost and counted."""
        if self._closing.is_set() or len(self._waiting) >= self.max_waiting:
            self._lose(1)
            return
        self._waiting.append(row)
        self._wake.set()

    def _lose(self, count: int) -> None:
        if count == 0:
            return
        self.metrics.usage_rows_dropped.inc(count)
        if not self._losing:
            self._losing = True
            _log.error("usage rows lost", count=count, waiting=len(self._waiting))

    # --- writing ---------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            if len(self._waiting) < _BATCH:
                await self._pause(self.linger_s)
            batch = list(islice(self._waiting, _BATCH))
            if not batch:
                if self._closing.is_set():
                    return
                self._wake.clear()
            elif await self._insert(batch):
                for _ in batch:
                    self._waiting.popleft()
            elif self._closing.is_set():
                return
            else:
                await self._pause(self.retry_s)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _insert(self, batch: list[UsageRow]) -> bool:
        """Whether ``batch`` is finished: in the database, except for rows that it will never accept."""
        dialect = postgresql if self.engine.dialect.name == "postgresql" else sqlite
        # A batch is sent again if its answer was lost.
        statement = dialect.insert(table).on_conflict_do_nothing()
        try:
            async with asyncio.timeout(_WRITE_TIMEOUT_S), self.engine.begin() as connection:
                await connection.execute(statement, [asdict(row) for row in batch])
        except Exception as error:  # whatever it is, try the next batch
            if _is_of_a_row(error):
                return await self._insert_parts(batch)
            if not self._failing:
                _log.warning("usage rows cannot be written", error=error, waiting=len(self._waiting))
            self._failing = True
            return False
        if self._failing:
            _log.info("usage rows are written again")
        self._failing = self._losing = False
        return True

    async def _insert_parts(self, batch: list[UsageRow]) -> bool:
        """Halves the batch until each refused row is alone: otherwise it would hold up all later rows."""
        if len(batch) == 1:
            self._lose(1)
            return True
        middle = len(batch) // 2
        return await self._insert(batch[:middle]) and await self._insert(batch[middle:])

    # --- removing --------------------------------------------------------------------------------------------------

    async def _sweep(self, age: timedelta) -> None:
        while True:
            try:
                removed = await remove_usage_before(self.engine, datetime.now(UTC) - age)
            except Exception as error:  # whatever it is, try again tomorrow
                _log.warning("old usage rows cannot be removed", error=error)
            else:
                if removed:
                    _log.info("old usage rows removed", count=removed)
            await asyncio.sleep(_SWEEP_INTERVAL_S)


def _is_of_a_row(error: Exception) -> bool:
    """Whether a value was refused, so that trying again is useless."""
    if isinstance(error, DataError | IntegrityError):
        return True
    # asyncpg has no exception class for a value out of range, only SQLSTATE classes 22 and 23.
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return state is not None and state[:2] in ("22", "23")


async def remove_usage_before(engine: AsyncEngine, moment: datetime) -> int:
    """Removes the rows of responses that ended before ``moment``; returns how many. Raises SQLAlchemyError."""
    old = select(table.c.id).where(table.c.created_at < moment).limit(_REMOVED_AT_ONCE)
    removed = 0
    while True:
        async with engine.begin() as connection:
            count = (await connection.execute(delete(table).where(table.c.id.in_(old)))).rowcount
        removed += count
        if count < _REMOVED_AT_ONCE:
            return removed
