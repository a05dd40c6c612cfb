from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from saystream.errors import (
    EngineCrashed,
    EngineFailed,
    LimitReached,
    ModelNotFound,
    Overloaded,
    TextTooLong,
)
from saystream.protocol.realtime.events import (
    AudioDelta,
    ResponseCancel,
    SessionFinish,
    SessionUpdate,
    TextAppend,
    TextClear,
    TextCommit,
    Usage,
)
from saystream.protocol.realtime.server import UPDATE_REFUSED, Close, ServerConnection
from saystream.protocol.realtime.session_config import SessionConfig, SessionPatch
from saystream.protocol.realtime.state import SessionState

from .harness import (
    RESPONSE_KINDS,
    UNTAKEN_VOICE,
    USAGE,
    append,
    commit,
    kinds,
    make_server,
    memory_of,
    only_error,
    receive,
    sent,
    speak,
)
from .test_codec import ANY_TEXT, NEARLY_EVENTS

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


# --- the session ---------------------------------------------------------------------------------------


def test_a_connection_opens_with_the_short_form_of_the_session() -> None:
    server = make_server(opened=False)
    assert server.state is SessionState.CREATING
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
    assert server.state is SessionState.BEFORE_TEXT


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


def test_a_key_of_session_that_is_no_text_is_refused() -> None:
    server = make_server()
    server.receive_text('{"type":"session.update","session":{"volume":1,"\\ud800abcdefghijkl":1}}')
    assert only_error(server)["code"] == "invalid_event"
    assert server.config.volume == 50


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


# --- commit mode ---------------------------------------------------------------------------------------


