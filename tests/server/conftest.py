from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from saystream.server.access.keys import KeyStore
from saystream.server.access.months import MonthlyCharacters
from saystream.server.accounting import usage
from saystream.voices.custom.store import OwnVoiceStore

from .live import Live, live_server


@pytest.fixture(scope="session", autouse=True)
def patient_stores() -> Iterator[None]:
    """A database that answers late, because the machine is busy with tests, loses nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for store in (KeyStore, MonthlyCharacters, OwnVoiceStore):
            patch.setitem(store.__init__.__kwdefaults__ or {}, "answer_within_s", 60.0)
        patch.setattr(usage, "_FLUSH_TIMEOUT_S", 60.0)
        yield


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
