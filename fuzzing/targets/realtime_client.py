"""What a server sends to our client, in any order: an event that belongs to its session, or a documented error."""

from __future__ import annotations

from itertools import count

from fuzzing.reading import Reader
from saystream.errors import InvalidState, RemoteProtocolError
from saystream.protocol.realtime.client import ClientConnection
from saystream.protocol.realtime.events import AudioDelta
from saystream.protocol.realtime.session_config import SessionPatch

MAX_BYTES = 200
DICTIONARY = "realtime"

_SESSION = (
    '{"mode":"commit","model":"m","voice":"v","response_format":"pcm","sample_rate":24000,"id":"sess_1"}'
)
_ITEM = '{"id":"i","status":"completed","content":[{"text":""}]}'
_FRAMES = tuple(
    f'{{"event_id":"e","type":"{kind}"{fields}}}'
    for kind, fields in (
        ("session.created", f',"session":{_SESSION}'),
        ("session.updated", f',"session":{_SESSION}'),
        ("input_text_buffer.committed", ',"item_id":"i"'),
        ("input_text_buffer.cleared", ""),
        ("response.created", ',"response":{"id":"r","status":"in_progress"}'),
        ("response.output_item.added", f',"response_id":"r","item":{_ITEM}'),
        ("response.content_part.added", ',"response_id":"r","item_id":"i","part":{"text":""}'),
        ("response.audio.delta", ',"response_id":"r","item_id":"i","delta":"AAAA"'),
        ("response.audio.delta", ',"response_id":"other","item_id":"i","delta":"*"'),
        ("response.audio.done", ',"response_id":"r","item_id":"i"'),
        ("response.content_part.done", ',"response_id":"r","item_id":"i","part":{"text":""}'),
        ("response.output_item.done", f',"response_id":"r","item":{_ITEM}'),
        ("response.done", ',"response":{"id":"r","status":"completed","output":[' + _ITEM + "]}"),
        ("session.finished", ""),
        ("error", ',"error":{"code":"c","message":"m","event_id":"event_3"}'),
    )
)
"""What a server would send, so that inputs get far."""


def one(data: bytes) -> None:
    numbers = count()
    client = ClientConnection(new_id=lambda prefix: f"{prefix}_{next(numbers)}")
    reader = Reader(data)
    while reader:
        action = reader.byte()
        if action < len(_FRAMES):
            _receive(client, _FRAMES[action])
        elif action < len(_FRAMES) + 7:
            _send(client, action - len(_FRAMES))
        else:
            _receive(client, reader.take(action).decode("utf-8", "surrogateescape"))


def _receive(client: ClientConnection, frame: str) -> None:
    before = (client.state, client.session, client.response_id)
    try:
        event = client.receive_text(frame)
    except RemoteProtocolError:
        assert before == (client.state, client.session, client.response_id), "nothing has changed"
        return
    if isinstance(event, AudioDelta):
        assert event.response_id == client.response_id


def _send(client: ClientConnection, action: int) -> None:
    sends = (
        lambda: client.update_session(SessionPatch(voice="v")),
        lambda: client.append_text("Hello."),
        client.commit,
        client.clear,
        client.cancel,
        client.finish,
        client.closed,
    )
    before = client.state
    try:
        sends[action]()
    except InvalidState:
        assert client.state is before