def test_a_commit_is_answered_at_once_and_names_the_item_of_its_audio() -> None:
    server = make_server(mode="commit")
    assert append(server, "Hello.") == TextAppend(event_id="event_c", text="Hello.")
    assert sent(server) == []
    assert commit(server) == TextCommit(event_id="event_c")
    (committed,) = sent(server)
    assert committed["type"] == "input_text_buffer.committed"
    assert server.pending_responses == 1
    events = speak(server)
    assert kinds(events) == RESPONSE_KINDS
    assert {event["item_id"] for event in events if "item_id" in event} == {committed["item_id"]}
    assert events[1]["item"]["id"] == committed["item_id"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", ["", " \n\t", "\u3000"])
def test_an_empty_or_blank_commit_is_refused_and_changes_nothing(mode: str, text: str) -> None:
    server = make_server(mode=mode)
    append(server, text)
    before = memory_of(server)
    assert commit(server) is None
    error = only_error(server)
    assert (error["code"], error["param"]) == ("input_text_buffer_commit_empty", "text")
    assert memory_of(server) == before


def test_a_blank_piece_does_not_blank_the_buffer() -> None:
    server = make_server(mode="commit")
    append(server, "Hello.")
    append(server, " ")
    assert commit(server) is not None


def test_the_owner_says_what_can_be_spoken() -> None:
    server = make_server(mode="commit", is_speakable=str.isalpha)
    append(server, "...")
    commit(server)
    assert only_error(server)["code"] == "input_text_buffer_commit_empty"


def test_responses_come_in_the_order_of_their_commits() -> None:
    server = make_server(mode="commit")
    for text in ("one", "two", "three"):
        append(server, text)
        commit(server)
    items = [event["item_id"] for event in sent(server)]
    spoken = [speak(server)[1]["item"]["id"] for _ in items]
    assert spoken == items
    assert len(set(items)) == 3


def test_text_may_be_committed_while_a_response_is_open() -> None:
    server = make_server(mode="commit")
    append(server, "one")
    commit(server)
    server.start_response()
    append(server, "two")
    commit(server)
    server.send_audio(b"\0\1")
    server.finish_response("completed", USAGE)
    assert kinds(sent(server)) == [
        "input_text_buffer.committed",
        *RESPONSE_KINDS[:3],
        "input_text_buffer.committed",
        *RESPONSE_KINDS[3:],
    ]


def test_a_commit_over_the_limit_is_refused_and_its_text_stays() -> None:
    server = make_server(mode="commit", max_pending_responses=2)
    for _ in range(2):
        append(server, "text")
        commit(server)
    append(server, "more")
    sent(server)
    assert commit(server) is None
    error = only_error(server)
    assert error["code"] == "rate_limit_exceeded"
    assert "2 commits" in error["message"]
    assert server.close is None
    speak(server)
    assert commit(server) is not None


def test_a_response_without_a_commit_is_the_owners_mistake() -> None:
    server = make_server(mode="commit")
    append(server, "text")
    with pytest.raises(RuntimeError, match="no commit"):
        server.start_response()


def test_the_finish_commits_what_is_left_in_the_buffer() -> None:
    server = make_server(mode="commit", max_pending_responses=1)
    append(server, "one")
    commit(server)
    append(server, "two")
    assert finish(server) == SessionFinish(event_id="event_c")
    assert kinds(sent(server)) == ["input_text_buffer.committed"] * 2
    with pytest.raises(RuntimeError, match="2 commits"):
        server.finish_session()
    speak(server)
    speak(server)
    server.finish_session()
    assert kinds(sent(server)) == ["session.finished"]


# --- server_commit -------------------------------------------------------------------------------------


def test_a_response_of_the_servers_making_is_announced_as_committed() -> None:
    server = make_server()
    append(server, "Hello, ")
    assert server.start_response() == "resp_1"
    events = sent(server)
    assert kinds(events) == ["input_text_buffer.committed", *RESPONSE_KINDS[:3]]
    assert events[0]["item_id"] == events[2]["item"]["id"] == events[3]["item_id"]
    assert events[1]["response"] == {
        "id": "resp_1",
        "object": "realtime.response",
        "conversation_id": "",
        "status": "in_progress",
        "voice": "Cherry",
        "output": [],
    }


def test_a_commit_closes_the_open_response_without_a_second_committed() -> None:
    server = make_server()
    append(server, "Hello, ")
    server.start_response()
    append(server, "world.")
    sent(server)
    assert commit(server) == TextCommit(event_id="event_c")
    assert sent(server) == []


def test_a_second_commit_of_the_same_response_is_empty() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    commit(server)
    sent(server)
    commit(server)
    assert only_error(server)["code"] == "input_text_buffer_commit_empty"


def test_text_after_a_commit_belongs_to_the_next_response() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    commit(server)
    append(server, "More.")
    sent(server)
    assert commit(server) is not None
    (committed,) = sent(server)
    assert committed["type"] == "input_text_buffer.committed"
    server.finish_response("completed", USAGE)
    sent(server)
    assert speak(server)[1]["item"]["id"] == committed["item_id"]


def test_a_commit_before_the_first_response_is_answered_at_once() -> None:
    server = make_server()
    append(server, "Hello.")
    commit(server)
    assert kinds(sent(server)) == ["input_text_buffer.committed"]
    append(server, "More.")
    assert kinds(speak(server)) == RESPONSE_KINDS
    assert commit(server) is not None


def test_text_of_a_finished_response_is_no_longer_in_the_buffer() -> None:
    server = make_server()
    append(server, "Hello.")
    speak(server)
    commit(server)
    assert only_error(server)["code"] == "input_text_buffer_commit_empty"


def test_text_that_came_too_late_for_a_response_can_be_committed() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    server.take_no_more_text()
    append(server, "Too late.")
    server.finish_response("completed", USAGE)
    sent(server)
    assert commit(server) is not None
    assert kinds(sent(server)) == ["input_text_buffer.committed"]


def test_a_commit_that_meets_a_response_already_ending_is_for_the_next() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    server.take_no_more_text()
    sent(server)
    commit(server)
    assert only_error(server)["code"] == "input_text_buffer_commit_empty"
    append(server, "More.")
    commit(server)
    assert kinds(sent(server)) == ["input_text_buffer.committed"]


@pytest.mark.parametrize("mode", MODES)
def test_there_may_be_no_response_that_takes_text(mode: str) -> None:
    server = make_server(mode=mode)
    before = memory_of(server)
    server.take_no_more_text()
    assert memory_of(server) == before


def test_the_finish_closes_the_open_response() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    append(server, "More.")
    sent(server)
    assert finish(server) is not None
    assert sent(server) == []
    server.finish_response("completed", USAGE)
    server.finish_session()
    assert kinds(sent(server))[-2:] == ["response.done", "session.finished"]


def test_the_mode_may_change_while_text_is_in_the_buffer() -> None:
    server = make_server()
    append(server, "Hello.")
    update(server, mode="commit")
    sent(server)
    assert commit(server) is not None


# --- clear and cancel ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_clear_empties_the_buffer_and_leaves_what_was_committed(mode: str) -> None:
    server = make_server(mode=mode)
    append(server, "one")
    commit(server)
    append(server, "two")
    sent(server)
    assert clear(server) == TextClear(event_id="event_c")
    assert kinds(sent(server)) == ["input_text_buffer.cleared"]
    assert server.pending_responses == 1
    commit(server)
    assert only_error(server)["code"] == "input_text_buffer_commit_empty"


def test_a_clear_of_an_empty_buffer_is_answered_as_well() -> None:
    server = make_server()
    clear(server)
    assert kinds(sent(server)) == ["input_text_buffer.cleared"]


@pytest.mark.parametrize("mode", MODES)
def test_a_cancel_with_nothing_to_cancel_is_harmless(mode: str) -> None:
    server = make_server(mode=mode)
    assert cancel(server) is None
    append(server, "Hello.")
    commit(server)
    speak(server)
    assert cancel(server) is None
    assert sent(server) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_cancel_is_the_owners_to_act_on_and_keeps_the_session(mode: str) -> None:
    server = make_server(mode=mode)
    append(server, "Hello.")
    assert cancel(server) == ResponseCancel(event_id="event_c")
    commit(server)
    assert cancel(server) == ResponseCancel(event_id="event_c")
    server.start_response()
    assert cancel(server) == ResponseCancel(event_id="event_c")
    server.finish_response("cancelled", USAGE)
    events = sent(server)
    assert events[-1]["response"]["status"] == "cancelled"
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"
    assert events[-2]["item"]["status"] == "incomplete"
    assert server.state is SessionState.STARTED


def test_a_cancel_is_allowed_while_the_session_finishes() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    finish(server)
    assert cancel(server) is not None


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
    finished(server)
    assert server.state is SessionState.FINISHED
    assert update(server, pitch_rate=1.5) is not None
    created, updated = sent(server)
    assert kinds([created, updated]) == ["session.created", "session.updated"]
    assert created["session"]["id"] == updated["session"]["id"] == server.session_id == "sess_2"
    assert created["session"]["mode"] == "server_commit"
    assert server.config == SessionConfig(voice="Cherry", pitch_rate=1.5)
    assert server.state is SessionState.BEFORE_TEXT


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


# --- errors and closes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code", "event_id"),
    [
        ("hello", "invalid_event", None),
        ('{"type":"custom.raw"}', "invalid_event", None),
        ('{"type":"custom.raw","event_id":"mine"}', "invalid_event", "mine"),
        ('{"type":"input_text_buffer.append","text":1,"event_id":"mine"}', "invalid_value", "mine"),
        ('{"type":"input_text_buffer.commit","event_id":"mine"}', "input_text_buffer_commit_empty", "mine"),
        ('{"type":"input_text_buffer.commit"}', "input_text_buffer_commit_empty", None),
    ],
)
def test_an_error_names_the_event_at_fault(frame: str, code: str, event_id: str | None) -> None:
    server = make_server()
    before = memory_of(server)
    assert server.receive_text(frame) is None
    error = only_error(server)
    assert (error["type"], error["code"], error["event_id"]) == ("invalid_request_error", code, event_id)
    assert memory_of(server) == before


