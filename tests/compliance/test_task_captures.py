"""Traffic of CosyVoice and Sambert that official SDKs were recorded in, replayed against a server of ours.

The recorded server is a scripted one. What is compared is what it was scripted after: the kinds of the events, their
order, their fields and the order of those.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from saystream.bench import ServerProcess
from saystream.protocol.http.speech_synthesizer import PATH as HTTP_PATH
from saystream.protocol.http.sse import EventParser
from saystream.server.doors.task import PATH

from .recorded import recorded_connections, recorded_headers, send_recorded

VERSIONS = ("2.0.2", "1.25.11")
RECORDED = [
    *(
        f"{name}_v{version}"
        for name in (
            *("inference_call_default", "inference_call_callback", "inference_streaming_all_params"),
            *("inference_cancel", "inference_object_pool", "sambert_call"),
        )
        for version in VERSIONS
    ),
    "v2client_tts_ws_v2.0.2",
]
OVER_HTTP = ["http_cosyvoice_json_v2.0.2", "http_cosyvoice_sse_v2.0.2", "v2client_http_v2.0.2"]
AUDIO, RESULT = "audio", "result-generated"
SPOKEN = ["sentence-synthesis", AUDIO]
REPEATED = ([AUDIO], SPOKEN, ["sentence-begin", *SPOKEN, "sentence-end"])
# The handshake makes its own.
OF_THE_HANDSHAKE = ("host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version")
# Where the documents have another order than the scripted server.
DOCUMENTED_ORDER = {
    frozenset({"type", "sentence"}): ("type", "sentence"),
    frozenset({"type", "sentence", "original_text"}): ("type", "sentence", "original_text"),
    frozenset({"task_id", "event", "error_code", "error_message", "attributes"}): (
        *("task_id", "event", "error_code", "error_message", "attributes"),
    ),
}

Event = dict[str, Any]

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def tone(start_server: Callable[..., ServerProcess]) -> ServerProcess:
    return start_server("tone")


def replayed(connection: ClientConnection, frames: list[Event]) -> Iterator[Event | bytes]:
    """Sends the client's recorded frames, waits where its SDK waits, and yields what the server sends."""
    for frame in frames:
        if frame["dir"] == "server":
            continue
        connection.send(frame["raw"])
        header = json.loads(frame["raw"])["header"]
        if header["action"] == "run-task":
            yield from until(
                connection, "task-started" if header["streaming"] == "duplex" else "task-finished"
            )
        elif header["action"] == "finish-task":
            yield from until(connection, "task-finished")


def until(connection: ClientConnection, last: str) -> Iterator[Event | bytes]:
    while True:
        received = connection.recv(timeout=60)
        if isinstance(received, bytes):
            assert received, "an empty frame ends the older SDK"
            yield received
            continue
        event: Event = json.loads(received)
        yield event
        if event["header"]["event"] in (last, "task-failed"):
            return


def recorded_events(frames: list[Event]) -> list[Event | bytes]:
    return [frame.get("json", b"-") for frame in frames if frame["dir"] == "server"]


def kind(event: Event | bytes) -> str:
    if isinstance(event, bytes):
        return AUDIO
    output = event["payload"].get("output") or {}
    return str(output.get("type", event["header"]["event"]))


def story(events: list[Event | bytes]) -> list[str]:
    """The kinds of events, in which any number of sentences, and of parts of a sentence, is as good as one."""
    told: list[str] = []
    for each in map(kind, events):
        told.append(each)
        for repeated in REPEATED:
            size = len(repeated)
            if told[-2 * size :] == repeated * 2:
                del told[-size:]
    return told


def documented(value: Any) -> Any:
    """A recorded event, with its fields in the order of the documents."""
    if not isinstance(value, dict):
        return value
    return {name: documented(value[name]) for name in DOCUMENTED_ORDER.get(frozenset(value), tuple(value))}


def shape(value: Any) -> Any:
    """The fields in their order, with the types of their values."""
    if isinstance(value, dict):
        return [(name, shape(item)) for name, item in value.items()]
    return type(value).__name__


