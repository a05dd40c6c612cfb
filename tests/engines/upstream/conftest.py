from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from saystream.bench import ServerProcess


@pytest.fixture(scope="package")
def tone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of ours with the engine tone: what its users start, in a process of its own."""
    environment = {**os.environ, "SAYSTREAM_DATA_DIR": str(tmp_path_factory.mktemp("server"))}
    with ServerProcess(["--engine", "tone"], environment) as server:
        yield server
