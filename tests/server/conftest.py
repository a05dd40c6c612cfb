from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from saystream.config import Settings
from saystream.server.store import open_store


@pytest.fixture
async def store_engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """The engine of a new, empty database."""
    async with open_store(Settings(data_dir=tmp_path, database_url=None)) as engine:
        yield engine
