from __future__ import annotations

import asyncio
import stat
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from postgres import Cluster
from saystream.config import Settings
from saystream.errors import ConfigurationError, StoreUnavailable
from saystream.server.access.keys import KeyStore
from saystream.storage import database, open_store, serving_store
from saystream.storage.schema import keys, metadata

pytestmark = pytest.mark.slow


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def differences(engine: AsyncEngine) -> list[object]:
    """Between the tables of a database and the schema."""

    def compared(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with engine.connect() as connection:
        return await connection.run_sync(compared)


async def test_the_migrations_make_exactly_the_tables_of_the_schema(store_engine: AsyncEngine) -> None:
    assert await differences(store_engine) == []
    async with store_engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    assert tables == {"alembic_version", *metadata.tables}


async def test_a_database_opened_again_keeps_its_rows(store_settings: Settings) -> None:
    async with open_store(store_settings) as engine:
        made = await KeyStore(engine).create("Ann")
    async with open_store(store_settings) as engine:
        assert await KeyStore(engine).list() == (made.key,)


async def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "private"
    async with open_store(Settings(data_dir=directory)) as engine:
        await KeyStore(engine).create("Ann")
        assert mode_of(directory) == 0o700
        assert {file.name: mode_of(file) for file in directory.iterdir()} == {
            "saystream.db": 0o600,
            "saystream.db-shm": 0o600,
            "saystream.db-wal": 0o600,
        }


async def test_files_that_others_may_read_are_closed_to_them_and_a_directory_is_left_alone(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    names = ("saystream.db", "saystream.db-shm", "saystream.db-wal")
    for name in names:
        (tmp_path / name).touch(0o644)
    async with open_store(Settings(data_dir=tmp_path)):
        assert [mode_of(tmp_path / name) for name in names] == [0o600] * 3
        assert mode_of(tmp_path) == 0o755


async def test_the_write_ahead_log_lets_a_reader_go_on_beside_a_writer(sqlite_engine: AsyncEngine) -> None:
    async with sqlite_engine.begin() as writer:
        await writer.exec_driver_sql("DELETE FROM keys")
        async with sqlite_engine.begin() as reader:
            assert (await reader.execute(select(keys))).all() == []
            assert (await reader.exec_driver_sql("PRAGMA journal_mode")).scalar() == "wal"
            assert (await reader.exec_driver_sql("PRAGMA foreign_keys")).scalar() == 1


async def test_a_transaction_that_fails_leaves_nothing_of_its_ddl(store_engine: AsyncEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store_engine.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE half (id INTEGER)")
            _ = 1 / 0
    async with store_engine.connect() as connection:
        assert not await connection.run_sync(lambda sync: inspect(sync).has_table("half"))


async def test_moments_come_back_aware_and_in_utc(store_engine: AsyncEngine) -> None:
    tokyo = datetime(2030, 1, 1, 8, tzinfo=timezone(timedelta(hours=9)))
    async with store_engine.begin() as connection:
        await connection.execute(
            insert(keys).values(id="a", digest="b", hint="c", label="d", created_at=tokyo)
        )
        row = (await connection.execute(select(keys.c.created_at, keys.c.revoked_at))).one()
    assert (row.created_at, row.created_at.tzinfo, row.revoked_at) == (tokyo, UTC, None)


async def test_two_starts_in_one_process_migrate_once(store_settings: Settings) -> None:
    async def start() -> int:
        async with open_store(store_settings) as engine:
            return len(await KeyStore(engine).list())

    assert await asyncio.gather(*(start() for _ in range(8))) == [0] * 8


async def test_several_processes_may_start_at_once(store_settings: Settings) -> None:
    program = (
        "import asyncio, sys\n"
        "from saystream.config import Settings\n"
        "from saystream.server.access.keys import KeyStore\n"
        "from saystream.storage import open_store\n"
        "async def main():\n"
        "    async with open_store(Settings(data_dir=sys.argv[1], database_url=sys.argv[2] or None)) as engine:\n"
        "        await KeyStore(engine).create('Ann')\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "asyncio.run(main())\n"
    )
    settings = store_settings.model_copy(update={"data_dir": store_settings.data_dir / "new"})
    arguments = ["-W", "error", "-c", program, str(settings.data_dir), settings.database_url or ""]
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    results = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))

    assert [stderr for _, stderr in results] == [b""] * 3
    async with open_store(settings) as engine:
        assert len(await KeyStore(engine).list()) == 3


async def test_a_database_of_the_first_version_keeps_its_keys(store_settings: Settings) -> None:
    async with open_store(store_settings) as engine:
        made = await KeyStore(engine).create("Ann")
        async with engine.begin() as connection:
            await connection.run_sync(_leave_only_the_first_version)

    async with open_store(store_settings) as engine:
        assert await KeyStore(engine).list() == (made.key,)
        assert await differences(engine) == []


def _leave_only_the_first_version(connection: Connection) -> None:
    kept = {"id", "digest", "hint", "label", "created_at", "revoked_at"}
    for table in reversed(metadata.sorted_tables):
        if table is not keys:
            table.drop(connection)
    for column in keys.columns:
        if column.name not in kept:
            connection.exec_driver_sql(f"ALTER TABLE keys DROP COLUMN {column.name}")
    connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")


async def test_a_postgresql_that_is_gone_is_refused_with_the_reason(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://ann:hunter2@/test?host={tmp_path}"
    with pytest.raises(ConfigurationError, match="cannot open the database .*No such file") as caught:
        async with open_store(Settings(data_dir=tmp_path, database_url=url)):
            pass
    assert "hunter2" not in caught.value.message


async def test_connections_that_postgresql_cut_are_made_again(postgres: Cluster, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=postgres.new_database())
    async with open_store(settings) as engine:
        store = KeyStore(engine)
        made = await store.create("Ann")
        postgres.stop()
        with pytest.raises(StoreUnavailable):
            await store.list()
        postgres.start()
        assert await store.list() == (made.key,)


@pytest.mark.parametrize("returns", [True, False])
async def test_a_file_that_is_taken_away_is_neither_made_anew_nor_written_to(
    tmp_path: Path, returns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_LOOK_FOR_FILE_S", 0.01)
    folder, away = tmp_path / "data", tmp_path / "away"
    settings = Settings(data_dir=folder)
    async with open_store(settings) as engine:
        await KeyStore(engine).create("Ann")
    async with serving_store(settings) as store:
        keys_of = KeyStore(store.reading, answer_within_s=60)
        assert await keys_of.any_exist()
        folder.rename(away)
        with capture_logs() as lines:
            async with asyncio.timeout(60):
                while not lines:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        assert lines[0]["event"] == "the file of the database cannot be reached"
        for engine in (store.reading, store.writing):
            with pytest.raises(StoreUnavailable):
                await KeyStore(engine).list()
        assert not folder.exists()
        if returns:
            away.rename(folder)
        else:  # another one takes its place
            async with open_store(settings) as engine:
                await KeyStore(engine).create("Bea")
        (kept,) = await KeyStore(store.writing).list()
        assert kept.label == ("Ann" if returns else "Bea")


async def test_a_connection_that_comes_back_to_a_pool_that_is_gone_is_closed(tmp_path: Path) -> None:
    async with serving_store(Settings(data_dir=tmp_path)) as store:
        late = await store.reading.connect()
        driven = (await late.get_raw_connection()).driver_connection
        assert driven is not None
    assert driven._thread.is_alive()
    await late.close()
    assert not driven._running


async def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(store_settings: Settings) -> None:
    async with open_store(store_settings) as engine, engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(ConfigurationError, match="newer saystream.*9999.*upgrade"):
        async with open_store(store_settings):
            pass


async def test_a_url_names_another_file(tmp_path: Path) -> None:
    file = tmp_path / "else" / "where.db"
    async with open_store(Settings(data_dir=tmp_path, database_url=f"sqlite+aiosqlite:///{file}")):
        assert mode_of(file) == 0o600
    assert not (tmp_path / "saystream.db").exists()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("no url: hunter2", "database_url is not a URL"),
        ("postgresql+asyncpg://ann:hunter2@host:port/db", "database_url is not a URL"),
        ("mysql://ann:hunter2@host/db", "database_url names 'mysql'; supported: 'sqlite\\+aiosqlite'"),
        ("postgresql+nothing://ann:hunter2@host/db", "driver 'postgresql\\+nothing', which is not installed"),
        ("sqlite:///file.db", "driver 'sqlite', which is not installed or not asynchronous"),
        ("sqlite+aiosqlite://", "must name the file"),
        ("sqlite+aiosqlite:///:memory:", "must name the file"),
        ("sqlite+aiosqlite:///file:x?mode=memory&uri=true", "must name the file"),
    ],
)
async def test_a_url_that_cannot_work_is_refused_without_showing_its_password(
    tmp_path: Path, url: str, reason: str
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=url)
    assert "hunter2" not in repr(settings)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        async with open_store(settings):
            pass
    assert caught.value.param == "database_url"
    assert "hunter2" not in caught.value.message


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "saystream.db"
    file.write_bytes(b"a letter to a friend" * 100)
    with pytest.raises(ConfigurationError, match="saystream.db: file is not a database"):
        async with open_store(Settings(data_dir=tmp_path)):
            pass
    assert file.read_bytes() == b"a letter to a friend" * 100


async def test_a_directory_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot open the database .*Not a directory"):
        async with open_store(Settings(data_dir=tmp_path / "file" / "below")):
            pass
