"""The asynchronous client of the realtime door: ``async with saystream.client.connect(...) as session``."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from saystream.client.handshake import DEFAULT_URL, api_key_from, realtime_url, request_headers
from saystream.client.options import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, Limits, Timeouts
from saystream.client.session import Session
from saystream.client.transport import Transport, TransportOpener, open_transport
from saystream.errors import ConnectionFailed
from saystream.protocol.realtime.client import ClientConnection
from saystream.protocol.realtime.session_config import SessionSettings

__all__ = [
    "DEFAULT_LIMITS",
    "DEFAULT_TIMEOUTS",
    "DEFAULT_URL",
    "Limits",
    "Session",
    "SessionSettings",
    "Timeouts",
    "Transport",
    "connect",
]


@asynccontextmanager
async def connect(
    url: str = DEFAULT_URL,
    *,
    model: str,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    limits: Limits = DEFAULT_LIMITS,
    opener: TransportOpener = open_transport,
) -> AsyncIterator[Session]:
    """A session that the server has created; the connection is closed when the block is left.

    ``url`` is a server's base (``ws://host:port``) or a full URL. Without ``api_key`` the key is taken from
    ``SAYSTREAM_API_KEY`` or ``DASHSCOPE_API_KEY``; ``headers`` replace those that would be sent by default. ``opener``
    is the network seam.

    Raises InvalidValue for a URL that cannot work, ConnectionFailed if there is no connection (HandshakeRefused if
    there is no use in trying again), and RemoteError if the server accepts and then reports what is wrong, such as an
    unknown model.
    """
    full_url = realtime_url(url, model)
    request = request_headers(api_key or api_key_from(os.environ), headers)
    session: Session | None = None
    try:
        try:
            async with asyncio.timeout(timeouts.open_s):
                transport = await opener(full_url, request, timeouts, limits)
                session = Session(transport, ClientConnection(new_id=_new_id), timeouts, limits)
                await session.start()
        except TimeoutError as error:
            raise ConnectionFailed(f"no session.created within {timeouts.open_s:g} s") from error
        yield session
    finally:
        if session is not None:
            await session.close()


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"
