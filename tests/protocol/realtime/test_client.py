from __future__ import annotations

import json
from typing import Any

import pytest

from saystream.errors import InvalidState, RemoteProtocolError
from saystream.protocol.realtime.client import ClientConnection
from saystream.protocol.realtime.events import AudioDelta, SessionFinished
from saystream.protocol.realtime.server import ServerConnection
from saystream.protocol.realtime.session_config import SessionPatch
from saystream.protocol.realtime.state import SessionState

from .harness import UNTAKEN_VOICE, USAGE, make_client, make_server, take

PART = {"response_id": "resp_1", "item_id": "item_1"}


def deliver(server: ServerConnection, client: ClientConnection) -> list[Any]:
    return [client.receive_text(frame) for frame in server.frames_to_send()]


@pytest.fixture
def pair() -> tuple[ServerConnection, ClientConnection]:
    """Both ends of a connection whose session was created."""
    server, client = make_server(opened=False), make_client()
    server.open()
    deliver(server, client)
    return server, client


@pytest.fixture
def streaming(pair: tuple[ServerConnection, ClientConnection]) -> tuple[ServerConnection, ClientConnection]:
    """Both ends, while audio goes out."""
    server, client = pair
    take(server, client.append_text("Hello."))
    server.start_response()
    server.send_audio(b"\0\1")
    deliver(server, client)
    return pair


def test_each_method_gives_the_frame_of_its_event() -> None:
    client = make_client()
    frames = [
        client.update_session(SessionPatch(voice="Cherry", volume=3)),
        client.append_text("你好"),
        client.commit(),
        client.clear(),
        client.cancel(),
        client.finish(),
    ]
    assert [json.loads(frame) for frame in frames] == [
        {"event_id": "event_1", "type": "session.update", "session": {"voice": "Cherry", "volume": 3}},
        {"event_id": "event_2", "type": "input_text_buffer.append", "text": "你好"},
        {"event_id": "event_3", "type": "input_text_buffer.commit"},
        {"event_id": "event_4", "type": "input_text_buffer.clear"},
        {"event_id": "event_5", "type": "response.cancel"},
        {"event_id": "event_6", "type": "session.finish"},
    ]


def test_text_that_cannot_be_sent_is_refused_and_changes_nothing() -> None:
    client = make_client()
    with pytest.raises(ValueError, match="surrogates"):
        client.append_text("\ud800")
    assert client.state is SessionState.CREATING


def test_no_text_may_follow_the_finish(pair: tuple[ServerConnection, ClientConnection]) -> None:
    _, client = pair
    client.finish()
    for refused in (client.commit, client.clear, lambda: client.append_text("a")):
        with pytest.raises(InvalidState):
            refused()
    with pytest.raises(InvalidState):
        client.update_session(SessionPatch())
    client.cancel()
    client.finish()
    assert client.state is SessionState.FINISHING


def test_the_client_learns_of_its_session(pair: tuple[ServerConnection, ClientConnection]) -> None:
    server, client = pair
    assert client.session is not None
    assert client.session.id == server.session_id
    take(server, client.update_session(SessionPatch(volume=9)))
    deliver(server, client)
    assert client.session.volume == 9


def test_the_client_follows_a_response(streaming: tuple[ServerConnection, ClientConnection]) -> None:
    server, client = streaming
    assert client.response_id == "resp_1"
    server.send_audio(b"\2\3")
    (delta,) = deliver(server, client)
    assert isinstance(delta, AudioDelta)
    assert delta.audio == b"\2\3"
    server.finish_response("completed", USAGE)
    take(server, client.finish())
    server.finish_session()
    assert isinstance(deliver(server, client)[-1], SessionFinished)
    assert client.state is SessionState.FINISHED


def test_a_new_session_may_follow_on_the_same_connection(
    pair: tuple[ServerConnection, ClientConnection],
) -> None:
    server, client = pair
    take(server, client.finish())
    server.finish_session()
    deliver(server, client)
    take(server, client.update_session(SessionPatch(volume=9)))
    deliver(server, client)
    assert client.session is not None
    assert client.session.id == server.session_id == "sess_2"
    assert client.state is SessionState.BEFORE_TEXT


