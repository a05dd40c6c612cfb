"""The official SDK makes, uses and deletes voices, unmodified but for its URL."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hums import speech
from saystream.bench import ServerProcess
from uploads import written

DRIVER = Path(__file__).parent / "customization_driver.py"

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module", params=["2.0.2", "1.25.11"])
def seen(
    request: pytest.FixtureRequest,
    dashscope_python: Callable[[str], Path],
    start_server: Callable[..., ServerProcess],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What callers saw."""
    file = written("mp3", "lame", 24_000, speech(12, 24_000)[np.newaxis])
    recording = tmp_path_factory.mktemp("recording") / "voice.txt"
    recording.write_text(f"data:audio/mpeg;base64,{base64.b64encode(file).decode()}")
    command: list[str | Path] = [dashscope_python(request.param), DRIVER, start_server("tone").url, recording]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_the_enrolment_service_gives_a_voice_its_whole_life(seen: dict[str, Any]) -> None:
    life = seen["service"]
    assert life["created"].startswith("cosyvoice-v3-flash-sdk-")
    assert life["request_id"] and life["created"] in life["listed"]
    assert life["status"] == "OK"
    assert life["audio_bytes"] > 5_000
    assert life["updated"] is life["deleted"] is None
    assert life["gone"] == ["VoiceEnrollmentException", "BadRequest.ResourceNotExist"]
    assert life["silent"] == ["VoiceEnrollmentException", "BadRequest.UnsupportedFileFormat"]


def test_the_second_client_clones_and_designs(seen: dict[str, Any]) -> None:
    if "second_client" not in seen:
        pytest.skip("this version has no second client")
    life = seen["second_client"]
    assert life["created"].startswith("cosyvoice-v3-flash-new-") and life["created"] in life["listed"]
    assert life["status"] == "OK"
    assert life["gone"] == ["BadRequestError", "BadRequest.ResourceNotExist"]
    assert life["designed"].startswith("qwen-tts-vd-voice-voice-") and life["designed"] in life["designs"]
    assert life["preview"][0] == "wav" and life["preview"][1] > 10_000
    assert life["target"] == "qwen3-tts-vd-2026-01-26"
    assert life["design_gone"] == ["BadRequestError", "BadRequest.VoiceNotFound"]
