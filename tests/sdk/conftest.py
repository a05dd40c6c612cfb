"""Fixtures of the SDK's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from client.doubles import serving
from saystream import sdk
from saystream.client import Timeouts
from saystream.sdk.audio import qwen_tts_realtime
from saystream.sdk.audio.qwen_tts_realtime import QwenTtsRealtime


@pytest.fixture
def server_url() -> Iterator[str]:
    """The realtime URL of a server in good order."""
    with serving() as server:
        yield server.url


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that comes about late, because the machine is busy with tests, is none that failed."""
    monkeypatch.setattr(qwen_tts_realtime, "_TIMEOUTS", Timeouts(open_s=60.0, close_s=60.0))
    monkeypatch.setattr(QwenTtsRealtime, "_first_event_s", 60.0)


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's globals as on a machine without a key."""
    monkeypatch.setattr(sdk, "api_key", None)
    monkeypatch.setattr(sdk, "api_key_file_path", None)
