"""What the official SDK really sends, recorded, replayed into the server's end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from saystream.protocol.realtime.codec import decode_client_event, encode
from saystream.protocol.realtime.server import ServerConnection
from saystream.protocol.realtime.state import SessionState

from .harness import kinds, make_server, sent, speak, take


def client_frames(capture: Path) -> list[str]:
    """The text frames of the client, on all connections of a capture."""
    connections = json.loads(capture.read_text("utf-8")).get("connections", [])
    frames = [frame for connection in connections for frame in connection["frames"]]
    return [frame["raw"] for frame in frames if frame["dir"] == "client"]


def replay(server: ServerConnection, frames: list[str]) -> list[dict[str, Any]]:
    """All answers, where every commit is spoken at once."""
    answers = []
    for frame in frames:
        take(server, frame)
        answers += sent(server)
        while server.pending_responses:
            answers += speak(server)
    if server.state is SessionState.FINISHING:
        server.finish_session()
    return answers + sent(server)


@pytest.mark.parametrize("version", ["1.25.11", "2.0.2"])
def test_a_server_commit_session_of_the_sdk_is_served(captures_dir: Path, version: str) -> None:
    frames = client_frames(captures_dir / f"realtime_server_commit_v{version}.json")
    answers = replay(make_server(), frames)
    assert len(frames) == 4
    assert kinds(answers)[0] == "session.updated"
    assert kinds(answers)[1:3] == ["input_text_buffer.committed", "response.created"]
    assert kinds(answers)[-1] == "session.finished"


@pytest.mark.parametrize("version", ["1.25.11", "2.0.2"])
def test_every_parameter_and_method_of_the_sdk_is_served(captures_dir: Path, version: str) -> None:
    frames = client_frames(captures_dir / f"realtime_commit_all_params_v{version}.json")
    server = make_server()
    answers = replay(server, frames)
    assert kinds(answers).count("response.done") == 2
    assert kinds(answers).count("input_text_buffer.cleared") == 1
    assert kinds(answers)[-1] == "session.finished"
    assert server.ignored_keys == ("custom_key",)
    config = server.config
    assert (config.mode, config.response_format, config.sample_rate) == ("commit", "mp3", 16000)
    assert (config.instructions, config.optimize_instructions) == ("Speak fast", True)
    errors = [answer["error"] for answer in answers if answer["type"] == "error"]
    assert [error["code"] for error in errors] == ["invalid_event"], "only custom.raw is no event"


def test_every_event_that_the_sdk_makes_is_understood(captures_dir: Path) -> None:
    frames = [frame for path in captures_dir.glob("realtime_*.json") for frame in client_frames(path)]
    # What a test sent by hand has no event_id.
    made_by_sdk = [frame for frame in frames if "event_id" in json.loads(frame)]
    assert len(made_by_sdk) > 20
    for frame in made_by_sdk:
        event = json.loads(frame)
        event.get("session", {}).pop("custom_key", None)
        assert json.loads(encode(decode_client_event(frame))) == event
