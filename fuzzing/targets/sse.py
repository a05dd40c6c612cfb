"""Server-sent events, of the service and of other servers: the same however they are split, or a documented error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fuzzing.reading import Reader, pieces
from saystream.engines.upstream.speech_events import SpeechEvents
from saystream.errors import EngineOutputInvalid, RemoteProtocolError
from saystream.protocol.http.sse import EventParser

MAX_BYTES = 400
DICTIONARY = "sse"

_MAX_EVENT_BYTES = 100


def one(data: bytes) -> None:
    reader = Reader(data)
    seed = reader.byte()
    stream = reader.rest()
    whole, split = _events([stream]), _events(pieces(stream, seed))
    assert whole == split
    assert _speech([stream]) == _speech(pieces(stream, seed))


def _events(parts: Iterable[bytes]) -> list[Any]:
    parser = EventParser(max_event_bytes=_MAX_EVENT_BYTES)
    events: list[Any] = []
    try:
        for part in parts:
            events += parser.push(part)
        events += parser.flush()
    except RemoteProtocolError:
        return ["refused"]  # in one piece, the events before the one at fault are lost with it
    for event in events:
        assert len(event.data) <= _MAX_EVENT_BYTES
    return events


def _speech(parts: Iterable[bytes]) -> list[Any]:
    events = SpeechEvents()
    heard: list[Any] = []
    try:
        for part in parts:
            heard += events.push(part)
    except EngineOutputInvalid:
        return ["refused"]
    return [*heard, events.done]
