"""The events of OpenAI-style servers that stream speech as server-sent events.

    data: {"type":"speech.audio.delta","audio":"<base64 of 16-bit samples>"}
    data: {"type":"speech.audio.done","usage":{…}}
    data: {"type":"speech.audio.error","error":{"message":…,"type":…,"param":…,"code":…}}

vLLM-Omni 0.30 adds an ``event:`` line, and to an error after audio ``"partial_audio": true, "action": "discard"``.
Our own server calls an error ``error``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pybase64

from saystream.errors import EngineOutputInvalid, RemoteProtocolError
from saystream.protocol.http.sse import EventParser
from saystream.protocol.json import NOT_JSON

__all__ = ["MAX_EVENT_BYTES", "SpeechEvents", "SpeechFailed"]

MAX_EVENT_BYTES = 16 << 20
"""Four minutes of audio in one event: some servers send a whole segment at once."""


@dataclass(frozen=True, slots=True)
class SpeechFailed:
    """The server says that it cannot continue."""

    message: str
    code: int | None
    """As an HTTP status, if it is a number."""


class _Event(msgspec.Struct):
    type: str
    audio: str = ""
    error: Any = None


class SpeechEvents:
    """Bytes of the stream in, audio or a failure out; the same however the bytes are split."""

    def __init__(self) -> None:
        self._parser = EventParser(max_event_bytes=MAX_EVENT_BYTES)
        self.done = False
        """The server has said that the audio is complete."""

    def push(self, received: bytes) -> list[bytes | SpeechFailed]:
        """The contents of the events that ``received`` completes. Raises EngineOutputInvalid for anything that is not a
        speech event."""
        try:
            events = self._parser.push(received)
        except RemoteProtocolError as error:
            raise EngineOutputInvalid(f"It violates the format of its events. {error.message}") from error
        parts: list[bytes | SpeechFailed] = []
        for event in events:
            if not self.done and (part := self._read(event.data)) is not None:
                parts.append(part)
        return parts

    def _read(self, data: str) -> bytes | SpeechFailed | None:
        if data == "[DONE]":
            self.done = True
            return None
        try:
            event = msgspec.json.decode(data, type=_Event)
            if event.type == "speech.audio.delta":
                return pybase64.b64decode(event.audio, validate=True)
        except (*NOT_JSON, ValueError) as error:  # or no base64
            raise EngineOutputInvalid("One of its events is not a speech event.") from error
        if event.type == "speech.audio.done":
            self.done = True
        elif event.type in ("speech.audio.error", "error"):
            return _failed(event.error)
        return None  # events that may be added later


def _failed(error: Any) -> SpeechFailed:
    fields = error if isinstance(error, dict) else {"message": error}
    message, code = fields.get("message"), fields.get("code")
    return SpeechFailed(message if isinstance(message, str) else "", code if isinstance(code, int) else None)
