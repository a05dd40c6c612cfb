from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from websockets.asyncio.server import ServerConnection as Socket
from websockets.exceptions import ConnectionClosed

from saystream.client import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, Limits, Timeouts, connect
from saystream.client.transport import WebSocketTransport, keep_alive, open_transport, proxy_for
from saystream.errors import ConnectionFailed, ConnectionLost, HandshakeRefused, RemoteProtocolError
from saystream.protocol.realtime.codec import encode
from saystream.protocol.realtime.events import Error, ErrorBody

from .doubles import Refusal, server_protocol, serving, spoken

MODEL = "qwen3-tts-flash-realtime"


async def opened(
    url: str, timeouts: Timeouts = DEFAULT_TIMEOUTS, limits: Limits = DEFAULT_LIMITS
) -> WebSocketTransport:
    return await open_transport(url, {}, timeouts, limits)


async def echo(peer: Socket) -> None:
    async for frame in peer:
        await peer.send(frame)


def closing(code: int, reason: str) -> Callable[[Socket], Awaitable[None]]:
    async def close(peer: Socket) -> None:
        await peer.close(code, reason)

    return close


async def drop(peer: Socket) -> None:
    peer.transport.abort()


def unused_url() -> str:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return f"ws://127.0.0.1:{reserved.getsockname()[1]}"


async def test_a_session_over_a_real_socket() -> None:
    with serving() as server:
        async with connect(
            server.base_url, model=MODEL, api_key="sk-test", headers={"X-Custom": "1"}
        ) as session:
            await session.update(voice="Ethan", mode="commit")
            await session.append("Over the wire: 你好")
            await session.commit()
            await session.finish()
            audio = b"".join([delta async for delta in session.audio()])
    assert audio == spoken("Over the wire: 你好")
    (request,) = server.requests
    assert request.path == f"/api-ws/v1/realtime?model={MODEL}"
    assert request.headers["Authorization"] == "Bearer sk-test"
    assert request.headers["X-Custom"] == "1"
    assert request.headers["User-Agent"].startswith("saystream/")
    assert "Sec-WebSocket-Extensions" not in request.headers


async def test_frames_go_both_ways_and_keep_their_kind() -> None:
    async def both(peer: Socket) -> None:
        await peer.send(await peer.recv())
        await peer.send(b"\x00")

    with serving(both) as server:
        transport = await opened(server.url)
        await transport.send("ping é")
        assert await transport.receive() == "ping é"
        assert await transport.receive() == b"\x00"
        await transport.close()


@pytest.mark.parametrize(
    ("refusal", "error", "remote_code", "retry_after_s"),
    [
        (Refusal(401, b'{"code":"InvalidApiKey","message":"No."}'), HandshakeRefused, "InvalidApiKey", None),
        (
            Refusal(429, b'{"code":"Throttling.RateQuota"}', {"Retry-After": "3"}),
            ConnectionFailed,
            "Throttling.RateQuota",
            3,
        ),
        (Refusal(503), ConnectionFailed, None, None),
        (Refusal(404, b"not here"), HandshakeRefused, None, None),
    ],
)
async def test_a_refused_handshake_tells_why(
    refusal: Refusal, error: type[ConnectionFailed], remote_code: str | None, retry_after_s: float | None
) -> None:
    with serving(refusal=refusal) as server:
        with pytest.raises(ConnectionFailed) as failed:
            async with connect(server.base_url, model=MODEL):
                pass
    assert type(failed.value) is error
    assert failed.value.status == refusal.status
    assert (failed.value.remote_code, failed.value.retry_after_s) == (remote_code, retry_after_s)


async def test_a_server_that_is_not_there_is_named() -> None:
    url = unused_url()
    with pytest.raises(ConnectionFailed, match=url.removeprefix("ws://")) as failed:
        await opened(url)
    assert failed.value.status is None
    assert failed.value.retryable


async def test_a_failure_does_not_echo_the_password_of_the_url() -> None:
    url = unused_url().replace("ws://", "ws://name:secret@")
    with pytest.raises(ConnectionFailed) as failed:
        await opened(url)
    assert "secret" not in str(failed.value)


