"""Fixtures of the SDK's tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.doubles import serving
from saystream import sdk


@pytest.fixture
def server_url() -> Iterator[str]:
    """The realtime URL of a server in good order."""
    with serving() as server:
        yield server.url


@pytest.fixture
def shared_dir() -> Path:
    """The folder with the protocol's documents, which is no part of the repository."""
    folder = Path(os.environ.get("SAYSTREAM_SHARED", Path(__file__).parents[3] / "shared"))
    if not folder.is_dir():
        pytest.skip("the protocol's documents are not here; SAYSTREAM_SHARED names their folder")
    return folder


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's globals as on a machine without a key."""
    monkeypatch.setattr(sdk, "api_key", None)
    monkeypatch.setattr(sdk, "api_key_file_path", None)
