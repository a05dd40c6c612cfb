"""The server's end: the session from its start to its end, and the events of a response."""

from __future__ import annotations

from typing import Any

import pytest

from saystream.audio import Mark
from saystream.protocol.realtime.events import (
    AudioDelta,
    SessionUpdate,
)
from saystream.protocol.realtime.server import UPDATE_REFUSED
from saystream.protocol.realtime.session_config import SessionConfig, SessionPatch
from saystream.protocol.realtime.state import SessionState
from saystream.protocol.usage import Usage

from .harness import (
    MODES,
    RESPONSE_KINDS,
    UNTAKEN_VOICE,
    USAGE,
    append,
    cancel,
    commit,
    finish,
    finished,
    kinds,
    make_server,
    memory_of,
    only_error,
    receive,
    sent,
    speak,
    take,
    update,
)

# --- the session ---------------------------------------------------------------------------------------


def test_a_connection_opens_with_the_short_form_of_the_session() -> None:
    server = make_server(opened=False)
    before = server.state
    server.open()
    assert sent(server) == [
        {
            "type": "session.created",
            "event_id": "event_1",
            "session": {
                "object": "realtime.session",
                "mode": "server_commit",
                "model": "qwen3-tts-flash-realtime",
                "voice": "Cherry",
                "response_format": "pcm",
                "sample_rate": 24000,
                "id": "sess_1",
            },
        }
    ]
    assert server.session_id == "sess_1"
    assert (before, server.state) == (SessionState.CREATING, SessionState.BEFORE_TEXT)


def test_an_update_is_answered_with_the_whole_configuration() -> None:
    server = make_server()
    event = update(server, voice="Ethan", volume=60, language_type="auto", custom_key={"a": 1})
    assert event == SessionUpdate(
        event_id="event_c", session=SessionPatch(voice="Ethan", volume=60, language_type="auto")
    )
    (answer,) = sent(server)
    assert answer["type"] == "session.updated"
    assert answer["session"] == {
        "object": "realtime.session",
        "mode": "server_commit",
        "model": "qwen3-tts-flash-realtime",
        "voice": "Ethan",
        "response_format": "pcm",
        "sample_rate": 24000,
        "id": "sess_1",
        "language_type": "Auto",
        "speech_rate": 1.0,
        "volume": 60,
        "pitch_rate": 1.0,
        "bit_rate": 128,
        "enable_tn": True,
    }
    assert server.config == SessionConfig(voice="Ethan", volume=60)
    assert server.ignored_keys == ("custom_key",)


def test_updates_add_up_until_text_is_committed() -> None:
    server = make_server()
    update(server, volume=60)
    append(server, "text that nobody speaks yet")
    update(server, pitch_rate=1.5)
    assert server.config == SessionConfig(voice="Cherry", volume=60, pitch_rate=1.5)


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"volume": 101, "pitch_rate": 1.5}, "session.volume"),
        ({"pitch_rate": 1.5, "volume": "60"}, "session.volume"),
        ({"pitch_rate": 1.5, "voice": UNTAKEN_VOICE}, "session.voice"),
    ],
)
def test_a_refused_update_is_not_half_applied(session: dict[str, Any], param: str) -> None:
    server = make_server()
    before = memory_of(server)
    assert update(server, **session) is None
    error = only_error(server)
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "invalid_value", param)
    assert error["event_id"] == "event_c"
    assert memory_of(server) == before


def test_a_character_that_was_cut_in_two_is_whole_again() -> None:
    server = make_server()
    pieces = ["Fine \\ud83d", "\\ude00 and \\ud83d", " well\\ud83d"]
    start = '{"type":"input_text_buffer.append","text":"'
    events = [take(server, f'{start}{piece}"}}') for piece in pieces]
    assert "".join(event.text for event in events) == "Fine 😀 and \ufffd well"
    assert commit(server) is not None
    assert append(server, "\ude00x").text == "\ufffdx"


