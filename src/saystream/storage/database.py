"""Opens the database and brings its tables up to date."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Dialect, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from saystream.config import Settings
from saystream.errors import ConfigurationError
from saystream.storage.private import close_to_others

__all__ = ["DATABASE_FILE", "Store", "open_store", "reads_once", "serving_store", "writes_at_once"]

DATABASE_FILE = "saystream.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    """How long a database may take, and how many connections are used."""

    busy_s: float
    """One SQLite writer waits so long for another, which may be another program."""
    connect_s: float
    """To a PostgreSQL server: one that is lost behind a network must not be waited for forever."""
    statement_s: float
    """On PostgreSQL."""
    connections: int = 5
    free_connection_s: float = 30.0
    """How long one that is in use is waited for."""


_PATIENT = _Pace(busy_s=15.0, connect_s=10.0, statement_s=60.0)
"""Longer than a migration, for which other processes wait."""

_READING = _Pace(busy_s=1.0, connect_s=1.0, statement_s=1.0, free_connection_s=0.5)
_WRITING = _Pace(busy_s=1.0, connect_s=1.0, statement_s=2.0, free_connection_s=0.5)
"""While requests wait: shorter than ``deadline.ANSWER_WITHIN_S``, so that what cannot be had frees its connection."""

_BEGIN = "sqlite_begin"
"""Execution option: how to begin a transaction on SQLite; "" begins none."""

_LOOK_FOR_FILE_S = 1.0
"""How soon it is noticed that the file of an SQLite database was removed or replaced."""

_MIGRATION_LOCK = 0x73617973
"""A number that nothing else on the PostgreSQL server is likely to lock."""

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The engine of the database that ``settings`` name, with its tables up to date; closed at the end.

    An SQLite file gets mode 0600, a directory made for it 0700. Several processes may open one at once.
    Raises ConfigurationError if the database cannot be opened or was written by a newer saystream.
    """
    url = _database_url(settings)
    engine = _create_engine(url, _PATIENT)
    try:
        try:
            _prepare_sqlite_file(url)
            await _migrate(engine)
        except (SQLAlchemyError, sqlite3.Error, CommandError, OSError) as error:
            raise ConfigurationError(_why_not_opened(url, error), param="database_url") from error
        yield engine
    finally:
        await _dispose(engine)


@dataclass(frozen=True, slots=True)
class Store:
    """The database of a running server. Reads have connections of their own and never wait for writers."""

    reading: AsyncEngine
    writing: AsyncEngine


@asynccontextmanager
async def serving_store(settings: Settings) -> AsyncIterator[Store]:
    """The database that ``settings`` name, for requests that wait for it: no statement takes longer than they may.

    Opened like ``open_store``, with the same errors.
    """
    async with open_store(settings):
        pass
    url = _database_url(settings)
    # SQLite has one writer at a time: more connections would only wait inside it, each with a thread.
    is_sqlite = url.get_backend_name() == "sqlite"
    writing = replace(_WRITING, connections=1) if is_sqlite else _WRITING
    store = Store(_create_engine(url, _READING, read_only=True), _create_engine(url, writing))
    watching = asyncio.create_task(_watch_file(Path(url.database or ""), store)) if is_sqlite else None
    try:
        yield store
    finally:
        if watching is not None:
            watching.cancel()
        for engine in (store.reading, store.writing):
            await _dispose(engine)


def writes_at_once(engine: AsyncEngine) -> AsyncEngine:
    """``engine``, whose transactions on SQLite lock all other writers out as soon as they begin: what is read in one is
    still so when it writes."""
    return engine.execution_options(**{_BEGIN: "IMMEDIATE"})


