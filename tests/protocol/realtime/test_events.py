from __future__ import annotations

import json
from typing import Any

import pytest

from saystream.errors import RemoteProtocolError
from saystream.protocol.realtime.codec import decode_client_event, decode_server_event, encode
from saystream.protocol.realtime.events import (
    CLIENT_EVENT_TYPES,
    SERVER_EVENT_TYPES,
    AudioDelta,
    AudioDone,
    ClientEvent,
    ContentPart,
    ContentPartAdded,
    ContentPartDone,
    Error,
    ErrorBody,
    Item,
    OutputItemAdded,
    OutputItemDone,
    Response,
    ResponseCancel,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SessionCreated,
    SessionFinish,
    SessionFinished,
    SessionUpdate,
    SessionUpdated,
    TextAppend,
    TextClear,
    TextCleared,
    TextCommit,
    TextCommitted,
    WordTimes,
    wire_type,
)
from saystream.protocol.realtime.session_config import Session, SessionConfig, SessionPatch
from saystream.protocol.usage import Usage
from saystream.protocol.word_times import WordTime

CONFIG = SessionConfig(voice="Cherry")
INSTRUCTED = SessionConfig(voice="Cherry", instructions="Whisper.", optimize_instructions=True)

CLIENT_EVENTS: list[ClientEvent] = [
    SessionUpdate(event_id="event_1", session=SessionPatch(voice="Cherry", volume=60, enable_tn=False)),
    TextAppend(event_id="event_2", text="你好, \u2028\0 \U0001f600"),
    TextCommit(event_id="event_3"),
    TextClear(event_id="event_4"),
    ResponseCancel(event_id="event_5"),
    SessionFinish(),
]

PART = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
ITEM = {"id": "item_1", "object": "realtime.item", "type": "message", "role": "assistant"}
SESSION = {
    "object": "realtime.session",
    "mode": "server_commit",
    "model": "m",
    "voice": "Cherry",
    "response_format": "pcm",
    "sample_rate": 24000,
    "id": "sess_1",
}
IN_FORCE = {
    "language_type": "Auto",
    "speech_rate": 1.0,
    "volume": 50,
    "pitch_rate": 1.0,
    "bit_rate": 128,
    "enable_tn": True,
}

# Each with exactly the fields that the protocol reference documents.
SERVER_EVENTS: list[tuple[ServerEvent, dict[str, Any]]] = [
    (
        SessionCreated(session=Session.created(session_id="sess_1", model="m", config=CONFIG)),
        {"type": "session.created", "session": SESSION},
    ),
    (
        SessionUpdated(session=Session.updated(session_id="sess_1", model="m", config=CONFIG)),
        {"type": "session.updated", "session": SESSION | IN_FORCE},
    ),
    (
        SessionUpdated(session=Session.updated(session_id="sess_1", model="m", config=INSTRUCTED)),
        {
            "type": "session.updated",
            "session": SESSION | IN_FORCE | {"instructions": "Whisper.", "optimize_instructions": True},
        },
    ),
    (TextCommitted(item_id="item_1"), {"type": "input_text_buffer.committed", "item_id": "item_1"}),
    (TextCleared(), {"type": "input_text_buffer.cleared"}),
    (
        ResponseCreated(response=Response(id="resp_1", status="in_progress", voice="Cherry")),
        {
            "type": "response.created",
            "response": {
                "id": "resp_1",
                "object": "realtime.response",
                "conversation_id": "",
                "status": "in_progress",
                "voice": "Cherry",
                "output": [],
            },
        },
    ),
    (
        OutputItemAdded(response_id="resp_1", item=Item(id="item_1", status="in_progress")),
        {
            "type": "response.output_item.added",
            "response_id": "resp_1",
            "output_index": 0,
            "item": ITEM | {"status": "in_progress", "content": []},
        },
    ),
    (
        ContentPartAdded(response_id="resp_1", item_id="item_1", part=ContentPart(text="")),
        {"type": "response.content_part.added", **PART, "part": {"type": "audio", "text": ""}},
    ),
    (
        AudioDelta(response_id="resp_1", item_id="item_1", delta="AAE="),
        {"type": "response.audio.delta", **PART, "delta": "AAE="},
    ),
    (
        WordTimes(
            response_id="resp_1",
            item_id="item_1",
            words=[WordTime(begin_index=0, end_index=2, begin_time=60, end_time=180)],
        ),
        {
            "type": "saystream.word_timestamps",
            **PART,
            "words": [{"begin_index": 0, "end_index": 2, "begin_time": 60, "end_time": 180}],
        },
    ),
    (AudioDone(response_id="resp_1", item_id="item_1"), {"type": "response.audio.done", **PART}),
    (
        ContentPartDone(response_id="resp_1", item_id="item_1", part=ContentPart(text="")),
        {"type": "response.content_part.done", **PART, "part": {"type": "audio", "text": ""}},
    ),
    (
        OutputItemDone(
            response_id="resp_1", item=Item(id="item_1", status="completed", content=(ContentPart(text=""),))
        ),
        {
            "type": "response.output_item.done",
            "response_id": "resp_1",
            "output_index": 0,
            "item": ITEM | {"status": "completed", "content": [{"type": "audio", "text": ""}]},
        },
    ),
    (
        ResponseDone(
            response=Response(
                id="resp_1",
                status="completed",
                modalities=("text", "audio"),
                voice="Cherry",
                output=(Item(id="item_1", status="completed", content=(ContentPart(transcript=""),)),),
                usage=Usage.of_characters(195),
            )
        ),
        {
            "type": "response.done",
            "response": {
                "id": "resp_1",
                "object": "realtime.response",
                "conversation_id": "",
                "status": "completed",
                "modalities": ["text", "audio"],
                "voice": "Cherry",
                "output": [ITEM | {"status": "completed", "content": [{"type": "audio", "transcript": ""}]}],
                "usage": {"characters": 195},
            },
        },
    ),
    (SessionFinished(), {"type": "session.finished"}),
    (
        Error(
            error=ErrorBody(
                type="invalid_request_error",
                code="invalid_value",
                message="no",
                param="session.voice",
                event_id="event_9",
            )
        ),
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "code": "invalid_value",
                "message": "no",
                "param": "session.voice",
                "event_id": "event_9",
            },
        },
    ),
]


