"""The server's end: the text buffer, commits in both modes, clears and cancels."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from saystream.protocol.realtime.events import (
    ResponseCancel,
    SessionFinish,
    TextAppend,
    TextClear,
    TextCommit,
)
from saystream.protocol.realtime.server import ServerConnection
from saystream.protocol.realtime.state import SessionState

from .harness import (
    MODES,
    RESPONSE_KINDS,
    USAGE,
    append,
    cancel,
    clear,
    commit,
    finish,
    kinds,
    make_server,
    memory_of,
    only_error,
    sent,
    speak,
    update,
)

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
    commit(server)  # it may have been sent before the server began by itself
    assert sent(server) == []
    commit(server)
    assert only_error(server)["code"] == "input_text_buffer_commit_empty"


def test_a_commit_is_too_late_only_for_what_the_server_began_by_itself() -> None:
    server = make_server()
    append(server, "Hello.")
    commit(server)
    speak(server)
    sent(server)
    commit(server)
    assert only_error(server)["code"] == "input_text_buffer_commit_empty"


@pytest.mark.parametrize("event", [cancel, clear])
def test_a_commit_after_the_client_dropped_the_text_is_a_mistake(
    event: Callable[[ServerConnection], object],
) -> None:
    server = make_server()
    append(server, "Hello.")
    server.start_response()
    event(server)
    server.finish_response("cancelled", USAGE)
    sent(server)
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
    assert sent(server) == []
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
