"""Fixtures of the SDK's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from client.doubles import serving
from saystream import sdk


@pytest.fixture
def server_url() -> Iterator[str]:
    """The realtime URL of a server in good order."""
    with serving() as server:
        yield server.url


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's globals as on a machine without a key."""
    monkeypatch.setattr(sdk, "api_key", None)
    monkeypatch.setattr(sdk, "api_key_file_path", None)
