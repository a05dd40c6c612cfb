"""The server's end: what is refused, faults, and how a connection is closed."""

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
from saystream.protocol.close import Close
from saystream.protocol.realtime.server import ServerConnection
from saystream.protocol.realtime.state import SessionState

from .harness import (
    MODES,
    RESPONSE_KINDS,
    USAGE,
    append,
    commit,
    finish,
    kinds,
    make_server,
    memory_of,
    only_error,
    receive,
    sent,
    speak,
    take,
)
from .test_codec import ANY_TEXT, NEARLY_EVENTS

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
    assert take(server, frame) is None
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
    event = server.receive_text(frame)
    assert event is not None and memory_of(server) == before
    server.refuse(LimitReached("too fast"), event.event_id)
    error = only_error(server)
    assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", "event_c")
    assert memory_of(server) == before
    assert commit(server) is not None


def test_a_frame_that_is_no_event_gives_its_owner_nothing_to_refuse() -> None:
    server = make_server()
    assert server.receive_text("nonsense") is None
    assert only_error(server)["code"] == "invalid_event"


def test_an_event_whose_connection_closed_meanwhile_is_not_accepted() -> None:
    server = make_server()
    event = server.receive_text('{"type":"input_text_buffer.append","text":"two"}')
    assert event is not None
    server.shut(1000, "idle")
    before = memory_of(server)
    assert server.accept(event) is None
    server.refuse(LimitReached("too fast"), event.event_id)
    assert (sent(server), memory_of(server)) == ([], before)


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


def test_a_fault_that_the_session_survives_is_told_within_the_response() -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    server.send_audio(b"\0\1")
    sent(server)
    server.report(EngineCrashed("the engine ended"), start=5, end=9)
    server.send_audio(b"\0\1")
    server.finish_response("failed", USAGE)
    events = sent(server)
    assert kinds(events) == ["error", *RESPONSE_KINDS[3:]]
    told = "the engine ended. Characters 6 to 9 of the response were not heard, or only in part."
    assert events[0]["error"]["message"] == told
    assert events[-1]["response"]["status"] == "failed"
    assert server.close is None


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
    server.report(EngineFailed("third"), start=0, end=5)
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
    event = take(server, json.dumps(FRAMES[name]))
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
    take(server, frame)
    if any(event["type"] == "error" for event in sent(server)):
        assert memory_of(server) == before or server.close is not None


def test_a_long_reason_is_cut_after_its_first_sentence() -> None:
    server = make_server()
    server.fail(ModelNotFound("Model 'x' does not exist. Models: " + ", ".join(["qwen"] * 50), param="model"))
    assert server.close is not None
    assert server.close.reason == "Model 'x' does not exist"
