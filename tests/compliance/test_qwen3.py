"""The official SDK and the engine that takes text while it speaks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from engines.qwen3.random_checkpoint import make_checkpoint
from saystream.bench import ServerProcess

DRIVER = Path(__file__).parent / "sdk_driver.py"

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(900)]

Drive = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def url(start_server: Callable[..., ServerProcess], tmp_path_factory: pytest.TempPathFactory) -> str:
    checkpoint = tmp_path_factory.mktemp("checkpoint")
    make_checkpoint(checkpoint, "custom_voice", mean_frames=12)
    options = {"FOLDER": str(checkpoint), "SLOTS": "2", "MAX_POSITIONS": "512", "THREADS": "1"}
    environment = {f"SAYSTREAM_ENGINES__QWEN3__{name}": value for name, value in options.items()}
    return start_server("qwen3", **environment).url + "/api-ws/v1/realtime"


@pytest.fixture
def drive(url: str, dashscope_python: Callable[[str], Path]) -> Drive:
    def run(scenario: str) -> dict[str, Any]:
        command: list[str | Path] = [dashscope_python("2.0.2"), DRIVER, "dashscope", scenario, url, "sk-any"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert not seen["errors"]
        return seen

    return run


def kinds(seen: dict[str, Any]) -> list[str]:
    return [name for name, _ in groupby(seen["events"]) if not name.startswith("on_")]


def test_audio_comes_before_the_last_text_is_sent(drive: Drive) -> None:
    seen = drive("dripped")
    assert seen["audio_bytes_before_the_last_text"] > 0
    assert kinds(seen).count("response.created") == 1


def test_in_commit_mode_each_commit_is_a_response(drive: Drive) -> None:
    seen = drive("commit")
    assert kinds(seen).count("response.audio.delta") == kinds(seen).count("response.done") == 2


def test_a_cancel_is_obeyed_and_speech_goes_on(drive: Drive) -> None:
    seen = drive("cancel")
    assert kinds(seen).count("response.done") == 2
    assert kinds(seen)[-1] == "session.finished"
