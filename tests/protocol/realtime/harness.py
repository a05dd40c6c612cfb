"""What the tests of the realtime protocol share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from saystream.errors import InvalidValue
from saystream.protocol.realtime.client import ClientConnection
from saystream.protocol.realtime.server import ServerConnection
from saystream.protocol.realtime.session_config import SessionConfig
from saystream.protocol.usage import Usage

USAGE = Usage.of_characters(3)
UNTAKEN_VOICE = "Nobody"
"""The fake catalogue refuses it."""


def numbered_ids() -> Callable[[str], str]:
    """Ids that count: ``event_1``, ``event_2``, ``resp_1``…"""
    seen: Counter[str] = Counter()

    def new_id(prefix: str) -> str:
        seen[prefix] += 1
        return f"{prefix}_{seen[prefix]}"

    return new_id


def refuse_untaken_voice(config: SessionConfig) -> None:
    if config.voice == UNTAKEN_VOICE:
        raise InvalidValue("session.voice", config.voice, ["Cherry", "Ethan"])


def make_server(*, opened: bool = True, mode: str = "server_commit", **options: Any) -> ServerConnection:
    """A server's end whose ``session.created`` has been taken already; ``mode`` is set as a client would."""
    limits = {"max_frame_bytes": 4096, "max_consecutive_errors": 5, "max_pending_responses": 3}
    server = ServerConnection(
        model="qwen3-tts-flash-realtime",
        config=SessionConfig(voice="Cherry"),
        new_id=numbered_ids(),
        check=refuse_untaken_voice,
        **(limits | options),
    )
    if opened:
        server.open()
        if mode != "server_commit":
            receive(server, "session.update", session={"mode": mode})
        sent(server)
    return server


def make_client() -> ClientConnection:
    return ClientConnection(new_id=numbered_ids())


def take(server: ServerConnection, frame: str) -> Any:
    """What the owner of the server's end would act on, having no reason of its own to refuse."""
    event = server.receive_text(frame)
    return None if event is None else server.accept(event)


def receive(server: ServerConnection, kind: str, **fields: Any) -> Any:
    """The server's end receives an event of type ``kind``."""
    return take(server, json.dumps({"event_id": "event_c", "type": kind, **fields}))


def append(server: ServerConnection, text: str) -> Any:
    return receive(server, "input_text_buffer.append", text=text)


def commit(server: ServerConnection) -> Any:
    return receive(server, "input_text_buffer.commit")


def sent(server: ServerConnection) -> list[dict[str, Any]]:
    """What the server's end queued, decoded."""
    return [json.loads(frame) for frame in server.frames_to_send()]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def only_error(server: ServerConnection) -> dict[str, Any]:
    """The body of the one event that was queued, which is an error with all of its five fields."""
    (event,) = sent(server)
    assert event["type"] == "error"
    body: dict[str, Any] = event["error"]
    assert set(body) == {"type", "code", "message", "param", "event_id"}
    return body


def speak(server: ServerConnection, audio: bytes = b"\0\1") -> list[dict[str, Any]]:
    """One whole response, from its start to its end."""
    server.start_response()
    server.send_audio(audio)
    server.finish_response("completed", USAGE)
    return sent(server)


RESPONSE_KINDS = [
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.audio.delta",
    "response.audio.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]
"""The order of one response with one delta."""


_NOT_DECISIVE = {"_outbox", "_errors_in_row", "_refused_last", "_append_can_be_undone", "_new_id"}


def memory_of(server: ServerConnection) -> dict[str, Any]:
    """Everything that decides what a server's end does next, but for its count of errors."""
    kept = {name: value for name, value in vars(server).items() if name not in _NOT_DECISIVE}
    kept["_states"] = dict(vars(kept["_states"]))
    kept["_committed_items"] = list(kept["_committed_items"])
    response = kept["_response"]
    kept["_response"] = response and (response.id, response.committed)
    return kept


MODES = ["server_commit", "commit"]


def clear(server: ServerConnection) -> Any:
    return receive(server, "input_text_buffer.clear")


def cancel(server: ServerConnection) -> Any:
    return receive(server, "response.cancel")


def finish(server: ServerConnection) -> Any:
    return receive(server, "session.finish")


def update(server: ServerConnection, **session: Any) -> Any:
    return receive(server, "session.update", session=session)


def finished(server: ServerConnection) -> ServerConnection:
    finish(server)
    server.finish_session()
    sent(server)
    return server