def test_a_frame_over_the_limit_ends_the_connection() -> None:
    server = make_server(max_frame_bytes=100)
    assert append(server, "x" * 100) is None
    assert only_error(server)["code"] == "frame_too_large"
    assert server.close is not None
    assert server.close.code == 1009
    assert server.state is SessionState.CLOSED


def test_a_binary_frame_ends_the_connection() -> None:
    server = make_server()
    server.receive_binary()
    assert only_error(server)["code"] == "binary_frame"
    assert server.close is not None
    assert server.close.code == 1003


def test_too_many_errors_in_a_row_end_the_connection() -> None:
    server = make_server(max_consecutive_errors=3)
    for _ in range(2):
        commit(server)
    append(server, "something good")
    for _ in range(3):
        assert server.close is None
        receive(server, "nonsense")
    codes = [event["error"]["code"] for event in sent(server)]
    assert codes[-2:] == ["invalid_event", "too_many_errors"]
    assert server.close == Close(1008, "3 events in a row were refused.")


def test_refusals_of_the_owner_count_as_errors() -> None:
    server = make_server(max_consecutive_errors=3)
    for _ in range(3):
        append(server, "too much")
        server.refuse(TextTooLong("too long", param="text"), "event_c")
    assert server.close is not None
    assert server.close.code == 1008


