from __future__ import annotations

import threading

import pytest
from websockets.asyncio.server import ServerConnection as Socket

from saystream.client import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, Timeouts
from saystream.client.blocking import BlockingWebSocket, open_blocking
from saystream.errors import ConnectionFailed, ConnectionLost, HandshakeRefused

from .doubles import Refusal, serving


def opened(url: str, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> BlockingWebSocket:
    return open_blocking(url, {"X-Custom": "1"}, timeouts, DEFAULT_LIMITS)


async def echo(peer: Socket) -> None:
    async for frame in peer:
        await peer.send(frame)


def test_frames_go_both_ways_and_the_headers_arrive() -> None:
    with serving(echo) as server:
        transport = opened(server.url)
        transport.send("é")
        assert transport.receive() == "é"
        transport.close()
        transport.close()
    assert server.requests[0].headers["X-Custom"] == "1"


def test_ones_own_close_ends_who_receives() -> None:
    ended = threading.Event()
    with serving(echo) as server:
        transport = opened(server.url)

        def receive() -> None:
            with pytest.raises(ConnectionLost):
                transport.receive()
            ended.set()

        threading.Thread(target=receive).start()
        transport.close()
        assert ended.wait(60)
        with pytest.raises(ConnectionLost):
            transport.send("too late")


def test_a_close_of_the_server_tells_code_and_reason() -> None:
    async def close(peer: Socket) -> None:
        await peer.close(1011, "internal")

    with serving(close) as server:
        with pytest.raises(ConnectionLost) as lost:
            opened(server.url).receive()
    assert (lost.value.remote_close_code, lost.value.remote_close_reason) == (1011, "internal")


def test_a_refused_handshake_tells_why() -> None:
    with serving(refusal=Refusal(401, b'{"code":"InvalidApiKey","message":"No."}')) as server:
        with pytest.raises(HandshakeRefused, match="InvalidApiKey") as refused:
            opened(server.url)
    assert refused.value.status == 401


def test_a_server_that_is_not_there_is_named() -> None:
    with serving(echo) as server:
        gone = server.url
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1"):
        opened(gone)
