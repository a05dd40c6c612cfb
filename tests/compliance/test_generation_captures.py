"""Requests that official SDKs were recorded sending, sent again byte for byte."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from saystream.bench import ServerProcess
from saystream.protocol.http.generation import PATH
from saystream.protocol.http.sse import EventParser

NAMES = ("json", "sse", "speechsynthesizer")
VERSIONS = ("2.0.2", "1.25.11")
RECORDED = [
    *(f"http_qwen_tts_{name}_v{version}" for name in NAMES for version in VERSIONS),
    "http_qwen_tts_aio_v2.0.2",
    "v2client_http_v2.0.2",
]


def requests(shared_dir: Path, name: str) -> Iterator[dict[str, Any]]:
    capture = json.loads((shared_dir / "protocol" / "captures" / f"{name}.json").read_text("utf-8"))
    for connection in capture["connections"]:
        if connection["request"]["target"] == PATH:
            yield connection


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_request_is_spoken(
    name: str, shared_dir: Path, start_server: Callable[..., ServerProcess]
) -> None:
    authority = urllib.parse.urlsplit(start_server("tone").url).netloc
    count = 0
    for recorded in requests(shared_dir, name):
        count += 1
        content = recorded["body_raw"].encode()
        headers = {field.lower(): value for field, value in recorded["request"]["headers"]}
        assert int(headers["content-length"]) == len(content)
        connection = http.client.HTTPConnection(authority, timeout=20)
        connection.putrequest("POST", PATH, skip_host=True, skip_accept_encoding=True)
        for field, value in recorded["request"]["headers"]:
            connection.putheader(field, authority if field.lower() == "host" else value)
        connection.endheaders(content)
        answer = connection.getresponse()
        received = answer.read()
        connection.close()
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
