from __future__ import annotations

import itertools
from enum import Enum
from typing import Any

import pytest

from saystream.errors import InvalidState
from saystream.protocol.realtime.events import CLIENT_EVENT_TYPES, SERVER_EVENT_TYPES
from saystream.protocol.realtime.state import (
    CLIENT_TABLE,
    RESPONSE_TABLE,
    SERVER_TABLE,
    ClientState,
    ConnectionState,
    ResponseState,
    ServerState,
    SessionState,
)

ONE_RESPONSE = [
    ("response.created", ResponseState.CREATED),
    ("response.output_item.added", ResponseState.ITEM_ADDED),
    ("response.content_part.added", ResponseState.PART_ADDED),
    ("response.audio.delta", ResponseState.STREAMING),
    ("response.audio.delta", ResponseState.STREAMING),
    ("response.audio.done", ResponseState.AUDIO_DONE),
    ("response.content_part.done", ResponseState.PART_DONE),
    ("response.output_item.done", ResponseState.ITEM_DONE),
    ("response.done", ResponseState.NONE),
]


def in_state(client: ClientState, server: ServerState, response: ResponseState) -> ConnectionState:
    states = ConnectionState()
    states.client, states.server, states.response = client, server, response
    return states


def seen(states: ConnectionState) -> tuple[Enum, ...]:
    return states.client, states.server, states.response


def run(*events: str) -> ConnectionState:
    states = ConnectionState()
    for kind in events:
        (states.client_event if kind in CLIENT_EVENT_TYPES else states.server_event)(kind)
    return states


@pytest.mark.parametrize(
    ("table", "states"),
    [(CLIENT_TABLE, ClientState), (SERVER_TABLE, ServerState), (RESPONSE_TABLE, ResponseState)],
)
def test_a_table_has_a_row_for_every_state_and_cannot_be_changed(table: Any, states: type[Enum]) -> None:
    assert list(table) == list(states)
    with pytest.raises(TypeError):
        table[next(iter(states))]["session.update"] = next(iter(states))


def test_the_tables_know_every_event_and_no_other() -> None:
    assert {kind for row in CLIENT_TABLE.values() for kind in row} == set(CLIENT_EVENT_TYPES)
    assert {kind for row in SERVER_TABLE.values() for kind in row} == set(SERVER_EVENT_TYPES)
    assert {kind for row in RESPONSE_TABLE.values() for kind in row} <= set(SERVER_EVENT_TYPES)


@pytest.mark.parametrize(("state", "kind"), [*itertools.product(ClientState, CLIENT_EVENT_TYPES)])
def test_every_client_event_in_every_state_advances_or_changes_nothing(state: ClientState, kind: str) -> None:
    states = in_state(state, ServerState.STARTED, ResponseState.NONE)
    following = CLIENT_TABLE[state].get(kind)
    if following is None:
        with pytest.raises(InvalidState, match=kind):
            states.client_event(kind)
        assert seen(states) == (state, ServerState.STARTED, ResponseState.NONE)
    else:
        states.client_event(kind)
        assert seen(states) == (following, ServerState.STARTED, ResponseState.NONE)


@pytest.mark.parametrize(("server", "kind"), [*itertools.product(ServerState, SERVER_EVENT_TYPES)])
def test_every_server_event_in_every_state_advances_or_changes_nothing(
    server: ServerState, kind: str
) -> None:
    for client, response in itertools.product(ClientState, ResponseState):
        states = in_state(client, server, response)
        is_legal = (
            kind in SERVER_TABLE[server]
            and (kind in RESPONSE_TABLE[response] or not any(kind in row for row in RESPONSE_TABLE.values()))
            and (kind != "session.finished" or client is ClientState.FINISHING)
            and (kind != "session.created" or client is not ClientState.FINISHED)
        )
        if not is_legal:
            with pytest.raises(InvalidState, match=kind):
                states.server_event(kind)
            assert seen(states) == (client, server, response)
        else:
            states.server_event(kind)
            assert seen(states) == (
                ClientState.FINISHED if kind == "session.finished" else client,
                SERVER_TABLE[server][kind],
                RESPONSE_TABLE[response].get(kind, response),
            )