def test_an_append_that_the_owner_refuses_is_not_in_the_buffer() -> None:
    server = make_server(mode="commit")
    append(server, "too much")
    server.refuse(TextTooLong("too long", param="text"), "event_c")
    error = only_error(server)
    assert (error["code"], error["param"], error["event_id"]) == ("text_too_long", "text", "event_c")
    commit(server)
    assert only_error(server)["code"] == "input_text_buffer_commit_empty"


def test_a_refused_append_leaves_the_earlier_text() -> None:
    server = make_server(mode="commit")
    append(server, "one")
    append(server, "too much")
    server.refuse(TextTooLong("too long"))
    assert commit(server) is not None


def test_an_event_that_its_owner_refuses_beforehand_changes_nothing() -> None:
    server = make_server(mode="commit")
    append(server, "one")
    before = memory_of(server)
    frame = '{"type":"input_text_buffer.append","event_id":"event_c","text":"two"}'
    assert server.receive_text(frame, refusal=LimitReached("too fast")) is None
    error = only_error(server)
    assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", "event_c")
    assert memory_of(server) == before
    assert commit(server) is not None


def test_a_frame_that_is_no_event_is_refused_for_that_first() -> None:
    server = make_server()
    assert server.receive_text("nonsense", refusal=LimitReached("too fast")) is None
    assert only_error(server)["code"] == "invalid_event"


def test_a_refusal_after_the_response_took_the_text_changes_nothing() -> None:
    server = make_server()
    append(server, "one")
    server.start_response()
    server.refuse(Overloaded("busy"))
    assert kinds(sent(server))[-1] == "error"
    assert commit(server) is not None


def test_a_fault_ends_the_open_response_and_the_connection() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    server.send_audio(b"\0\1")
    sent(server)
    server.fail(EngineCrashed("the engine ended"), USAGE)
    events = sent(server)
    assert kinds(events) == ["error", *RESPONSE_KINDS[4:]]
    assert events[0]["error"]["type"] == "server_error"
    assert events[0]["error"]["code"] == "engine_crashed"
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["usage"] == {"characters": 3}
    assert server.close == Close(1011, "the engine ended")


@pytest.mark.parametrize(("fault", "code"), [(EngineFailed("no"), 1011), (Overloaded("busy"), 1013)])
def test_a_fault_between_responses_closes_with_its_code(fault: Any, code: int) -> None:
    server = make_server()
    server.fail(fault)
    assert kinds(sent(server)) == ["error"]
    assert server.close is not None
    assert server.close.code == code


