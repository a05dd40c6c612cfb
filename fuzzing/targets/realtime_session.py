"""The server's end of a realtime connection, with a peer that sends anything and an owner that acts at any time.

Nothing that the peer sends makes it raise, what waits is bounded, and each of its answers is an event.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from fuzzing.reading import Reader
from saystream.errors import EngineFailed, InvalidRequest, TextTooLong
from saystream.protocol.realtime.codec import decode_server_event, encode
from saystream.protocol.realtime.events import TextAppend
from saystream.protocol.realtime.server import ServerConnection
from saystream.protocol.realtime.session_config import SessionConfig
from saystream.protocol.realtime.state import SessionState
from saystream.protocol.usage import Usage

MAX_BYTES = 160
DICTIONARY = "realtime"

_MAX_PENDING = 3
_FRAMES = (
    '{"type":"session.update","session":{"mode":"commit"}}',
    '{"type":"session.update","session":{"mode":"server_commit","voice":"Cherry","sample_rate":16000}}',
    '{"type":"session.update","session":{}}',
    '{"type":"input_text_buffer.append","text":"Hello. "}',
    '{"type":"input_text_buffer.append","text":" "}',
    '{"type":"input_text_buffer.commit"}',
    '{"type":"input_text_buffer.clear","event_id":"event_1"}',
    '{"type":"response.cancel"}',
    '{"type":"session.finish"}',
)
"""What a client would send, so that inputs get far; frames of the input's own are between them."""
_TALKING = (SessionState.BEFORE_TEXT, SessionState.STARTED, SessionState.FINISHING)


def one(data: bytes) -> None:
    numbers = count()
    server = ServerConnection(
        model="model",
        config=SessionConfig(),
        new_id=lambda prefix: f"{prefix}_{next(numbers)}",
        check=_check,
        max_frame_bytes=120,
        max_consecutive_errors=4,
        max_pending_responses=_MAX_PENDING,
    )
    server.open()
    reader = Reader(data)
    while reader:
        action = reader.byte()
        if action < len(_FRAMES):
            _receive(server, _FRAMES[action])
        elif action < len(_FRAMES) + len(_OWNER):
            _OWNER[action - len(_FRAMES)](server)
        else:
            frame = reader.take(action // 2).decode("utf-8", "surrogateescape")
            _receive(server, frame, refused=bool(action % 2))
        _look(server)


def _check(config: SessionConfig) -> None:
    if config.voice == "refused":
        raise InvalidRequest("There is no such voice.", param="session.voice")


def _receive(server: ServerConnection, frame: str, *, refused: bool = False) -> None:
    """With ``refused`` as an owner that finds a mistake of its own kind: before it accepts, or after an append."""
    event = server.receive_text(frame)
    if event is None:
        return
    if not refused or isinstance(event, TextAppend):
        accepted = server.accept(event)
        assert accepted is None or accepted is event
    if refused:
        server.refuse(TextTooLong("too long", param="text"), event.event_id)


def _look(server: ServerConnection) -> None:
    for frame in server.frames_to_send():
        assert encode(decode_server_event(frame)) == frame
    assert server.pending_responses <= _MAX_PENDING + 1
    if server.close is not None:
        assert len(server.close.reason.encode()) <= 123
        assert not server.response_open
        assert server.receive_text(_FRAMES[3]) is None
        assert not server.frames_to_send()


def _start(server: ServerConnection) -> None:
    if server.state in _TALKING and not server.response_open:
        if server.pending_responses or server.config.mode == "server_commit":
            server.start_response()


def _send(server: ServerConnection) -> None:
    if server.response_open:
        server.send_audio(b"\0\1")


def _finish(server: ServerConnection) -> None:
    if server.response_open:
        server.finish_response("completed", Usage.of_characters(3))


def _end(server: ServerConnection) -> None:
    if server.state is SessionState.FINISHING and not server.response_open and not server.pending_responses:
        server.finish_session()


_OWNER: tuple[Callable[[ServerConnection], None], ...] = (
    _start,
    _send,
    _finish,
    _end,
    lambda server: server.take_no_more_text(),
    lambda server: server.report(EngineFailed("One segment failed."), start=0, end=1),
    lambda server: server.receive_binary(),
    lambda server: server.fail(EngineFailed("The engine failed.")),
    lambda server: server.shut(1000, "bye"),
)