def test_the_six_client_events_have_their_wire_names() -> None:
    assert CLIENT_EVENT_TYPES == (
        "session.update",
        "input_text_buffer.append",
        "input_text_buffer.commit",
        "input_text_buffer.clear",
        "response.cancel",
        "session.finish",
    )


def test_every_event_is_in_these_tests() -> None:
    assert [wire_type(event) for event in CLIENT_EVENTS] == list(CLIENT_EVENT_TYPES)
    assert list(dict.fromkeys(wire_type(event) for event, _ in SERVER_EVENTS)) == list(SERVER_EVENT_TYPES)


@pytest.mark.parametrize("event", CLIENT_EVENTS, ids=wire_type)
def test_a_client_event_comes_back_as_it_went(event: ClientEvent) -> None:
    assert decode_client_event(encode(event)) == event


@pytest.mark.parametrize(("event", "wire"), SERVER_EVENTS)
def test_a_server_event_has_exactly_the_documented_fields(event: ServerEvent, wire: dict[str, Any]) -> None:
    assert json.loads(encode(event)) == {"event_id": "", **wire}


@pytest.mark.parametrize(("event", "wire"), SERVER_EVENTS)
def test_a_server_event_comes_back_as_it_went(event: ServerEvent, wire: dict[str, Any]) -> None:
    assert decode_server_event(encode(event)) == event
    assert decode_server_event(json.dumps(wire | {"new_field": 1})) == event


def test_the_usage_of_a_token_model_has_the_documented_bytes() -> None:
    usage = Usage.of_tokens(text_tokens=7, audio_tokens=150)
    assert '"output_tokens_details":{"text_tokens":0,"audio_tokens":150}' in encode(
        ResponseDone(response=Response(id="resp_1", status="completed", usage=usage))
    )


def test_an_error_in_the_short_published_form_is_read() -> None:
    event = decode_server_event('{"type":"error","error":{"code":"invalid_value","message":"no"}}')
    assert event == Error(error=ErrorBody(code="invalid_value", message="no"))


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        TextAppend(text="a").text = "b"  # type: ignore[misc]


def test_a_delta_gives_its_audio() -> None:
    assert AudioDelta(response_id="r", item_id="i", delta="AAEC").audio == b"\0\1\2"


@pytest.mark.parametrize("delta", ["AAE", "AA*=", "é", "AAEC\n"])
def test_a_delta_that_is_no_base64_is_the_servers_fault(delta: str) -> None:
    with pytest.raises(RemoteProtocolError) as fault:
        _ = AudioDelta(response_id="r", item_id="i", delta=delta).audio
    assert fault.value.param == "delta"
