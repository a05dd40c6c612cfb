"""Every event of the realtime protocol, as a frozen struct whose tag is its wire ``type``.

Fields follow the protocol's published tables. A field with a default here is one that a peer may leave out;
everything but ``UNSET`` is always written.

Events are keyword-only. Unknown keys from a peer are ignored: the published shapes have grown over time.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import pybase64
from msgspec import UNSET, UnsetType

from saystream.errors import RemoteProtocolError
from saystream.protocol.realtime.session_config import Session, SessionPatch
from saystream.protocol.usage import Usage
from saystream.protocol.word_times import WordTime

__all__ = [
    "CLIENT_EVENT_TYPES",
    "SERVER_EVENT_TYPES",
    "AudioDelta",
    "AudioDone",
    "ClientEvent",
    "ContentPart",
    "ContentPartAdded",
    "ContentPartDone",
    "Error",
    "ErrorBody",
    "Item",
    "OutputItemAdded",
    "OutputItemDone",
    "Response",
    "ResponseCancel",
    "ResponseCreated",
    "ResponseDone",
    "ResponseStatus",
    "ServerEvent",
    "SessionCreated",
    "SessionFinish",
    "SessionFinished",
    "SessionUpdate",
    "SessionUpdated",
    "TextAppend",
    "TextClear",
    "TextCleared",
    "TextCommit",
    "TextCommitted",
    "WordTimes",
    "wire_type",
]


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    event_id: str = ""
    """Unique within the connection. Clients may leave it out; every server event has one."""


# --- client events -------------------------------------------------------------------------------------


class SessionUpdate(_Event, frozen=True, kw_only=True, tag="session.update"):
    """Sets the configuration; answered by ``session.updated`` or ``error``."""

    session: SessionPatch


class TextAppend(_Event, frozen=True, kw_only=True, tag="input_text_buffer.append"):
    """Adds to the text buffer; not acknowledged."""

    text: str


class TextCommit(_Event, frozen=True, kw_only=True, tag="input_text_buffer.commit"):
    """Speak what is in the buffer now."""


class TextClear(_Event, frozen=True, kw_only=True, tag="input_text_buffer.clear"):
    """Empties the buffer; answered by ``input_text_buffer.cleared``."""


class ResponseCancel(_Event, frozen=True, kw_only=True, tag="response.cancel"):
    """Ends the open response at once."""


class SessionFinish(_Event, frozen=True, kw_only=True, tag="session.finish"):
    """No more text: what remains is spoken, then ``session.finished`` is sent."""


# --- parts of server events ----------------------------------------------------------------------------


ResponseStatus = Literal["in_progress", "completed", "cancelled", "failed", "incomplete"]
"""The documents name all but ``cancelled``, which answers ``response.cancel`` here (ruling 10)."""


class ContentPart(msgspec.Struct, frozen=True, kw_only=True):
    """One part of an item: the audio, whose text stays empty."""

    type: str = "audio"
    text: str | UnsetType = UNSET
    """In the events of the part and the item."""
    transcript: str | UnsetType = UNSET
    """Its name in ``response.done``."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """The output of a response: one message with one audio part."""

    id: str
    """``item_…``"""
    object: str = "realtime.item"
    type: str = "message"
    status: ResponseStatus
    role: str = "assistant"
    content: tuple[ContentPart, ...] = ()


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of audio. ``modalities`` and ``usage`` are sent only in ``response.done``."""

    id: str
    """``resp_…``"""
    object: str = "realtime.response"
    conversation_id: str = ""
    status: ResponseStatus
    modalities: tuple[str, ...] | UnsetType = UNSET
    voice: str = ""
    output: tuple[Item, ...] = ()
    usage: Usage | UnsetType = UNSET
    """Left out only if a fault occurred before anything was counted."""


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The published shapes differ; our server fills all five fields (ruling 3)."""

    type: str = ""
    """``invalid_request_error`` or ``server_error``."""
    code: str
    message: str
    param: str | None = None
    """Dotted path of the field at fault."""
    event_id: str | None = None
    """The client event at fault."""


# --- server events -------------------------------------------------------------------------------------


class SessionCreated(_Event, frozen=True, kw_only=True, tag="session.created"):
    session: Session


class SessionUpdated(_Event, frozen=True, kw_only=True, tag="session.updated"):
    session: Session


class TextCommitted(_Event, frozen=True, kw_only=True, tag="input_text_buffer.committed"):
    item_id: str
    """The item that will hold the audio (ruling 9); the documented example is the empty string."""


class TextCleared(_Event, frozen=True, kw_only=True, tag="input_text_buffer.cleared"):
    pass


class ResponseCreated(_Event, frozen=True, kw_only=True, tag="response.created"):
    response: Response


class OutputItemAdded(_Event, frozen=True, kw_only=True, tag="response.output_item.added"):
    response_id: str
    output_index: int = 0
    item: Item


class _PartEvent(_Event, frozen=True, kw_only=True):
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0


class ContentPartAdded(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.added"):
    part: ContentPart


class AudioDelta(_PartEvent, frozen=True, kw_only=True, tag="response.audio.delta"):
    delta: str
    """Base64; ``audio`` decodes it."""

    @property
    def audio(self) -> bytes:
        """The decoded audio. Raises ``RemoteProtocolError`` when ``delta`` is not base64."""
        try:
            return pybase64.b64decode(self.delta, validate=True)
        except ValueError as error:
            raise RemoteProtocolError("response.audio.delta holds no valid base64", param="delta") from error


class WordTimes(_PartEvent, frozen=True, kw_only=True, tag="saystream.word_timestamps"):
    """An event of saystream's own, only for a session with ``word_timestamps``: when words sound that begin in the
    ``response.audio.delta`` before it."""

    words: list[WordTime]


class AudioDone(_PartEvent, frozen=True, kw_only=True, tag="response.audio.done"):
    pass


class ContentPartDone(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.done"):
    part: ContentPart


class OutputItemDone(_Event, frozen=True, kw_only=True, tag="response.output_item.done"):
    response_id: str
    output_index: int = 0
    item: Item


class ResponseDone(_Event, frozen=True, kw_only=True, tag="response.done"):
    response: Response


class SessionFinished(_Event, frozen=True, kw_only=True, tag="session.finished"):
    pass


class Error(_Event, frozen=True, kw_only=True, tag="error"):
    error: ErrorBody


ClientEvent = SessionUpdate | TextAppend | TextCommit | TextClear | ResponseCancel | SessionFinish
ServerEvent = (
    SessionCreated
    | SessionUpdated
    | TextCommitted
    | TextCleared
    | ResponseCreated
    | OutputItemAdded
    | ContentPartAdded
    | AudioDelta
    | WordTimes
    | AudioDone
    | ContentPartDone
    | OutputItemDone
    | ResponseDone
    | SessionFinished
    | Error
)


def wire_type(event: ClientEvent | ServerEvent | type[ClientEvent] | type[ServerEvent]) -> str:
    """The ``type`` on the wire of an event or of its class."""
    return str(event.__struct_config__.tag)


CLIENT_EVENT_TYPES: Final = tuple(wire_type(event) for event in ClientEvent.__args__)
SERVER_EVENT_TYPES: Final = tuple(wire_type(event) for event in ServerEvent.__args__)
