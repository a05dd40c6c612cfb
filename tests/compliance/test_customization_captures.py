"""Requests for voices that official SDKs were recorded sending, sent again with a recording that there is."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hums import speech
from saystream.bench import ServerProcess
from saystream.protocol.customization.requests import PATH
from uploads import written

from .recorded import recorded_connections, send_recorded

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recording() -> str:
    """A data URI. The addresses in the records lead nowhere."""
    file = written("mp3", "lame", 24_000, speech(12, 24_000)[np.newaxis])
    return f"data:audio/mpeg;base64,{base64.b64encode(file).decode()}"


def sent(recorded: dict[str, Any], authority: str, replaced: dict[str, str]) -> tuple[int, Any]:
    answer, received = send_recorded(recorded, authority, replaced)
    return answer.status, json.loads(received)


@pytest.mark.parametrize("version", ["2.0.2", "1.25.11"])
def test_the_recorded_life_of_a_voice_is_lived_again(
    version: str, recording: str, shared_dir: Path, start_server: Callable[..., ServerProcess]
) -> None:
    authority = urllib.parse.urlsplit(start_server("tone").url).netloc
    replaced = {"https://x/a.wav": recording, "https://x/b.wav": recording}
    seen = []
    for recorded in recorded_connections(shared_dir, f"http_voice_enrollment_v{version}", PATH):
        status, body = sent(recorded, authority, replaced)
        action = recorded["body"]["input"]["action"]
        seen.append((action, status, body.get("code")))
        if action == "create_voice":
            replaced['"voice_id": "a"'] = f'"voice_id": "{body["output"]["voice_id"]}"'
        elif action == "list_voice":
            assert body["output"]["voice_list"][0].keys() >= {
                "voice_id",
                "gmt_create",
                "gmt_modified",
                "status",
            }
    assert seen == [
        ("create_voice", 200, None),
        ("list_voice", 200, None),
        ("list_voice", 200, None),
        ("query_voice", 200, None),
        ("update_voice", 200, None),
        ("delete_voice", 200, None),
        ("query_voice", 400, "BadRequest.ResourceNotExist"),
    ]


def test_the_recorded_requests_of_the_second_client_are_understood(
    recording: str, shared_dir: Path, start_server: Callable[..., ServerProcess]
) -> None:
    authority = urllib.parse.urlsplit(start_server("tone").url).netloc
    seen = []
    for recorded in recorded_connections(shared_dir, "v2client_http_v2.0.2", PATH):
        status, body = sent(recorded, authority, {"https://x/a.wav": recording})
        seen.append((recorded["body"]["input"]["action"], status, body.get("code")))
    assert seen == [
        ("create_voice", 200, None),
        ("create", 200, None),
        ("list", 200, None),
        ("query", 400, "BadRequest.VoiceNotFound"),
        ("delete", 400, "BadRequest.VoiceNotFound"),
    ]