def test_a_refused_new_session_can_be_asked_for_again(
    pair: tuple[ServerConnection, ClientConnection],
) -> None:
    server, client = pair
    take(server, client.finish())
    server.finish_session()
    deliver(server, client)
    take(server, client.update_session(SessionPatch(voice=UNTAKEN_VOICE)))
    deliver(server, client)
    before = client.state
    with pytest.raises(InvalidState):
        client.append_text("a")
    take(server, client.update_session(SessionPatch(voice="Ethan")))
    deliver(server, client)
    assert (before, client.state) == (SessionState.FINISHED, SessionState.BEFORE_TEXT)


def test_of_two_updates_for_a_new_session_one_may_be_refused(
    pair: tuple[ServerConnection, ClientConnection],
) -> None:
    server, client = pair
    take(server, client.finish())
    server.finish_session()
    deliver(server, client)
    frames = [client.update_session(SessionPatch(voice=voice)) for voice in (UNTAKEN_VOICE, "Ethan")]
    for frame in frames:
        take(server, frame)
        deliver(server, client)
    assert client.state is SessionState.BEFORE_TEXT


def test_an_error_about_another_event_does_not_end_a_new_session(
    pair: tuple[ServerConnection, ClientConnection],
) -> None:
    server, client = pair
    take(server, client.finish())
    server.finish_session()
    deliver(server, client)
    update = client.update_session(SessionPatch())
    client.receive_text('{"type":"error","error":{"code":"x","message":"y","event_id":"event_0"}}')
    take(server, update)
    deliver(server, client)
    take(server, client.append_text("a"))
    assert server.state is client.state is SessionState.BEFORE_TEXT


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "response.audio.delta", **PART, "response_id": "resp_2", "delta": ""}, "response_id"),
        ({"type": "response.audio.delta", **PART, "item_id": "item_2", "delta": ""}, "item_id"),
        ({"type": "response.audio.done", **PART, "item_id": "item_2"}, "item_id"),
        ({"type": "response.done", "response": {"id": "resp_2", "status": "completed"}}, "response.id"),
        (
            {
                "type": "response.output_item.done",
                "response_id": "resp_1",
                "item": {"id": "x", "status": "completed"},
            },
            "item.id",
        ),
        (
            {
                "type": "response.output_item.added",
                "response_id": "x",
                "item": {"id": "x", "status": "completed"},
            },
            "response_id",
        ),
    ],
)
def test_an_event_of_another_response_is_refused(
    streaming: tuple[ServerConnection, ClientConnection], event: dict[str, Any], param: str
) -> None:
    server, client = streaming
    with pytest.raises(RemoteProtocolError) as fault:
        client.receive_text(json.dumps(event))
    assert fault.value.param == param
    server.finish_response("completed", USAGE)
    deliver(server, client)
    assert client.state is SessionState.STARTED


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.finished"},
        {"type": "session.created", "session": {}},
        {"type": "response.created", "response": {"id": "resp_2", "status": "in_progress"}},
        {"type": "response.content_part.done", **PART, "part": {}},
        {"type": "session.renamed"},
    ],
)
def test_an_event_out_of_order_is_refused_and_changes_nothing(
    streaming: tuple[ServerConnection, ClientConnection], event: dict[str, Any]
) -> None:
    server, client = streaming
    with pytest.raises(RemoteProtocolError):
        client.receive_text(json.dumps(event))
    assert client.response_id == "resp_1"
    server.finish_response("completed", USAGE)
    deliver(server, client)


def test_a_response_that_no_committed_announced_is_taken(
    pair: tuple[ServerConnection, ClientConnection],
) -> None:
    _, client = pair
    client.receive_text('{"type":"response.created","response":{"id":"resp_9","status":"in_progress"}}')
    assert client.response_id == "resp_9"
    assert client.state is SessionState.STARTED


def test_nothing_is_sent_or_taken_after_the_close(pair: tuple[ServerConnection, ClientConnection]) -> None:
    _, client = pair
    client.closed()
    assert client.state is SessionState.CLOSED
    with pytest.raises(InvalidState):
        client.finish()
    with pytest.raises(RemoteProtocolError):
        client.receive_text('{"type":"session.finished"}')
