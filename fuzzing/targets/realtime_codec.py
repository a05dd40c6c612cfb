"""Frames of a realtime connection, at both ends: an event or a documented error; an event is written as it was read."""

from __future__ import annotations

import msgspec

from fuzzing.reading import Reader
from saystream.errors import FrameTooLarge, InvalidEvent, InvalidValue, RemoteProtocolError
from saystream.protocol.json import check_frame_size
from saystream.protocol.realtime.codec import (
    decode_client_event,
    decode_server_event,
    encode,
    event_id_of,
    unknown_session_keys,
)
from saystream.protocol.realtime.events import AudioDelta, SessionUpdate, TextAppend
from saystream.protocol.surrogates import HalfCharacters

MAX_BYTES = 2048
DICTIONARY = "realtime"


def one(data: bytes) -> None:
    reader = Reader(data)
    reads = reader.choice((_client, _server))
    frame = reader.text()
    try:
        check_frame_size(frame, 1024)
    except FrameTooLarge:
        assert len(frame) > 1024 / 4
    reads(frame)


def _client(frame: str) -> None:
    assert isinstance(event_id_of(frame), str)
    try:
        event = decode_client_event(frame)
        if isinstance(event, SessionUpdate):
            assert all(isinstance(key, str) for key in unknown_session_keys(frame))
    except (InvalidEvent, InvalidValue) as refusal:
        assert len(refusal.message) < 1000, "an error does not echo a frame"
        return
    if isinstance(event, TextAppend):  # its halves of characters wait for those of other events
        event = msgspec.structs.replace(event, text=HalfCharacters().push(event.text))
    assert decode_client_event(encode(event)) == event


def _server(frame: str) -> None:
    try:
        event = decode_server_event(frame)
        if isinstance(event, AudioDelta):
            assert isinstance(event.audio, bytes)
    except RemoteProtocolError as refusal:
        assert len(refusal.message) < 1000
        return
    assert decode_server_event(encode(event)) == event