@pytest.mark.parametrize("mode", MODES)
def test_an_update_after_text_was_committed_is_refused_in_the_documented_words(mode: str) -> None:
    server = make_server(mode=mode)
    append(server, "Hello.")
    commit(server)
    sent(server)
    before = memory_of(server)
    assert update(server, volume=3) is None
    error = only_error(server)
    assert error["code"] == "invalid_value"
    assert error["message"] == UPDATE_REFUSED
    assert error["message"] == "Session update error: session already started or finished or failed."
    assert memory_of(server) == before


def test_an_update_after_the_first_response_began_is_refused() -> None:
    server = make_server()
    append(server, "Hello, ")
    server.start_response()
    sent(server)
    update(server, voice="Ethan")
    assert only_error(server)["message"] == UPDATE_REFUSED


def test_a_late_update_that_asks_for_what_is_in_force_is_answered() -> None:
    server = make_server()
    append(server, "Hello, ")
    server.start_response()
    sent(server)
    assert update(server, voice="Cherry", mode="server_commit", language_type="AUTO") is None
    assert kinds(sent(server)) == ["session.updated"]


@pytest.mark.parametrize("session", [{}, {"voice": "Cherry"}, {"volume": 3}, {"volume": 101}])
def test_an_update_after_the_finish_is_refused_in_the_documented_words(session: dict[str, Any]) -> None:
    server = make_server()
    finish(server)
    update(server, **session)
    assert only_error(server)["message"] == UPDATE_REFUSED


def test_an_update_out_of_range_is_refused_as_late_once_started() -> None:
    server = make_server()
    append(server, "Hello.")
    commit(server)
    sent(server)
    update(server, volume=101)
    assert only_error(server)["message"] == UPDATE_REFUSED


# --- the end of a session ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("input_text_buffer.append", {"text": "more"}),
        ("input_text_buffer.commit", {}),
        ("input_text_buffer.clear", {}),
    ],
)
@pytest.mark.parametrize("has_finished", [False, True])
def test_text_events_after_the_finish_are_refused(
    kind: str, fields: dict[str, Any], has_finished: bool
) -> None:
    server = make_server()
    finish(server)
    if has_finished:
        server.finish_session()
        sent(server)
    before = memory_of(server)
    assert receive(server, kind, **fields) is None
    error = only_error(server)
    assert error["code"] == "invalid_state"
    assert "session.finish" in error["message"]
    assert memory_of(server) == before


def test_a_cancel_after_the_end_is_refused() -> None:
    server = finished(make_server())
    cancel(server)
    assert only_error(server)["code"] == "invalid_state"


def test_a_second_finish_is_harmless_before_and_after_the_end() -> None:
    server = make_server()
    assert finish(server) is not None
    assert finish(server) is None
    server.finish_session()
    assert finish(server) is None
    assert kinds(sent(server)) == ["session.finished"]


def test_an_update_after_the_end_begins_a_new_session_from_the_defaults() -> None:
    server = make_server(mode="commit")
    update(server, volume=60)
    before = finished(server).state
    assert update(server, pitch_rate=1.5) is not None
    created, updated = sent(server)
    assert kinds([created, updated]) == ["session.created", "session.updated"]
    assert created["session"]["id"] == updated["session"]["id"] == server.session_id == "sess_2"
    assert created["session"]["mode"] == "server_commit"
    assert server.config == SessionConfig(voice="Cherry", pitch_rate=1.5)
    assert (before, server.state) == (SessionState.FINISHED, SessionState.BEFORE_TEXT)


@pytest.mark.parametrize("session", [{"voice": UNTAKEN_VOICE}, {"volume": 101}])
def test_a_refused_update_after_the_end_begins_no_session(session: dict[str, Any]) -> None:
    server = finished(make_server())
    before = memory_of(server)
    update(server, **session)
    assert only_error(server)["code"] == "invalid_value"
    assert memory_of(server) == before


