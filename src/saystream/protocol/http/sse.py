r"""Server-sent events, framed as the service does (protocol reference, http §2).

Each frame has four lines and an empty one, and no space after a colon, because the official SDK compares
``event:error`` literally::

    id:1
    event:result
    :HTTP_STATUS/200
    data:{…}
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from saystream.errors import RemoteProtocolError

__all__ = ["EventParser", "ServerSentEvent", "encode_frame"]


_STATUS = re.compile(r"[1-5][0-9]{2}")


def encode_frame(number: int, event: Literal["result", "error"], status: int, body: bytes) -> bytes:
    """One frame. ``number`` counts from 1; ``body`` is JSON on one line."""
    return b"id:%d\nevent:%s\n:HTTP_STATUS/%d\ndata:%s\n\n" % (number, event.encode(), status, body)


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One frame as received."""

    data: str
    """Several ``data`` lines are joined by line ends."""
    event: str = "message"
    id: str = ""
    status: int = 200
    """From a line ``:HTTP_STATUS/…`` or ``status:…``, which only this service sends."""


class EventParser:
    """Bytes in, events out, no matter how the bytes are split. Spaces after colons and CR LF are accepted too."""

    def __init__(self, *, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._buffer = bytearray()
        self._searched = 0
        """There is no line end before this position."""
        self._lines: list[str] = []
        self._event_bytes = 0
        """Of the event that is being read, with all its line ends, so that its size does not depend on the splits."""

    def push(self, received: bytes) -> list[ServerSentEvent]:
        """The events that ``received`` completes.

        Raises :class:`~saystream.errors.RemoteProtocolError` for an event over the size limit and for invalid
        UTF-8.
        """
        self._buffer += received
        events = []
        while (end := self._buffer.find(b"\n", self._searched)) >= 0:
            line = self._take_line(end)
            if line:
                self._lines.append(line)
                continue
            lines, self._lines, self._event_bytes = self._lines, [], 0
            if lines and (event := _event(lines)) is not None:
                events.append(event)
        self._searched = len(self._buffer)
        self._check_size(len(self._buffer))
        return events

    def flush(self) -> list[ServerSentEvent]:
        """The event of a stream that ended without an empty line, if there is one."""
        return self.push(b"\n\n")

    def _take_line(self, end: int) -> str:
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        self._searched = 0
        self._event_bytes += end + 1
        self._check_size(0)
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise RemoteProtocolError("The server sent an event that is not UTF-8.") from error

    def _check_size(self, unfinished_bytes: int) -> None:
        if self._event_bytes + unfinished_bytes > self._max_event_bytes:
            raise RemoteProtocolError(f"The server sent an event of more than {self._max_event_bytes} bytes.")


def _event(lines: list[str]) -> ServerSentEvent | None:
    """``None`` if there are only comments."""
    data: list[str] = []
    fields = {"event": "message", "id": "", "status": ""}
    for line in lines:
        if line.startswith(":HTTP_STATUS/"):
            name, value = "status", fields["status"] or line.removeprefix(":HTTP_STATUS/")
        else:
            name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name in fields:
            fields[name] = value
    if not data:
        return None
    status = int(fields["status"]) if _STATUS.fullmatch(fields["status"]) else 200
    return ServerSentEvent("\n".join(data), event=fields["event"], id=fields["id"], status=status)
