"""A server process for foreign clients: what they talk to is what a user starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from saystream.bench import ServerProcess


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ServerProcess]]:
    """``start_server("tone", SAYSTREAM_…="…")``: a server with that engine and environment, until the tests end."""
    started: dict[tuple[str, ...], ServerProcess] = {}
    with ExitStack() as stack:

        def start(engine: str, **environment: str) -> ServerProcess:
            key = (engine, *map(str, sorted(environment.items())))
            if key not in started:
                data_dir = environment.pop("data_dir", str(tmp_path_factory.mktemp("server")))
                server = ServerProcess(
                    ["--engine", engine], {**os.environ, "SAYSTREAM_DATA_DIR": data_dir, **environment}
                )
                started[key] = stack.enter_context(server)
            return started[key]

        yield start


@pytest.fixture(scope="session")
def tone_url(start_server: Callable[..., ServerProcess]) -> str:
    """The realtime URL of a server with the tone engine and no keys."""
    return start_server("tone").url + "/api-ws/v1/realtime"