def test_nothing_of_an_old_session_is_in_the_buffer_of_the_new() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    server.take_no_more_text()
    append(server, "Too late.")
    server.finish_response("cancelled", USAGE)
    finish(server)
    speak(server)
    server.finish_session()
    update(server)
    sent(server)
    commit(server)
    assert only_error(server)["code"] == "input_text_buffer_commit_empty"


def test_a_session_is_finished_only_when_asked_and_after_its_responses() -> None:
    server = make_server()
    with pytest.raises(RuntimeError, match=r"before session\.finish"):
        server.finish_session()
    append(server, "Hello.")
    server.start_response()
    finish(server)
    with pytest.raises(RuntimeError, match="response is part_added"):
        server.finish_session()


# --- responses -----------------------------------------------------------------------------------------


def test_a_response_closes_with_the_documented_events() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    server.send_audio(b"\0\1\2\3")
    sent(server)
    server.finish_response("completed", Usage.of_characters(6))
    place = {"response_id": "resp_1", "output_index": 0}
    part = place | {"item_id": "item_1", "content_index": 0}
    item = {
        "id": "item_1",
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "assistant",
    }
    events = [{name: event[name] for name in event if name != "event_id"} for event in sent(server)]
    assert events == [
        {"type": "response.audio.done", **part},
        {"type": "response.content_part.done", **part, "part": {"type": "audio", "text": ""}},
        {
            "type": "response.output_item.done",
            **place,
            "item": item | {"content": [{"type": "audio", "text": ""}]},
        },
        {
            "type": "response.done",
            "response": {
                "id": "resp_1",
                "object": "realtime.response",
                "conversation_id": "",
                "status": "completed",
                "modalities": ["text", "audio"],
                "voice": "Cherry",
                "output": [item | {"content": [{"type": "audio", "transcript": ""}]}],
                "usage": {"characters": 6},
            },
        },
    ]


def test_audio_goes_out_as_deltas_in_order() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    sent(server)
    server.send_audio(b"\0\1")
    server.send_audio(b"\2\3")
    deltas = [AudioDelta(**{k: v for k, v in event.items() if k != "type"}) for event in sent(server)]
    assert [delta.audio for delta in deltas] == [b"\0\1", b"\2\3"]


def test_a_delta_without_audio_is_the_owners_mistake() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    with pytest.raises(ValueError, match="without audio"):
        server.send_audio(b"")


def test_a_response_without_audio_is_closed_all_the_same() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    server.finish_response("completed", None)
    events = sent(server)
    assert kinds(events)[1:] == [kind for kind in RESPONSE_KINDS if kind != "response.audio.delta"]
    assert "usage" not in events[-1]["response"]


def test_audio_and_ends_outside_a_response_are_the_owners_mistakes() -> None:
    server = make_server()
    with pytest.raises(RuntimeError):
        server.send_audio(b"\0")
    with pytest.raises(RuntimeError):
        server.finish_response("completed", USAGE)
    append(server, "Hello.")
    server.start_response()
    with pytest.raises(RuntimeError):
        server.start_response()
    assert kinds(sent(server)) == ["input_text_buffer.committed", *RESPONSE_KINDS[:3]]


def test_no_two_events_have_the_same_id() -> None:
    server = make_server(opened=False)
    server.open()
    append(server, "Hello.")
    events = sent(server) + speak(server)
    ids = [event["event_id"] for event in events]
    assert len(set(ids)) == len(ids)
    assert all(id_.startswith("event_") for id_ in ids)


def test_times_of_words_follow_the_audio_in_which_they_begin() -> None:
    server = make_server()
    append(server, "one two")
    server.start_response()
    server.send_audio(b"ab")
    server.send_words([Mark(0, 2, 59.6, 180.2), Mark(3, 5, 200, 250)])
    *_, event = sent(server)
    assert event["type"] == "saystream.word_timestamps"
    assert event["words"] == [
        {"begin_index": 0, "end_index": 2, "begin_time": 60, "end_time": 180},
        {"begin_index": 3, "end_index": 5, "begin_time": 200, "end_time": 250},
    ]
