"""The official SDK at a server of ours whose engine is another server: it must notice nothing of that."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saystream.bench import ServerProcess

from .test_official_sdk import DRIVER, ONE_RESPONSE, events

pytestmark = pytest.mark.sdk


@pytest.fixture
def drive(dashscope_python: Callable[[str], Path]) -> Callable[[str, str], dict[str, Any]]:
    def run(scenario: str, url: str) -> dict[str, Any]:
        command: list[str | Path] = [dashscope_python("2.0.2"), DRIVER, "dashscope", scenario, url, "sk-any"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return seen

    return run


@pytest.fixture(scope="module")
def relayed_url(start_server: Callable[..., ServerProcess]) -> str:
    """The realtime URL of a server that has its speech from the one of ``tone_url``."""
    options = {
        "SAYSTREAM_ENGINES__UPSTREAM__KIND": "dashscope",
        "SAYSTREAM_ENGINES__UPSTREAM__URL": start_server("tone").url,
        "SAYSTREAM_ENGINES__UPSTREAM__MODEL": "qwen3-tts-flash-realtime",
    }
    return start_server("upstream", **options).url + "/api-ws/v1/realtime"


def test_every_sample_is_that_of_the_server_behind(
    drive: Callable[[str, str], dict[str, Any]], tone_url: str, relayed_url: str
) -> None:
    seen = drive("server_commit", relayed_url)
    assert events(seen) == ["session.created", "session.updated", *ONE_RESPONSE, "session.finished"]
    assert seen["audio_bytes"] > 48000
    assert seen["audio_sha256"] == drive("server_commit", tone_url)["audio_sha256"]


def test_audio_comes_before_the_last_text_is_sent(
    drive: Callable[[str, str], dict[str, Any]], relayed_url: str
) -> None:
    seen = drive("dripped", relayed_url)
    assert events(seen) == ["session.created", "session.updated", *ONE_RESPONSE, "session.finished"]
    assert 0 < seen["audio_bytes_before_the_last_text"] < seen["audio_bytes"]


@pytest.mark.parametrize("scenario", ["commit", "clear", "cancel"])
def test_a_session_goes_as_it_would_without_a_server_behind(
    drive: Callable[[str, str], dict[str, Any]], tone_url: str, relayed_url: str, scenario: str
) -> None:
    seen = drive(scenario, relayed_url)
    assert events(seen) == events(drive(scenario, tone_url))
    assert not seen["errors"]
