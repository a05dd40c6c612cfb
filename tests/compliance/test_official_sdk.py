"""The official SDK, unmodified but for its URL, and our façade in its place: both must see the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from saystream.bench import ServerProcess

DRIVER = Path(__file__).parent / "sdk_driver.py"
OFFICIAL = ("2.0.2", "1.25.11")
ONE_RESPONSE = [
    "input_text_buffer.committed",
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.audio.delta",
    "response.audio.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]

pytestmark = pytest.mark.sdk

Drive = Callable[..., dict[str, Any]]


@pytest.fixture(params=[*OFFICIAL, "ours"])
def drive(request: pytest.FixtureRequest, dashscope_python: Callable[[str], Path]) -> Drive:
    """``drive(scenario, url, key, *more)``: what a caller of that SDK saw."""
    python = Path(sys.executable) if request.param == "ours" else dashscope_python(request.param)
    module = "saystream.sdk" if request.param == "ours" else "dashscope"

    def run(scenario: str, url: str, key: str = "sk-any", *more: str) -> dict[str, Any]:
        command: list[str | Path] = [python, DRIVER, module, scenario, url, key, *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return {**json.loads(done.stdout.splitlines()[-1]), "sdk": request.param}

    return run


def events(seen: dict[str, Any]) -> list[str]:
    """Without callbacks, and with a run of deltas as one."""
    return [name for name, _ in groupby(seen["events"]) if not name.startswith("on_")]


def test_server_commit_speaks_words_as_they_come_in_one_response(drive: Drive, tone_url: str) -> None:
    seen = drive("server_commit", tone_url)
    assert events(seen) == ["session.created", "session.updated", *ONE_RESPONSE, "session.finished"]
    session_id, response_id, first_audio_ms = seen["getters"]
    assert session_id.startswith("sess_") and response_id.startswith("resp_")
    assert 0 < first_audio_ms < 5000
    assert not seen["errors"]


def test_commit_makes_one_response_of_each_commit(drive: Drive, tone_url: str) -> None:
    seen = drive("commit", tone_url)
    assert events(seen) == [
        *("session.created", "session.updated", *ONE_RESPONSE, *ONE_RESPONSE, "session.finished")
    ]
    assert not seen["errors"]


def test_every_parameter_is_taken(drive: Drive, tone_url: str) -> None:
    seen = drive("every_parameter", tone_url)
    assert events(seen) == ["session.created", "session.updated", *ONE_RESPONSE, "session.finished"]
    assert seen["head"] == "RIFF"
    assert not seen["errors"]


def test_cleared_text_is_never_heard(drive: Drive, tone_url: str) -> None:
    seen = drive("clear", tone_url)
    assert "input_text_buffer.cleared" in seen["events"]
    assert 0 < seen["audio_s"] < 3


def test_a_cancelled_response_falls_silent_and_the_session_goes_on(
    drive: Drive, start_server: Callable[..., ServerProcess]
) -> None:
    slow = start_server("tone", SAYSTREAM_ENGINES='{"tone": {"real_time_factor": 0.5}}')
    seen = drive("cancel", slow.url + "/api-ws/v1/realtime")
    assert events(seen) == [
        *("session.created", "session.updated", *ONE_RESPONSE, *ONE_RESPONSE, "session.finished")
    ]
    first_done = seen["events"].index("response.done")
    assert seen["events"][:first_done].count("response.audio.delta") == seen["deltas_before_cancel"]
    assert seen["deltas_before_cancel"] < 200


def test_a_bad_voice_is_refused_by_name_and_the_session_lives_on(drive: Drive, tone_url: str) -> None:
    seen = drive("bad_voice", tone_url)
    (error,) = seen["errors"]
    assert (error["code"], error["param"]) == ("invalid_value", "session.voice")
    assert "Chery" in error["message"] and "Cherry" in error["message"]
    assert events(seen)[-1] == "session.updated"


def test_a_bad_model_is_explained_before_the_close(drive: Drive, tone_url: str) -> None:
    seen = drive("bad_model", tone_url)
    (error,) = seen["errors"]
    assert error["param"] == "model" and "qwen3-tts-flash-realtime" in error["message"]
    assert "session.created" not in seen["events"]
    assert seen["closed"][0] == 1008


def test_unknown_events_and_broken_json_leave_the_session_alive(drive: Drive, tone_url: str) -> None:
    seen = drive("unknown_event_and_bad_json", tone_url)
    assert len(seen["errors"]) == 2
    assert events(seen)[-1] == "session.updated"


def test_a_refused_key_fails_the_connect(
    drive: Drive, start_server: Callable[..., ServerProcess], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data_dir = str(tmp_path_factory.mktemp("keys"))
    environment = {**os.environ, "SAYSTREAM_DATA_DIR": data_dir}
    command: list[str | Path] = [sys.executable, "-m", "saystream", "keys", "create", "test"]
    key = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    url = start_server("tone", data_dir=data_dir).url + "/api-ws/v1/realtime"
    seen = drive("refused_key", url, "sk-wrong")
    assert "session.created" not in seen["events"]
    assert drive("bad_voice", url, key)["errors"]


def test_a_server_gone_mid_sentence_is_a_close_and_a_connection_error(drive: Drive) -> None:
    environment = {**os.environ, "SAYSTREAM_ENGINES": '{"tone": {"real_time_factor": 0.5}}'}
    with ServerProcess(["--engine", "tone"], environment) as server:
        seen = drive(
            "server_gone_mid_sentence", server.url + "/api-ws/v1/realtime", "sk-any", str(server.pid)
        )
    if seen["sdk"] != "1.25.11":  # that version raises another library's error
        assert seen["raised_after"] is True
    assert seen["closed"] == [None, None]