def test_a_connection_begins_with_an_open_client_and_no_session() -> None:
    states = ConnectionState()
    assert seen(states) == (ClientState.OPEN, ServerState.CREATING, ResponseState.NONE)
    assert states.session is SessionState.CREATING


def test_the_events_of_a_response_come_in_the_measured_order() -> None:
    states = run("session.created", "input_text_buffer.committed")
    for kind, state in ONE_RESPONSE:
        states.server_event(kind)
        assert states.response is state


@pytest.mark.parametrize("position", range(1, len(ONE_RESPONSE)))
def test_no_event_of_a_response_can_be_left_out_but_a_delta(position: int) -> None:
    order = [kind for kind, _ in ONE_RESPONSE if kind != "response.audio.delta"]
    position = min(position, len(order) - 1)
    states = run("session.created", "input_text_buffer.committed", *order[: position - 1])
    with pytest.raises(InvalidState):
        states.server_event(order[position])


@pytest.mark.parametrize(
    "kind", ["session.updated", "input_text_buffer.committed", "input_text_buffer.cleared", "error"]
)
def test_a_client_is_answered_while_audio_goes_out(kind: str) -> None:
    states = run("session.created", "input_text_buffer.committed", *[kind for kind, _ in ONE_RESPONSE[:4]])
    states.server_event(kind)
    assert states.response is ResponseState.STREAMING


def test_the_configuration_is_open_until_text_is_committed_for_synthesis() -> None:
    states = run("session.created", "session.update", "input_text_buffer.append", "input_text_buffer.clear")
    before = states.session
    states.server_event("input_text_buffer.committed")
    assert (before, states.session) == (SessionState.BEFORE_TEXT, SessionState.STARTED)


@pytest.mark.parametrize("before", [("session.created",), ("session.created", "input_text_buffer.committed")])
def test_a_session_is_finishing_until_the_server_says_finished(before: tuple[str, ...]) -> None:
    states = run(*before, "session.finish")
    before_the_end = states.session
    states.server_event("session.finished")
    assert (before_the_end, states.session) == (SessionState.FINISHING, SessionState.FINISHED)
    assert states.client is ClientState.FINISHED


def test_a_session_does_not_finish_unasked() -> None:
    states = run("session.created")
    with pytest.raises(InvalidState, match=r"before session\.finish"):
        states.server_event("session.finished")


def test_a_client_may_say_everything_before_the_session_is_created() -> None:
    states = run("session.update", "input_text_buffer.append", "session.finish", "session.created")
    assert states.session is SessionState.FINISHING


def test_an_update_after_the_end_opens_a_new_session() -> None:
    states = run("session.created", "session.finish", "session.finished")
    with pytest.raises(InvalidState, match=r"before a session\.update"):
        states.server_event("session.created")
    states.client_event("session.update")
    states.server_event("session.created")
    assert states.session is SessionState.BEFORE_TEXT


def test_a_refused_new_session_leaves_the_old_one_finished() -> None:
    states = run("session.created", "session.finish", "session.finished", "session.update", "error")
    states.restart_refused()
    assert states.client is ClientState.FINISHED


def test_a_refusal_names_what_is_allowed() -> None:
    states = run("session.created", "session.finish")
    with pytest.raises(InvalidState, match=r"finishing\. Allowed now: response\.cancel, session\.finish\."):
        states.client_event("input_text_buffer.append")


def test_nothing_is_legal_after_the_close() -> None:
    states = run("session.created")
    states.closed()
    assert states.session is SessionState.CLOSED
    with pytest.raises(InvalidState, match="Allowed now: nothing"):
        states.client_event("session.finish")
    for kind in SERVER_EVENT_TYPES:
        with pytest.raises(InvalidState):
            states.server_event(kind)
