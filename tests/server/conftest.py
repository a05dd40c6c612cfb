from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from saystream.config import Settings
from saystream.server.store import open_store

from .live import Live, live_server
from .postgres import Cluster, postgres_programs, running_cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: on Debian, `apt-get install postgresql` brings it")
    with running_cluster(programs) as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with a new, empty database: a test that takes them runs on each kind."""
    url = None
    if request.param == "postgresql":
        postgres: Cluster = request.getfixturevalue("postgres")
        url = postgres.new_database()
    return Settings(data_dir=tmp_path, database_url=url)


@pytest.fixture
async def store_engine(store_settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The engine of a new, empty database, of each kind."""
    async with open_store(store_settings) as engine:
        yield engine


@pytest.fixture
async def sqlite_engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """The engine of a new, empty SQLite file."""
    async with open_store(Settings(data_dir=tmp_path, database_url=None)) as engine:
        yield engine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """A server whose engine takes no time, for the tests of one module: they mark themselves
    ``asyncio(loop_scope="module")``."""
    async with live_server(tmp_path_factory.mktemp("server"), realtime={"response_idle_ms": 200}) as live:
        yield live


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slow_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """A server whose engine speaks four times as fast as a person."""
    async with live_server(
        tmp_path_factory.mktemp("server"), engines={"tone": {"real_time_factor": 0.25}}
    ) as live:
        yield live
