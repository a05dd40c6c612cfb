"""A server process for foreign clients: what they talk to is what a user starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from saystream.bench import ServerProcess

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of protocol documents and recorded traffic, which is not part of the repository."""
    folder = Path(os.environ.get("SAYSTREAM_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "seeds").is_dir():
        pytest.skip("the protocol documents are not here: SAYSTREAM_SHARED names no folder that has them")
    return folder


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