async def test_a_handshake_that_is_never_answered_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ConnectionFailed, match="timed out"):
            await opened(url, Timeouts(open_s=0.05))


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1011, "internal"), (4001, "idle timeout")])
async def test_a_close_of_the_server_tells_code_and_reason(code: int, reason: str) -> None:
    with serving(closing(code, reason)) as server:
        transport = await opened(server.url)
        with pytest.raises(ConnectionLost) as lost:
            await transport.receive()
        assert (lost.value.remote_close_code, lost.value.remote_close_reason) == (code, reason)
        with pytest.raises(ConnectionLost):
            await transport.send("too late")
        await transport.close()


async def test_a_dropped_connection_has_no_close_code() -> None:
    with serving(drop) as server:
        transport = await opened(server.url)
        with pytest.raises(ConnectionLost) as lost:
            await transport.receive()
    assert lost.value.remote_close_code is None


async def test_a_frame_over_the_limit_ends_the_connection() -> None:
    with serving(echo) as server:
        transport = await opened(server.url, limits=Limits(max_frame_bytes=100))
        await transport.send("x" * 101)
        with pytest.raises(ConnectionLost):
            await transport.receive()


async def test_a_server_that_reads_nothing_is_given_up() -> None:
    given_up = threading.Event()

    async def deaf(peer: Socket) -> None:
        peer.transport.pause_reading()
        await peer.send("deaf now")
        await asyncio.to_thread(given_up.wait)
        peer.transport.abort()

    with serving(deaf) as server:
        transport = await opened(server.url, Timeouts(send_s=0.1))
        assert await transport.receive() == "deaf now"
        with pytest.raises(ConnectionLost, match=r"read nothing for 0\.1 s"):
            await transport.send("x" * 20_000_000)
        given_up.set()


PATIENT = Timeouts(close_s=100.0)
"""With these, a close that waits for the peer is seen on a slow machine too."""


async def flood(peer: Socket) -> None:
    """A session that is told more than anyone reads."""
    protocol = server_protocol()
    protocol.open()
    await peer.send(protocol.frames_to_send()[0])
    await peer.recv()
    complaint = encode(Error(error=ErrorBody(code="c", message="m" * 5000)))
    with suppress(ConnectionClosed):
        for _ in range(2000):
            await peer.send(complaint)
        await peer.send("not json")
        for _ in range(2000):
            await peer.send(complaint)


async def test_a_session_that_is_left_unread_closes_quickly() -> None:
    loop = asyncio.get_running_loop()
    with serving(flood) as server:
        limits = Limits(max_queued_events=4)
        async with connect(server.base_url, model=MODEL, timeouts=PATIENT, limits=limits) as session:
            await session.append("go")
            await anext(aiter(session))
            left_s = loop.time()
        assert loop.time() - left_s < PATIENT.close_s / 2


async def test_a_server_that_breaks_the_protocol_and_goes_on_is_left_quickly() -> None:
    loop = asyncio.get_running_loop()
    with serving(flood) as server:
        async with connect(server.base_url, model=MODEL, timeouts=PATIENT) as session:
            await session.append("go")
            with pytest.raises(RemoteProtocolError):
                async for _ in session:
                    pass
            left_s = loop.time()
        assert loop.time() - left_s < PATIENT.close_s / 2


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_this_machine_is_never_behind_a_proxy(host: str) -> None:
    assert proxy_for(f"ws://{host}:8321/api-ws/v1/realtime") is None


def test_another_machine_may_be_behind_a_proxy() -> None:
    assert proxy_for("wss://speech.example/api-ws/v1/realtime") is True
    assert proxy_for("ws://192.0.2.1") is True


def test_a_silent_network_is_probed() -> None:
    with socket.socket() as tcp:
        keep_alive(tcp)
        assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    left, right = socket.socketpair()
    with left, right:
        keep_alive(left)
        assert not left.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
