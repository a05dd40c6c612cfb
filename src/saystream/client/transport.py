"""The seam between the client and the network: frames out, frames in, a close.

Tests give a session their own transport; nothing else in the client touches a socket.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Literal, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from saystream.client.handshake import refusal
from saystream.client.options import Limits, Timeouts
from saystream.errors import ConnectionFailed, ConnectionLost

__all__ = [
    "Transport",
    "TransportOpener",
    "WebSocketTransport",
    "abandon",
    "failure",
    "keep_alive",
    "lost",
    "open_transport",
    "proxy_for",
]

_RECEIVE_QUEUE_FRAMES = 4
"""Held in addition to the session's own queue, whose limit the caller sets."""

_PROBE_AFTER_S = 20
_PROBE_EVERY_S = 10
_PROBES = 3


class Transport(Protocol):
    """A connection that carries whole frames."""

    async def send(self, frame: str) -> None:
        """Hand over one text frame; returns when the socket takes more. Raises ConnectionLost."""

    async def receive(self) -> str | bytes:
        """The next frame, bytes for a binary one. Raises ConnectionLost at the end of the connection."""

    async def ping(self) -> None:
        """Return once the peer has answered, which waits behind the frames that were not received. Raises
        ConnectionLost."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection, with a closing handshake if time allows. Idempotent; raises nothing."""


TransportOpener = Callable[[str, Mapping[str, str], Timeouts, Limits], Awaitable[Transport]]
"""How a client gets its connections: the seam that tests replace."""


class WebSocketTransport:
    """A Transport over a WebSocket."""

    def __init__(self, connection: ClientConnection, timeouts: Timeouts) -> None:
        self._connection = connection
        self._timeouts = timeouts

    async def send(self, frame: str) -> None:
        try:
            async with asyncio.timeout(self._timeouts.send_s):
                await self._connection.send(frame)
        except ConnectionClosed as closed:
            raise lost(closed) from closed
        except TimeoutError:
            self._connection.transport.abort()
            raise ConnectionLost(f"the server read nothing for {self._timeouts.send_s:g} s") from None

    async def receive(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise lost(closed) from closed

    async def ping(self) -> None:
        try:
            await (await self._connection.ping())
        except ConnectionClosed as closed:
            raise lost(closed) from closed

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.close(code, reason)


async def open_transport(
    url: str, headers: Mapping[str, str], timeouts: Timeouts, limits: Limits
) -> WebSocketTransport:
    """Connect to ``url``, a full URL. Raises ConnectionFailed, also for a refused handshake."""
    try:
        connection = await connect(
            url,
            additional_headers=headers,
            user_agent_header=None,
            compression=None,  # base64 audio hardly shrinks, and deflate holds 300 kB for each connection
            proxy=proxy_for(url),
            open_timeout=timeouts.open_s,
            close_timeout=timeouts.close_s,
            ping_interval=None,  # a pong would wait behind the audio of a slow caller: keep_alive() instead
            max_size=limits.max_frame_bytes,
            max_queue=_RECEIVE_QUEUE_FRAMES,
        )
    except (OSError, WebSocketException) as error:
        raise failure(error, url) from error
    keep_alive(connection.transport.get_extra_info("socket"))
    return WebSocketTransport(connection, timeouts)


async def abandon(transport: Transport, code: int, reason: str) -> None:
    """Close, and drop what still arrives: the server's close frame comes after it."""
    closing = asyncio.ensure_future(transport.close(code, reason))
    try:
        while True:
            await transport.receive()
    except ConnectionLost:
        await closing
    finally:
        closing.cancel()


def failure(error: OSError | WebSocketException, url: str) -> ConnectionFailed:
    """What a failed connect to ``url`` raises for ``error``; TimeoutError is an OSError."""
    if isinstance(error, InvalidStatus):
        response = error.response
        return refusal(response.status_code, bytes(response.body or b""), response.headers.get("Retry-After"))
    host = urlsplit(url).netloc.rpartition("@")[2]
    return ConnectionFailed(f"cannot connect to {host}: {error}")


def lost(closed: ConnectionClosed) -> ConnectionLost:
    """What a closed connection raises: the server's close frame, if one came."""
    frame = closed.rcvd
    if frame is None:
        return ConnectionLost("the connection was dropped without a close frame")
    said = f": {frame.reason}" if frame.reason else ""
    return ConnectionLost(
        f"the server closed the connection with {frame.code:d}{said}",
        remote_close_code=int(frame.code),
        remote_close_reason=frame.reason,
    )


def proxy_for(url: str) -> Literal[True] | None:
    """``True`` uses the proxy of the environment; this machine itself is never behind one."""
    host = urlsplit(url).hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    return None if loopback else True


def keep_alive(sock: socket.socket) -> None:
    """Let the kernel probe a silent peer, so that a dead network is noticed in less than a minute."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):  # the server may have closed it already; what it sent can still be read
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", _PROBE_AFTER_S),
            ("TCP_KEEPINTVL", _PROBE_EVERY_S),
            ("TCP_KEEPCNT", _PROBES),
        ):
            option = getattr(socket, name, None)  # not every system has all three
            if option is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
