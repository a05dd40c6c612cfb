"""Recorded traffic of official SDKs, sent again as it is in the records."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def recorded_connections(shared_dir: Path, name: str, target: str) -> Iterator[dict[str, Any]]:
    """Those connections of a record that were made to the path ``target``."""
    record = json.loads((shared_dir / "protocol" / "captures" / f"{name}.json").read_text("utf-8"))
    for connection in record["connections"]:
        if connection["request"]["target"] == target:
            yield connection


def send_recorded(
    recorded: dict[str, Any], authority: str, replaced: Mapping[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send an HTTP request byte for byte, but for the name of the server, and for what is ``replaced`` in its body; the
    answer and its body."""
    content = recorded["body_raw"].encode()
    for known, other in (replaced or {}).items():
        content = content.replace(known.encode(), other.encode())
    connection = http.client.HTTPConnection(authority, timeout=60)
    connection.putrequest("POST", recorded["request"]["target"], skip_host=True, skip_accept_encoding=True)
    for field, value in recorded["request"]["headers"]:
        changed = {"host": authority, "content-length": str(len(content))}
        connection.putheader(field, changed.get(field.lower(), value))
    connection.endheaders(content)
    answer = connection.getresponse()
    received = answer.read()
    connection.close()
    return answer, received


def recorded_headers(recorded: dict[str, Any]) -> dict[str, str]:
    """The headers of a recorded request, by their names in small letters."""
    return {field.lower(): value for field, value in recorded["request"]["headers"]}
