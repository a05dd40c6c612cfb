"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from foreign import REPOSITORY, Recogniser, foreign_python
from postgres import Cluster, postgres_programs, running_cluster
from saystream.config import Settings
from saystream.errors import ModelMissing
from saystream.models import ModelStore
from saystream.storage import open_store

# A busy machine is no reason to fail.
hypothesis.settings.register_profile(
    "patient",
    hypothesis.settings(),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that take long come first, so that no process is left alone with one at the end."""
    slow = {
        item.path for item in items if {"asr", "sdk", "slow"} & {mark.name for mark in item.iter_markers()}
    }
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command that a test runs in this process sets up the log of the whole process."""
    root = logging.root
    names = ("", "saystream", "uvicorn", "uvicorn.error")
    before = root.handlers[:], [logging.getLogger(name).level for name in names]
    yield
    root.handlers[:] = before[0]
    for name, level in zip(names, before[1], strict=True):
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of protocol documents and recorded traffic, which is not part of the repository."""
    folder = Path(os.environ.get("SAYSTREAM_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "protocol").is_dir():
        pytest.skip("the protocol documents are not here: SAYSTREAM_SHARED names no folder that has them")
    return folder


MODELS = ModelStore()
"""What ``scripts/test`` fetches. Read before the fixture below hides it."""


@pytest.fixture(scope="session", autouse=True)
def no_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Servers and engines of tests find no weights, whatever is on the machine: a test that wants some names them."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SAYSTREAM_MODELS_DIR", str(tmp_path_factory.getbasetemp() / "no-models"))
        yield


def folder_of_model(name: str) -> Path:
    """The folder of a model that ``scripts/test`` fetches; without it the test is skipped."""
    try:
        return MODELS.path(name)
    except ModelMissing as missing:
        pytest.skip(missing.message)


@pytest.fixture(scope="session")
def kokoro_folder() -> Path:
    """Kokoro's real weights: ``model.onnx`` and ``voices/<name>.bin``."""
    return folder_of_model("kokoro")


@pytest.fixture(scope="session")
def whisper_folder() -> Path:
    """Whisper small, as ``onnx-asr`` wants it."""
    return folder_of_model("whisper-small")


@pytest.fixture(scope="session")
def piper_folder() -> Path:
    """The Piper voice of Joe."""
    return folder_of_model("piper-en-us-joe")


@pytest.fixture(scope="session")
def dashscope_python() -> Callable[[str], Path]:
    """``dashscope_python("2.0.2")`` is an interpreter that has that official SDK, and nothing of ours."""
    return lambda version: foreign_python(f"dashscope-{version}")


@pytest.fixture
def recogniser(tmp_path: Path) -> Recogniser:
    return Recogniser(python=foreign_python("asr"), workspace=tmp_path)


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
