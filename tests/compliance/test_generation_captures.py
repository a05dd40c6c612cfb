"""Requests that official SDKs were recorded sending, sent again byte for byte."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from saystream.bench import ServerProcess
from saystream.protocol.http.generation import PATH
from saystream.protocol.http.sse import EventParser

from .recorded import recorded_connections, recorded_headers, send_recorded

NAMES = ("json", "sse", "speechsynthesizer")
VERSIONS = ("2.0.2", "1.25.11")
RECORDED = [
    *(f"http_qwen_tts_{name}_v{version}" for name in NAMES for version in VERSIONS),
    "http_qwen_tts_aio_v2.0.2",
    "v2client_http_v2.0.2",
]


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_request_is_spoken(
    name: str, shared_dir: Path, start_server: Callable[..., ServerProcess]
) -> None:
    authority = urllib.parse.urlsplit(start_server("tone").url).netloc
    count = 0
    for recorded in recorded_connections(shared_dir, name, PATH):
        count += 1
        headers = recorded_headers(recorded)
        assert int(headers["content-length"]) == len(recorded["body_raw"].encode())
        answer, received = send_recorded(recorded, authority)
        assert answer.status == 200, received
        if "x-dashscope-sse" in headers:
            events = EventParser(max_event_bytes=1 << 20).push(received)
            reasons = [json.loads(event.data)["output"]["finish_reason"] for event in events]
            assert reasons == ["null"] * (len(reasons) - 1) + ["stop"] and len(reasons) > 1
        else:
            said = json.loads(received)
            assert said["output"]["finish_reason"] == "stop"
            assert said["output"]["audio"]["url"].startswith(f"http://{authority}/files/")
    assert count > 0