def by_task(events: list[Event | bytes]) -> list[list[Event | bytes]]:
    """One list for each task: audio belongs to the task whose event was before it."""
    tasks: dict[str, list[Event | bytes]] = {}
    current = ""
    for event in events:
        if not isinstance(event, bytes):
            current = event["header"]["task_id"]
        tasks.setdefault(current, []).append(event)
    return list(tasks.values())


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_commands_are_answered_as_they_were(
    name: str, shared_dir: Path, tone: ServerProcess
) -> None:
    count = 0
    for recorded in recorded_connections(shared_dir, name, PATH):
        headers = [
            (field, "Bearer sk-ours" if field.lower() == "authorization" else value)
            for field, value in recorded["request"]["headers"]
            if field.lower() not in OF_THE_HANDSHAKE
        ]
        frames = recorded["frames"]
        with connect(
            tone.url + PATH, additional_headers=headers, user_agent_header=None, proxy=None, max_size=None
        ) as connection:
            ours = list(replayed(connection, frames))
        theirs = recorded_events(frames)
        shapes = {kind(event): shape(documented(event)) for event in theirs if isinstance(event, dict)}
        assert [shape(event) for event in ours if isinstance(event, dict)] == [
            shapes[kind(event)] for event in ours if isinstance(event, dict)
        ]
        cancelled = any('"directive": "cancel"' in frame.get("raw", "") for frame in frames)
        for mine, other in zip(by_task(ours), by_task(theirs), strict=True):
            count += 1
            assert task_id(mine[0]) == task_id(other[0])
            if cancelled:  # before or after a sentence has begun
                assert (kind(mine[0]), kind(mine[-1])) == ("task-started", "task-finished")
            elif name.startswith("sambert"):  # the times of a sentence come after its audio
                assert story(mine) == ["task-started", AUDIO, RESULT, "task-finished"]
                assert sorted(story(mine)) == sorted(story(other))
            else:
                assert story(mine) == story(other)
    assert count > 0


def task_id(event: Event | bytes) -> str:
    assert isinstance(event, dict)
    return str(event["header"]["task_id"])


def words_of(events: list[Event | bytes]) -> list[Event]:
    """Those of the first sentence of Sambert."""
    (first, *_) = (event for event in events if isinstance(event, dict) and kind(event) == RESULT)
    words: list[Event] = first["payload"]["output"]["sentence"]["words"]
    return words


@pytest.mark.parametrize("name", ["sambert_call_v2.0.2", "sambert_call_v1.25.11"])
def test_the_words_of_sambert_have_the_recorded_fields(
    name: str, shared_dir: Path, tone: ServerProcess
) -> None:
    (recorded,) = recorded_connections(shared_dir, name, PATH)
    with connect(tone.url + PATH, proxy=None, max_size=None) as connection:
        ours = list(replayed(connection, recorded["frames"]))
    mine, other = words_of(ours), words_of(recorded_events(recorded["frames"]))
    assert list(mine[0])[: len(other[0])] == list(other[0])
    assert mine[0]["phonemes"], "they were asked for"


@pytest.mark.parametrize("name", OVER_HTTP)
def test_a_recorded_request_over_http_is_spoken(name: str, shared_dir: Path, tone: ServerProcess) -> None:
    authority = urllib.parse.urlsplit(tone.url).netloc
    count = 0
    for recorded in recorded_connections(shared_dir, name, HTTP_PATH):
        count += 1
        answer, received = send_recorded(recorded, authority)
        assert answer.status == 200, received
        if "x-dashscope-sse" in recorded_headers(recorded):
            events = [json.loads(event.data) for event in EventParser(max_event_bytes=1 << 20).push(received)]
            types = [event["output"].get("type", "") for event in events]
            assert [each for each, _ in groupby(types)] == [
                *("sentence-begin", "sentence-synthesis", "sentence-end", ""),
            ]
            last = events[-1]
        else:
            last = json.loads(received)
        assert list(last) == ["output", "usage", "request_id"]
        assert last["output"]["finish_reason"] == "stop" and last["usage"]["characters"] > 0
        audio = last["output"]["audio"]
        assert {"data", "url", "id", "expires_at"} == set(audio)
        assert audio["url"].startswith(f"http://{authority}/files/")
    assert count > 0