def test_a_bad_model_is_told_before_any_session() -> None:
    server = make_server(opened=False)
    server.fail(ModelNotFound("No such model.", param="model"))
    assert only_error(server)["param"] == "model"
    assert server.close == Close(1008, "No such model.")


def test_an_idle_connection_is_shut_without_an_error() -> None:
    server = make_server()
    server.shut(1000, "idle for 60 s")
    assert sent(server) == []
    assert server.close == Close(1000, "idle for 60 s")
    assert server.state is SessionState.CLOSED


def test_a_reason_fits_into_a_close_frame_and_stays_whole_characters() -> None:
    server = make_server()
    server.shut(1000, "长" * 100)
    assert server.close == Close(1000, "长" * 41)


def test_the_first_close_stands_and_nothing_follows_it() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    server.shut(1000, "first")
    sent(server)
    server.shut(1001, "second")
    server.fail(EngineFailed("third"))
    server.refuse(TextTooLong("fourth"))
    server.receive_binary()
    assert append(server, "fifth") is None
    assert sent(server) == []
    assert server.close == Close(1000, "first")
    assert not server.response_open
    with pytest.raises(RuntimeError):
        server.send_audio(b"\0")


# --- every event in every state ------------------------------------------------------------------------

ALLOWED = {
    SessionState.BEFORE_TEXT: {
        "session.update",
        "append",
        "commit",
        "clear",
        "response.cancel",
        "session.finish",
    },
    SessionState.STARTED: {"append", "commit", "clear", "response.cancel", "session.finish"},
    SessionState.FINISHING: {"response.cancel", "session.finish"},
    SessionState.FINISHED: {"session.update", "session.finish"},
    SessionState.CLOSED: set[str](),
}
FRAMES = {
    "session.update": {"type": "session.update", "session": {"volume": 9}},
    "append": {"type": "input_text_buffer.append", "text": "More."},
    "commit": {"type": "input_text_buffer.commit"},
    "clear": {"type": "input_text_buffer.clear"},
    "response.cancel": {"type": "response.cancel"},
    "session.finish": {"type": "session.finish"},
}


def server_in(state: SessionState, mode: str) -> ServerConnection:
    """A server's end in ``state``, with text in the buffer where it can be."""
    server = make_server(mode=mode)
    append(server, "Hello.")
    if state is SessionState.CLOSED:
        server.shut(1000, "")
    elif state is not SessionState.BEFORE_TEXT:
        commit(server)
        speak(server)
        append(server, "World.")
    if state in (SessionState.FINISHING, SessionState.FINISHED):
        finish(server)
        speak(server)
    if state is SessionState.FINISHED:
        server.finish_session()
    sent(server)
    assert server.state is state
    return server


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("state", ALLOWED)
def test_every_event_in_every_state_is_accepted_or_changes_nothing(
    state: SessionState, name: str, mode: str
) -> None:
    server = server_in(state, mode)
    before = memory_of(server)
    event = server.receive_text(json.dumps(FRAMES[name]))
    errors = [event for event in sent(server) if event["type"] == "error"]
    if name in ALLOWED[state]:
        assert errors == []
    else:
        assert event is None
        assert len(errors) == (0 if state is SessionState.CLOSED else 1)
        assert memory_of(server) == before


@given(frame=ANY_TEXT | NEARLY_EVENTS)
def test_any_frame_is_acted_on_or_changes_nothing(frame: str) -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    sent(server)
    before = memory_of(server)
    server.receive_text(frame)
    if any(event["type"] == "error" for event in sent(server)):
        assert memory_of(server) == before or server.close is not None


def test_a_long_reason_is_cut_after_its_first_sentence() -> None:
    server = make_server()
    server.fail(ModelNotFound("Model 'x' does not exist. Models: " + ", ".join(["qwen"] * 50), param="model"))
    assert server.close is not None
    assert server.close.reason == "Model 'x' does not exist"