def reads_once(engine: AsyncEngine) -> AsyncEngine:
    """``engine`` for single statements that read: they need no transaction, which would double their time."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="AUTOCOMMIT")
    return engine.execution_options(**{_BEGIN: ""})


async def _watch_file(path: Path, store: Store) -> None:
    """Let no connection go on with a file that was removed or replaced: what it writes there is lost."""
    opened = now = await asyncio.to_thread(path.stat)
    is_there = True
    while True:
        await asyncio.sleep(_LOOK_FOR_FILE_S)
        was_there = is_there
        try:
            now = await asyncio.to_thread(path.stat)  # a network's disk may hang
            is_there = True
        except OSError as error:
            is_there = False
            if was_there:
                _log.error("the file of the database cannot be reached", error=error)
        if is_there and os.path.samestat(opened, now):
            continue
        opened = now
        for engine in (store.reading, store.writing):
            await _dispose(engine)


async def _dispose(engine: AsyncEngine) -> None:
    """Close the connections of ``engine``: those in use once they come back."""
    event.listen(engine.sync_engine.pool, "checkin", _close_connection)
    await engine.dispose()


def _close_connection(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
    entry.invalidate()


def _database_url(settings: Settings) -> URL:
    if settings.database_url is None:
        return URL.create("sqlite+aiosqlite", database=str(settings.data_dir / DATABASE_FILE))
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError):
        # Not chained: its message may quote the URL, and so the password.
        raise ConfigurationError(
            "database_url is not a URL; an example is 'sqlite+aiosqlite:///saystream.db'",
            param="database_url",
        ) from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"database_url names '{url.drivername}'; supported: 'sqlite+aiosqlite', 'postgresql+asyncpg'",
            param="database_url",
        )
    if url.get_backend_name() == "sqlite" and (url.database or ":memory:").startswith((":memory:", "file:")):
        raise ConfigurationError(
            "database_url must name the file of an SQLite database", param="database_url"
        )
    return url


def _create_engine(url: URL, pace: _Pace, *, read_only: bool = False) -> AsyncEngine:
    is_sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = create_async_engine(
            url,
            connect_args=_sqlite_arguments(pace) if is_sqlite else _postgresql_arguments(pace),
            pool_pre_ping=not is_sqlite,
            pool_size=pace.connections,
            max_overflow=10 if pace is _PATIENT else 0,
            pool_timeout=pace.free_connection_s,
        )
    except (ImportError, NoSuchModuleError, InvalidRequestError) as error:
        raise ConfigurationError(
            f"database_url names the driver {url.drivername!r}, which is not installed or not asynchronous;"
            " use 'sqlite+aiosqlite', or install saystream[postgres] and use 'postgresql+asyncpg'",
            param="database_url",
        ) from error
    if is_sqlite:
        event.listen(engine.sync_engine, "do_connect", _without_making_a_file)
        event.listen(
            engine.sync_engine, "connect", _read_only_connection if read_only else _sqlite_connection
        )
        event.listen(engine.sync_engine, "begin", _begin_sqlite_transaction)
    return engine


def _sqlite_arguments(pace: _Pace) -> dict[str, Any]:
    # Otherwise sqlite3 begins transactions itself, but not before DDL: a migration would not be all or nothing.
    return {"timeout": pace.busy_s, "isolation_level": None}


def _postgresql_arguments(pace: _Pace) -> dict[str, Any]:
    arguments: dict[str, Any] = {"timeout": pace.connect_s, "command_timeout": pace.statement_s}
    if pace is not _PATIENT:
        # The server ends what its client no longer waits for: a lock must not outlive the request that took it.
        milliseconds = str(int(pace.statement_s * 1000))
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        arguments["server_settings"] = dict.fromkeys(names, milliseconds)
    return arguments


def _without_making_a_file(
    _: Dialect, __: ConnectionPoolEntry, positional: list[Any], named: dict[str, Any]
) -> None:
    """An empty database in the place of one that was removed would answer that there are no keys."""
    positional[0] = f"file:{quote(positional[0])}?mode=rw"
    named["uri"] = True


def _sqlite_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    _pragma(connection, "foreign_keys = ON")


def _read_only_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    _pragma(connection, "query_only = ON")


def _pragma(connection: DBAPIConnection, setting: str) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin_sqlite_transaction(connection: Connection) -> None:
    if mode := connection.get_execution_options().get(_BEGIN, "DEFERRED"):
        connection.exec_driver_sql(f"BEGIN {mode}")


def _prepare_sqlite_file(url: URL) -> None:
    if url.get_backend_name() != "sqlite" or url.database is None:
        return
    path = Path(url.database)
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)  # another process may make it now
    with _locked(path.parent):
        # Before SQLite creates it with the umask's mode. The side files get the same mode, unless they are there.
        path.touch(mode=0o600)
        for kept in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
            with suppress(FileNotFoundError):
                close_to_others(kept)
        with closing(sqlite3.connect(path, timeout=_PATIENT.busy_s)) as connection:
            # WAL: a command line that writes never stops the server from reading. It stays with the file. Under
            # the lock: of two processes that switch at once, SQLite fails one without waiting.
            connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One process at a time. Locks the directory, because SQLite's own locks would release one on the file."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


async def _migrate(engine: AsyncEngine) -> None:
    # The write lock is taken before the version is read, so the second of two processes finds the work done.
    async with writes_at_once(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "saystream.storage:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _why_not_opened(url: URL, error: Exception) -> str:
    where = url.render_as_string(hide_password=True)
    if isinstance(error, CommandError):
        return f"the database {where} is of a newer saystream ({error}); upgrade, or name another database"
    reason = getattr(error, "orig", None) or str(error) or type(error).__name__
    return f"cannot open the database {where}: {reason}"
