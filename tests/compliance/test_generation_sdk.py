"""The official SDK over HTTP, unmodified but for its URL, and our façade in its place: both must see the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saystream.bench import ServerProcess

DRIVER = Path(__file__).parent / "generation_driver.py"
OFFICIAL = ("2.0.2", "1.25.11")
DAY_S = 86_400
CHARACTERS = 82

pytestmark = pytest.mark.sdk

Drive = Callable[..., dict[str, Any]]


def base(server: ServerProcess) -> str:
    return server.url.replace("ws://", "http://") + "/api/v1"


@pytest.fixture
def tone_base(start_server: Callable[..., ServerProcess]) -> str:
    return base(start_server("tone"))


def driver(python: Path, module: str) -> Drive:
    def run(scenario: str, url: str, key: str = "sk-any") -> dict[str, Any]:
        command: list[str | Path] = [python, DRIVER, module, scenario, url, key]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return seen

    return run


@pytest.fixture(params=[*OFFICIAL, "ours"])
def drive(request: pytest.FixtureRequest, dashscope_python: Callable[[str], Path]) -> Drive:
    """``drive(scenario, url, key)``: what a caller of that SDK saw."""
    if request.param == "ours":
        return driver(Path(sys.executable), "saystream.sdk")
    return driver(dashscope_python(request.param), "dashscope")


@pytest.mark.parametrize("scenario", ["plain", "asynchronous", "instructed"])
def test_a_call_gives_a_link_to_the_whole_file(drive: Drive, tone_base: str, scenario: str) -> None:
    seen = drive(scenario, tone_base)
    assert (seen["status"], seen["code"], seen["message"]) == ([200, 200], "", "")
    output = seen["output"]
    assert time.time() + DAY_S - 120 < output.pop("expires_at") <= time.time() + DAY_S
    assert output == {
        "finish_reasons": ["stop"],
        "keys": ["audio", "choices", "finish_reason", "text"],
        "audio_keys": ["data", "expires_at", "id", "url"],
        "id_is_of_request": True,
    }
    assert seen["usage"] == {"input_tokens": 0, "output_tokens": 0, "characters": CHARACTERS}
    assert (seen["file_head"], seen["sizes_right"]) == ("RIFF", True)
    assert seen["file_bytes"] > 200_000
    assert seen["printed"] and seen["has_request_id"] and seen.get("attributes_are_keys", True)


@pytest.mark.parametrize("scenario", ["streamed", "asynchronous_streamed", "older_name_streamed"])
def test_a_stream_gives_audio_as_it_is_made_and_the_same_file(
    drive: Drive, tone_base: str, scenario: str
) -> None:
    seen = drive(scenario, tone_base)
    assert seen["status"] == [200, 200]
    assert seen["count"] > 10 and seen["request_ids"] == 1
    assert seen["output"]["finish_reasons"] == ["null", "stop"]
    assert (seen["stream_head"], seen["samples_equal"], seen["sizes_right"]) == ("RIFF", True, True)


def test_the_older_class_gives_tokens_for_the_older_model(drive: Drive, tone_base: str) -> None:
    seen = drive("older_name", tone_base)
    assert seen["status"] == [200, 200]
    assert seen["usage"]["output_tokens"] == 300  # 50 for each started second
    assert seen["usage"]["characters"] == 0
    assert seen["usage"]["total_tokens"] == seen["usage"]["input_tokens"] + 300


@pytest.mark.parametrize(
    ("scenario", "status", "code", "words"),
    [
        ("bad_voice", 400, "InvalidParameter", "did you mean 'Cherry'"),
        ("bad_voice_streamed", 400, "InvalidParameter", "did you mean 'Cherry'"),
        ("bad_model", 404, "ModelNotFound", "qwen3-tts-flash"),
        ("no_voice", 400, "InvalidParameter", "The voice property is required"),
        ("too_long", 400, "InvalidParameter", "601 characters; qwen3-tts-flash takes at most 600"),
    ],
)
def test_a_refusal_is_an_answer_with_status_code_and_message(
    drive: Drive, tone_base: str, scenario: str, status: int, code: str, words: str
) -> None:
    seen = drive(scenario, tone_base)
    assert (seen["count"], seen["status"], seen["code"]) == (1, [status, status], code)
    assert words in seen["message"]
    assert seen["has_request_id"] and seen["output"] is None


def test_a_wrong_key_is_an_answer_with_401(
    drive: Drive, start_server: Callable[..., ServerProcess], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data_dir = str(tmp_path_factory.mktemp("keys"))
    environment = {**os.environ, "SAYSTREAM_DATA_DIR": data_dir}
    command: list[str | Path] = [sys.executable, "-m", "saystream", "keys", "create", "test"]
    key = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    url = base(start_server("tone", data_dir=data_dir))
    for scenario in ("plain_refused", "streamed_refused"):
        seen = drive(scenario, url, "sk-wrong")
        assert (seen["status"], seen["code"]) == ([401, 401], "InvalidApiKey")
    assert drive("plain", url, key)["status"] == [200, 200]


def test_a_fault_in_a_stream_comes_after_what_was_heard(
    drive: Drive, start_server: Callable[..., ServerProcess]
) -> None:
    faulty = start_server("tone", SAYSTREAM_ENGINES='{"tone": {"fault": "error", "fault_after_ms": 2000}}')
    seen = drive("fault_in_the_stream", base(faulty))
    assert seen["code"] == "InternalError" and seen["message"]
    *heard, last = seen["statuses"]
    assert heard and set(heard) == {200}
    assert last in (400, 500)  # the vendor's classes show every error event as 400


def test_the_second_client_of_2_0_2_speaks(dashscope_python: Callable[[str], Path], tone_base: str) -> None:
    seen = driver(dashscope_python("2.0.2"), "dashscope")("second_client", tone_base)
    *begun, last = seen.pop("finish_reasons")
    assert (set(begun), last) == ({"null"}, "stop")
    assert seen.pop("file_bytes") > 200_000
    assert seen == {
        "status": 200,
        "request_id_is_the_headers": True,
        "usage": {"characters": CHARACTERS},
        "samples_equal": True,
    }


def test_the_second_client_raises_by_status(dashscope_python: Callable[[str], Path], tone_base: str) -> None:
    seen = driver(dashscope_python("2.0.2"), "dashscope")("second_client_errors", tone_base)
    kind, message = seen["bad_voice"]
    assert kind == "BadRequestError" and "code=InvalidParameter | status_code=400" in message
    kind, message = seen["bad_model"]
    assert kind == "NotFoundError" and "code=ModelNotFound | status_code=404" in message


def test_the_program_of_the_howto_writes_a_wav_file(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "speak-over-http.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    program = program.replace("http://127.0.0.1:8321/api/v1", base(start_server("tone")))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    spoken = (tmp_path / "speech.wav").read_bytes()
    assert spoken.startswith(b"RIFF") and len(spoken) > 48_000
