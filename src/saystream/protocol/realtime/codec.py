"""JSON text to events and back; every mistake of a peer is named.

Whatever a peer sends, ``decode_client_event`` returns an event or raises a documented error. The fast path
decodes straight into the typed structs; only a refused frame is read again, field by field.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import pybase64

from saystream.errors import (
    InvalidEvent,
    InvalidRequest,
    InvalidValue,
    RemoteProtocolError,
    quote,
)
from saystream.parameters import PARAMETERS
from saystream.protocol.json import NOT_JSON, type_name, why_not_json
from saystream.protocol.realtime.events import (
    CLIENT_EVENT_TYPES,
    ClientEvent,
    ServerEvent,
    SessionUpdate,
    wire_type,
)
from saystream.protocol.realtime.session_config import SessionPatch
from saystream.protocol.surrogates import decode_with_halves, mended

__all__ = [
    "DeltaFrames",
    "decode_client_event",
    "decode_server_event",
    "encode",
    "event_id_of",
    "unknown_session_keys",
]


_CLIENT_DECODER: Final[msgspec.json.Decoder[ClientEvent]] = msgspec.json.Decoder(ClientEvent)
_SERVER_DECODER: Final[msgspec.json.Decoder[ServerEvent]] = msgspec.json.Decoder(ServerEvent)
_ENCODER: Final = msgspec.json.Encoder()
_NUMBER: Final = re.compile(r"[-+]?[0-9.]{1,20}")
_CLIENT_CLASSES: Final = {wire_type(event): event for event in ClientEvent.__args__}


def decode_client_event(frame: str) -> ClientEvent:
    """The event in ``frame``.

    Raises ``InvalidEvent`` when it is not an event (not JSON, not an object, nested too deeply, an unknown ``type``),
    and ``InvalidValue``, whose ``param`` is the path of the field, when a field is missing or of the wrong type; its
    message names every such field.
    """
    try:
        return _CLIENT_DECODER.decode(frame)
    except NOT_JSON:
        return _leniently(frame)


def decode_server_event(frame: str) -> ServerEvent:
    """The event in ``frame``. Raises ``RemoteProtocolError`` when the protocol does not know it."""
    try:
        return _SERVER_DECODER.decode(frame)
    except NOT_JSON as error:
        raise RemoteProtocolError(
            f"The server sent a frame that is not an event: {why_not_json(error)}."
        ) from error


def encode(event: ClientEvent | ServerEvent) -> str:
    """One frame of text."""
    return _ENCODER.encode(event).decode()


def event_id_of(frame: str) -> str:
    """The ``event_id`` of a refused frame, so that the error can name it; empty when there is none."""
    try:
        event_id = mended(_object_in(frame).get("event_id", ""))
    except InvalidRequest:
        return ""
    return event_id if isinstance(event_id, str) else ""


def unknown_session_keys(frame: str) -> tuple[str, ...]:
    """The keys of a ``session.update`` that are not fields: ignored, but worth a line in the log. The frame has been
    decoded before."""
    session = mended(_object_in(frame).get("session"))
    return tuple(quote(key) for key in session if key not in PARAMETERS)


class DeltaFrames:
    """The ``response.audio.delta`` frames of one response.

    A server sends more of these than of all other events together, so frames are assembled from text made
    once; the result equals what ``encode`` makes of an ``AudioDelta``. Ids must not need escaping in JSON.
    """

    def __init__(self, *, response_id: str, item_id: str) -> None:
        self._head = '{"type":"response.audio.delta","event_id":"'
        self._middle = (
            f'","response_id":"{response_id}","item_id":"{item_id}"'
            ',"output_index":0,"content_index":0,"delta":"'
        )

    def frame(self, event_id: str, audio: bytes) -> str:
        return f'{self._head}{event_id}{self._middle}{pybase64.b64encode_as_string(audio)}"}}'


def _object_in(frame: str) -> dict[str, Any]:
    """``frame`` as any JSON object. Raises ``InvalidEvent`` when it is not one."""
    try:
        value = decode_with_halves(frame)
    except NOT_JSON as error:
        raise InvalidEvent(f"The frame is not valid JSON: {why_not_json(error)}.") from error
    if not isinstance(value, dict):
        raise InvalidEvent(f"An event is a JSON object; {type_name(value)} came.")
    return value


def _leniently(frame: str) -> ClientEvent:
    """The event in a ``frame`` that the typed decoder refused: fields that are null are as if they were absent, a
    whole number may be written as a fraction, as serialisers of Java and JavaScript write it, and text may hold halves
    of characters.

    Raises what ``decode_client_event`` raises.
    """
    event = _object_in(frame)
    text = event.get("text")
    event = mended(event)
    if isinstance(text, str):
        event["text"] = text  # its halves may belong to those of other events
    kind = event.get("type")
    if not isinstance(kind, str):
        came = type_name(kind) if "type" in event else "none"
        raise InvalidEvent(f"An event has a string 'type'; {came} came.", param="type")
    if kind not in _CLIENT_CLASSES:
        known = ", ".join(CLIENT_EVENT_TYPES)
        raise InvalidEvent(f"Unknown event type '{quote(kind)}'. A client may send: {known}.", param="type")
    wanted = _CLIENT_CLASSES[kind]
    fields, faults = _read(wanted, event, "")
    if wanted is SessionUpdate and isinstance(fields.get("session"), dict):
        settings, more = _read(SessionPatch, fields["session"], "session.")
        fields["session"] = SessionPatch(**settings)
        faults += more
    if faults:
        raise InvalidValue.all_of(faults)
    event_class: type[ClientEvent] = wanted
    return event_class(**fields)


def _read(
    wanted: type[msgspec.Struct], given: dict[str, Any], path: str
) -> tuple[dict[str, Any], list[InvalidValue]]:
    """The fields of ``wanted`` that are given and right, and what is wrong with the others."""
    fields: dict[str, Any] = {}
    faults: list[InvalidValue] = []
    for field in msgspec.structs.fields(wanted):
        name, param = field.encode_name, path + field.encode_name
        value = given.get(name)
        if value is None:
            if field.required:
                missing = "null came" if name in given else "The field is missing"
                faults.append(InvalidValue(param, "", _expected(param), reason=f"{missing}."))
            continue
        if field.type is SessionPatch and isinstance(value, dict):
            fields[name] = value  # read field by field
            continue
        if isinstance(value, float) and value.is_integer() and param != "event_id":
            value = int(value)
        try:
            fields[name] = msgspec.convert(value, field.type)
        except msgspec.ValidationError:
            faults.append(InvalidValue(param, _shown(value), _expected(param)))
    return fields, faults


def _shown(value: Any) -> str:
    """A number or a boolean as it was written; of anything else the type, for it may be the text to speak."""
    if isinstance(value, bool):
        return str(value).lower()
    is_number = isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value))
    return str(value) if is_number else type_name(value)


def _expected(param: str) -> str:
    if param == "session":
        return "an object"
    parameter = PARAMETERS.get(param.removeprefix("session."))
    return parameter.allowed_words if parameter else "a string"
