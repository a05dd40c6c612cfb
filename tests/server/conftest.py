from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from .live import Live, live_server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """A server whose engine takes no time, for the tests of one module: they mark themselves
    ``asyncio(loop_scope="module")``."""
    async with live_server(
        tmp_path_factory.mktemp("server"), realtime={"response_idle_ms": 200, "idle_timeout_s": 300}
    ) as live:
        yield live


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slow_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """A server whose engine speaks four times as fast as a person."""
    async with live_server(
        tmp_path_factory.mktemp("server"), engines={"tone": {"real_time_factor": 0.25}}
    ) as live:
        yield live
