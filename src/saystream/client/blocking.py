"""The same seam for threads: frames out, frames in, a close, each of which blocks its caller."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Protocol

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from saystream.client.options import Limits, Timeouts
from saystream.client.transport import failure, keep_alive, lost, proxy_for

__all__ = ["BlockingTransport", "BlockingWebSocket", "open_blocking"]


class BlockingTransport(Protocol):
    """A connection that carries whole frames; every method may be called from any thread."""

    def send(self, frame: str) -> None:
        """Hand over one text frame. Raises ConnectionLost."""

    def receive(self) -> str | bytes:
        """The next frame, bytes for a binary one. Raises ConnectionLost at the end of the connection."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection, with a closing handshake if time allows. Idempotent; raises nothing."""


class BlockingWebSocket:
    """A BlockingTransport over a WebSocket. A thread of the WebSocket library reads the socket."""

    def __init__(self, connection: ClientConnection, closing: ExitStack) -> None:
        """``closing`` has entered ``connection``."""
        self._connection = connection
        self._closing = closing

    def send(self, frame: str) -> None:
        try:
            self._connection.send(frame)
        except ConnectionClosed as closed:
            raise lost(closed) from closed

    def receive(self) -> str | bytes:
        try:
            return self._connection.recv()
        except ConnectionClosed as closed:
            raise lost(closed) from closed

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._connection.close(code, reason)
        self._closing.close()


def open_blocking(
    url: str, headers: Mapping[str, str], timeouts: Timeouts, limits: Limits
) -> BlockingWebSocket:
    """Connect to ``url``, a full URL. Raises ConnectionFailed, also for a refused handshake."""
    # The library offers connect() only for a with statement; the stack stands in for one.
    closing = ExitStack()
    try:
        connection = closing.enter_context(
            connect(
                url,
                additional_headers=headers,
                user_agent_header=None,
                compression=None,
                proxy=proxy_for(url),
                open_timeout=timeouts.open_s,
                close_timeout=timeouts.close_s,
                ping_interval=None,
                max_size=limits.max_frame_bytes,
                max_queue=limits.max_queued_events,
            )
        )
    except (OSError, WebSocketException) as error:
        raise failure(error, url) from error
    keep_alive(connection.socket)
    return BlockingWebSocket(connection, closing)
