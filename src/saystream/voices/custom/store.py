"""Keeps voices of one's own in the database, and their recordings in the file store.

A voice is there whole or not at all, whenever a process ends: its recording is written before its row, and removed
after it. Several servers may share a store; one that shares the database shares the file store as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import structlog
from sqlalchemy import (
    JSON,
    ColumnElement,
    LargeBinary,
    RowMapping,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from saystream.errors import NoSuchFile, OwnVoiceExists, OwnVoiceLimit, StoreUnavailable
from saystream.storage.database import reads_once, writes_at_once
from saystream.storage.deadline import ANSWER_WITHIN_S, in_time
from saystream.storage.schema import voice_recordings, voice_renditions, voices
from saystream.voices.custom.voice import OwnVoice, Rendition
from saystream.voices.recipes import Recipe

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from saystream.config import OwnVoiceSettings
    from saystream.storage.database import Store
    from saystream.storage.files import FileStore
    from saystream.voices.custom.voice import Family, Origin

__all__ = ["OwnVoiceStore"]

_WORKSPACE_LOCK = 0x766F6963
"""A number that nothing else on the PostgreSQL server is likely to lock, together with one for the workspace."""

_UNFINISHED_S = 3600.0
"""No request that makes a voice takes this long: what it has not finished by then was left by a process that ended."""

_SWEPT_AT_ONCE = 500

_COLUMNS = [column for column in voices.c if column.name != "recording"]
_FIND = (
    select(*_COLUMNS, *(column for column in voice_renditions.c if column.name != "voice_id"))
    .outerjoin(voice_renditions, voice_renditions.c.voice_id == voices.c.id)
    .where(voices.c.workspace == bindparam("workspace"), voices.c.name == bindparam("name"))
)
_RECIPE_FIELDS = frozenset(each.name for each in fields(Recipe))

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class OwnVoiceStore:
    """The voices of all workspaces. Every method raises StoreUnavailable if the database or the file store does not
    answer in time."""

    def __init__(
        self,
        store: Store,
        files: FileStore,
        settings: OwnVoiceSettings,
        *,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._reading = store.reading
        self._reading_once = reads_once(store.reading)
        self._writing = store.writing
        self._files = files
        self._settings = settings
        self._utc_now = utc_now
        self._answer_within_s = answer_within_s
        self._insert = (postgresql if store.writing.dialect.name == "postgresql" else sqlite).insert

    @asynccontextmanager
    async def running(self) -> AsyncIterator[OwnVoiceStore]:
        """While it runs, unused voices and what interrupted requests have left are removed."""
        sweeper = asyncio.create_task(self._sweep_for_ever())
        try:
            yield self
        finally:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper

    # --- making ----------------------------------------------------------------------------------------------------

    async def check_room(self, workspace: str) -> None:
        """Raises OwnVoiceLimit if the workspace may keep no further voice; ``create`` makes sure of it once more."""

        async def look() -> None:
            async with self._transaction(self._reading) as connection:
                await self._check_room(connection, workspace)

        await self._asked(look())

    async def create(self, voice: OwnVoice, recording: bytes | None) -> None:
        """Keep a new voice with its renditions, and its ``recording`` (FLAC, mono), whole or not at all.

        Raises OwnVoiceLimit if its workspace may keep no further voice, OwnVoiceExists if it has one of that name.
        """
        kept = None if recording is None else await self._keep(recording)
        try:
            await self._asked(self._create(voice, kept))
        except (OwnVoiceLimit, OwnVoiceExists):
            await self._forget([kept])
            raise

    async def _create(self, voice: OwnVoice, recording: str | None) -> None:
        try:
            async with self._transaction(writes_at_once(self._writing)) as connection:
                if connection.dialect.name == "postgresql":
                    lock = text("SELECT pg_advisory_xact_lock(:lock, hashtext(:workspace))")
                    await connection.execute(lock, {"lock": _WORKSPACE_LOCK, "workspace": voice.workspace})
                await self._check_room(connection, voice.workspace)
                await connection.execute(insert(voices).values(**_columns(voice), recording=recording))
                await _write_renditions(connection, voice)
        except IntegrityError as error:
            raise OwnVoiceExists(voice.name) from error

    async def _check_room(self, connection: AsyncConnection, workspace: str) -> None:
        counted = select(func.count()).select_from(voices).where(voices.c.workspace == workspace)
        limit = self._settings.max_per_workspace
        if (await connection.execute(counted)).scalar_one() >= limit:
            raise OwnVoiceLimit(limit)

    # --- finding ---------------------------------------------------------------------------------------------------

    async def find(self, workspace: str, name: str) -> OwnVoice | None:
        """The voice of that name, with its renditions; ``None`` if the workspace has none."""
        return await self._asked(self._find(workspace, name))

    async def _find(self, workspace: str, name: str) -> OwnVoice | None:
        wanted = {"workspace": workspace, "name": name}
        async with self._transaction(self._reading_once) as connection:
            rows = (await connection.execute(_FIND, wanted)).mappings().all()
        if not rows:
            return None
        renditions = {row["engine"]: _rendition(row) for row in rows if row["engine"] is not None}
        return replace(_voice(rows[0]), renditions=renditions)

    async def list(
        self,
        workspace: str,
        *,
        family: Family | None = None,
        origin: Origin | None = None,
        prefix: str = "",
        page_index: int = 0,
        page_size: int = 10,
    ) -> tuple[Sequence[OwnVoice], int]:
        """One page of the voices of a workspace, the newest first, without their renditions; and how many there are on
        all pages. ``prefix`` is how that of ``OwnVoice`` begins."""
        wanted: list[ColumnElement[bool]] = [voices.c.workspace == workspace]
        for column, value in ((voices.c.family, family), (voices.c.origin, origin)):
            if value:
                wanted.append(column == value)
        if prefix:
            wanted.append(func.substr(voices.c.prefix, 1, len(prefix)) == prefix)
        return await self._asked(self._list(wanted, page_index * page_size, page_size))

    async def _list(
        self, wanted: Iterable[ColumnElement[bool]], offset: int, limit: int
    ) -> tuple[Sequence[OwnVoice], int]:
        counted = select(func.count()).select_from(voices).where(*wanted)
        newest = voices.c.created_at.desc(), voices.c.id.desc()
        page = select(*_COLUMNS).where(*wanted).order_by(*newest).offset(offset).limit(limit)
        async with self._transaction(self._reading) as connection:
            total = (await connection.execute(counted)).scalar_one()
            rows = (await connection.execute(page)).mappings().all() if offset < total else []
        return [_voice(row) for row in rows], total

    async def recording(self, voice: OwnVoice) -> bytes | None:
        """The recording (FLAC, mono) that it was cloned from; ``None`` if there is none, or the voice has gone."""
        wanted = select(voices.c.recording).where(voices.c.id == voice.id)
        for _ in range(2):
            kept = await self._asked(self._scalar(wanted))
            if kept is None:
                return None
            with suppress(NoSuchFile):  # it was changed just now
                return await self._files.recording(kept)
        return None

    async def _scalar(self, statement: Any) -> Any:
        async with self._transaction(self._reading) as connection:
            return (await connection.execute(statement)).scalar_one_or_none()

    # --- changing --------------------------------------------------------------------------------------------------

    async def change(self, voice: OwnVoice, recording: bytes | None = None) -> bool:
        """Replace all that is kept of a voice but its name and what it is by nature, with ``recording`` that as well.
        ``False`` if it has gone."""
        kept = None if recording is None else await self._keep(recording)
        was_there, replaced = await self._asked(self._change(voice, kept))
        await self._forget([replaced] if was_there else [kept])
        return was_there

    async def _change(self, voice: OwnVoice, recording: str | None) -> tuple[bool, str | None]:
        """Whether it is there, and which recording it has no more."""
        this = voices.c.id == voice.id
        columns = _columns(voice)
        changed = {name: columns[name] for name in ("status", "language", "transcript", "modified_at")}
        if recording is not None:
            changed["recording"] = recording
        async with self._transaction(writes_at_once(self._writing)) as connection:
            before = select(voices.c.recording).where(this).with_for_update()
            row = (await connection.execute(before)).one_or_none()
            if row is None:
                return False, None
            await connection.execute(update(voices).where(this).values(**changed))
            await connection.execute(delete(voice_renditions).where(voice_renditions.c.voice_id == voice.id))
            await _write_renditions(connection, voice)
        return True, None if recording is None else row.recording

    async def add_rendition(self, voice: OwnVoice, engine: str, rendition: Rendition) -> None:
        """Keep how one more engine speaks ``voice``; does nothing if there is such a rendition, or if the voice was
        changed since it was found, or has gone."""
        row = _rendition_columns(voice, engine, rendition)
        values = select(
            *(literal(row[name]) for name in ("voice_id", "engine")),
            literal(row["recipe"], JSON),
            literal(row["material"], LargeBinary),
            literal(row["similarity"], voice_renditions.c.similarity.type),
        ).where(
            select(voices.c.id)
            .where(voices.c.id == voice.id, voices.c.modified_at == voice.modified_at)
            .exists()
        )
        columns = ["voice_id", "engine", "recipe", "material", "similarity"]
        statement = self._insert(voice_renditions).from_select(columns, values).on_conflict_do_nothing()
        await self._asked(self._write(statement))

    async def mark_used(self, voice: OwnVoice) -> None:
        """``voice`` speaks."""
        used = update(voices).where(voices.c.id == voice.id).values(used_at=self._utc_now())
        await self._asked(self._write(used))

    async def _write(self, statement: Any) -> None:
        async with self._transaction(self._writing) as connection:
            await connection.execute(statement)

    # --- deleting --------------------------------------------------------------------------------------------------

    async def delete(self, workspace: str, name: str) -> bool:
        """Delete a voice and all that is kept of it. ``False`` if there is none."""
        deleted, recordings = await self._asked(
            self._delete(voices.c.workspace == workspace, voices.c.name == name)
        )
        await self._forget(recordings)
        return deleted > 0

    async def _delete(self, *which: ColumnElement[bool]) -> tuple[int, Sequence[str | None]]:
        """How many were deleted, and their recordings."""
        async with self._transaction(self._writing) as connection:
            gone = await connection.execute(delete(voices).where(*which).returning(voices.c.recording))
            recordings = list(gone.scalars())
        return len(recordings), recordings

    async def sweep(self) -> None:
        """Delete voices that nobody has used for long, and what processes that ended have left: recordings of no voice,
        and voices that were being made."""
        now = self._utc_now()
        last_used = func.coalesce(voices.c.used_at, voices.c.created_at)
        unused_since = now - timedelta(days=self._settings.unused_days)
        unused = select(voices.c.id).where(last_used < unused_since).limit(_SWEPT_AT_ONCE)
        deleted, recordings = await self._delete(voices.c.id.in_(unused))
        await self._forget(recordings)
        unfinished_since = now - timedelta(seconds=_UNFINISHED_S)
        left = voices.c.status == "DEPLOYING", voices.c.modified_at < unfinished_since
        await self._write(update(voices).where(*left).values(status="UNDEPLOYED"))
        of_a_voice = select(voices.c.id).where(voices.c.recording == voice_recordings.c.id).exists()
        of_none = select(voice_recordings.c.id).where(
            voice_recordings.c.written_at < unfinished_since, ~of_a_voice
        )
        async with self._transaction(self._reading) as connection:
            orphans = list((await connection.execute(of_none.limit(_SWEPT_AT_ONCE))).scalars())
        await self._forget(orphans)
        if deleted or orphans:
            _log.info("voices removed", unused=deleted, recordings_of_none=len(orphans))

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self.sweep()
            except StoreUnavailable as error:
                _log.warning("voices cannot be swept", error=error)
            await asyncio.sleep(self._settings.sweep_interval_s)

    # --- recordings ------------------------------------------------------------------------------------------------

    async def _keep(self, recording: bytes) -> str:
        """Stores a recording of which no voice knows yet."""
        kept = uuid4().hex
        row = insert(voice_recordings).values(id=kept, written_at=self._utc_now())
        await self._asked(self._write(row))
        await self._files.keep_recording(kept, recording)
        return kept

    async def _forget(self, recordings: Iterable[str | None]) -> None:
        """Removes recordings of which no voice knows any more. What cannot be removed now is swept later."""
        for kept in recordings:
            if kept is None:
                continue
            try:
                await self._files.remove_recording(kept)
                await self._asked(self._write(delete(voice_recordings).where(voice_recordings.c.id == kept)))
            except StoreUnavailable as error:
                _log.warning("a recording cannot be removed yet", error=error)

    # --- the database ----------------------------------------------------------------------------------------------

    async def _asked(self, work: Coroutine[Any, Any, T]) -> T:
        return await in_time(work, what="the store of voices", within_s=self._answer_within_s)

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            async with engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(f"the store of voices does not answer ({type(error).__name__})") from error


def _columns(voice: OwnVoice) -> dict[str, Any]:
    return {column.name: getattr(voice, column.name) for column in _COLUMNS}


def _voice(row: RowMapping) -> OwnVoice:
    return OwnVoice(**{column.name: row[column.name] for column in _COLUMNS})


def _rendition_columns(voice: OwnVoice, engine: str, rendition: Rendition) -> dict[str, Any]:
    return {
        "voice_id": voice.id,
        "engine": engine,
        "recipe": asdict(rendition.recipe),
        "material": rendition.material,
        "similarity": rendition.similarity,
    }


def _rendition(row: RowMapping) -> Rendition:
    written: Mapping[str, Any] = row["recipe"]
    # A later version may have written more.
    recipe = Recipe(**{name: value for name, value in written.items() if name in _RECIPE_FIELDS})
    return Rendition(recipe, bytes(row["material"]), row["similarity"])


async def _write_renditions(connection: AsyncConnection, voice: OwnVoice) -> None:
    rows = [_rendition_columns(voice, engine, each) for engine, each in voice.renditions.items()]
    if rows:
        await connection.execute(insert(voice_renditions), rows)
