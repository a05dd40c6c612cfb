"""Requests that never end, are too large, too many or malformed: each is answered or closed, and none is kept."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fuzzing.playing import END, SILENCE, play
from saystream.server.transport.connections import Connections, Unfinished
from server.live import Live, live_server, small_socket, until

from .raw import HANDSHAKE, HEALTH, HOST, raw_peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

POST = b"POST /v1/audio/speech HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(GET + (b"X-A: " + b"b" * 100 + b"\r\n") * 20_000, id="header without end"),
        pytest.param(b"GET /" + b"a" * 2_000_000, id="address without end"),
        pytest.param(b"GET /" + b"a" * 8_100 + b" HTTP/1.1\r\n" + HOST + b"\r\n", id="long address"),
        pytest.param(GET + b"X-A: " + b"b" * 8_100 + b"\r\n\r\n", id="long field"),
        pytest.param(GET + b"X-A: b\r\n" * 101 + b"\r\n", id="many fields"),
        pytest.param(HANDSHAKE + b"X-A: b\r\n" * 200 + b"\r\n", id="handshake with many fields"),
        pytest.param(HANDSHAKE + b"X-A: " + b"b" * 9_000 + b"\r\n\r\n", id="handshake with a long field"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-A: bbbbbbbbbb\r\n" * 20_000, id="trailer"
        ),
    ],
)
async def test_a_head_over_a_limit_is_answered_with_431(server: Live, request_bytes: bytes) -> None:
    async with raw_peer(server) as peer:
        sending = asyncio.create_task(peer.send(request_bytes))
        status, message = await peer.refusal()
        await sending
    assert status == 431
    assert message.startswith("InvalidParameter")


@pytest.mark.parametrize(
    ("request_bytes", "wanted"),
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\n\r\n", "Host", id="no Host"),
        pytest.param(GET + HOST + b"\r\n", "Host", id="two Hosts"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "malformed", id="TLS"),
        pytest.param(HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n", "HTTP/1.1", id="handshake 1.0"),
        pytest.param(HANDSHAKE + b"Content-Length: 3\r\n\r\nabc", "no body", id="handshake with a body"),
        pytest.param(
            HANDSHAKE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "no body", id="handshake with chunks"
        ),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 20_000,
            "too small",
            id="tiny chunks",
        ),
    ],
)
async def test_what_is_malformed_is_answered_with_400(
    server: Live, request_bytes: bytes, wanted: str
) -> None:
    async with raw_peer(server) as peer:
        sending = asyncio.create_task(peer.send(request_bytes))
        status, message = await peer.refusal()
        await sending
    assert status == 400
    assert wanted in message


async def test_bad_frames_before_the_handshake_is_answered_are_refused(
    server: Live, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_peer(server) as peer:
        await peer.send(HANDSHAKE + b"\r\n")
        await until(lambda: any(hasattr(each, "queue") for each in server.uvicorn.server_state.connections))
        await peer.send(b"\xff" * 100)
        assert await peer.rest()
    assert "Fatal error" not in caplog.text


async def test_an_unknown_transfer_encoding_is_answered_with_501(server: Live) -> None:
    async with raw_peer(server) as peer:
        await peer.send(POST + b"Transfer-Encoding: gzip\r\n\r\n")
        status, message = await peer.refusal()
    assert (status, "chunked" in message) == (501, True)


@pytest.mark.parametrize(
    "head", [b"GET /healthz HTTP/1.1\r\n", HANDSHAKE.replace(HOST, b"")], ids=["HTTP", "WebSocket"]
)
async def test_a_foreign_name_is_refused_on_loopback(server: Live, head: bytes) -> None:
    async with raw_peer(server) as peer:
        await peer.send(head + b"Host: rebound.example\r\n\r\n")
        status, _, body = await peer.answer()
    assert status == 403
    assert b"allowed_hosts" in body


async def test_http_1_0_needs_no_host(server: Live) -> None:
    async with raw_peer(server) as peer:
        await peer.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert (await peer.answer())[0] == 200


async def test_pipelined_requests_are_answered_in_order(server: Live) -> None:
    async with raw_peer(server) as peer:
        await peer.send((HEALTH + b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n") * 50)
        assert [(await peer.answer())[0] for _ in range(100)] == [200, 404] * 50


async def test_a_peer_that_pipelines_and_does_not_read_is_not_read_and_then_dropped(server: Live) -> None:
    config: Any = server.uvicorn.config
    config.send_stall_timeout_s = 0.5
    try:
        async with raw_peer(server) as peer:
            sending = asyncio.create_task(
                peer.send(*[b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"] * 50_000)
            )
            await until(lambda: server.num_open)
            (protocol,) = server.uvicorn.server_state.connections
            conversation: Any = protocol
            most = 0

            def is_dropped() -> bool:
                nonlocal most
                most = max(most, len(conversation.conn.trailing_data[0]))
                return not server.num_open

            await until(is_dropped)
            peer.writer.transport.abort()
            await sending
    finally:
        config.send_stall_timeout_s = server.settings.realtime.send_stall_timeout_s
    assert most <= 8192


@pytest.mark.parametrize("ends", [SILENCE, END])
async def test_a_peer_that_never_reads_its_last_answers_is_dropped_though_few_bytes_wait(ends: int) -> None:
    assert await asyncio.to_thread(play, [HEALTH * 12], ends=ends, reads=False)


async def test_half_a_head_is_answered_with_408_in_time(server: Live) -> None:
    with server.limited(head_timeout_s=0.2):
        async with raw_peer(server) as peer:
            await peer.send(GET)
            status, message = await peer.refusal()
    assert (status, "0.2 s" in message) == (408, True)


async def test_a_silent_peer_is_closed_in_time(server: Live) -> None:
    with server.limited(head_timeout_s=0.2):
        async with raw_peer(server) as peer:
            assert await peer.rest() == b""


async def test_half_a_head_after_a_request_is_answered_with_408_too(server: Live) -> None:
    with server.limited(head_timeout_s=5.0):
        async with raw_peer(server) as peer:
            await peer.send(HEALTH)
            assert (await peer.answer())[0] == 200
            await peer.send(b"GET /heal")
            assert (await peer.refusal())[0] == 408


async def test_an_answer_that_does_not_need_the_body_ends_the_connection(server: Live) -> None:
    async with raw_peer(server) as peer:
        await peer.send(
            b"POST /nothing HTTP/1.1\r\n" + HOST + b"Content-Length: 9999999\r\n\r\n" + b"a" * 10_000
        )
        assert (await peer.answer())[0] == 404
        assert await peer.rest() == b""


async def test_unfinished_bodies_are_limited_for_all_peers_together(server: Live) -> None:
    config: Any = server.uvicorn.config
    config.unfinished._max_bytes = 1_000_000
    part = POST + b"Content-Length: 900000\r\n\r\n" + b" " * 700_000
    try:
        async with raw_peer(server) as first, raw_peer(server) as second:
            await first.send(part)
            await until(lambda: config.unfinished.num_bytes == 700_000)
            sending = asyncio.create_task(second.send(part))
            status, fields, _ = await second.answer()
            await sending
            assert (status, fields["retry-after"]) == (503, "5")
            await first.send(b" " * 200_000)
            assert (await first.answer())[0] == 400
    finally:
        config.unfinished._max_bytes = server.settings.limits.max_unfinished_bytes
    await until(lambda: config.unfinished.num_bytes == 0)


async def test_a_body_for_which_there_is_no_room_is_refused_by_its_head(server: Live) -> None:
    config: Any = server.uvicorn.config
    config.unfinished._max_bytes = 1_000_000
    try:
        async with raw_peer(server) as first, raw_peer(server) as second, raw_peer(server) as third:
            await first.send(POST + b"Content-Length: 900000\r\n\r\n" + b" " * 700_000)
            await until(lambda: config.unfinished.num_bytes == 700_000)
            await second.send(POST + b"Content-Length: 900000\r\n\r\n")
            assert (await second.refusal())[0] == 503
            await third.send(POST + b"Content-Length: 9000000\r\n\r\n")
            assert (await third.answer())[0] == 413
    finally:
        config.unfinished._max_bytes = server.settings.limits.max_unfinished_bytes


async def test_a_long_body_is_read_in_large_pieces_and_nothing_after_it(server: Live) -> None:
    async with raw_peer(server) as peer:
        await peer.send(POST + b"Content-Length: 900000\r\n\r\n")
        await until(lambda: server.num_open)
        (protocol,) = server.uvicorn.server_state.connections
        conversation: Any = protocol
        line = conversation.transport.line
        await until(lambda: line.wanted_bytes == 900_000)
        assert len(line.get_buffer(-1)) == 65536
        await peer.send(b" " * 890_000)
        await until(lambda: line.wanted_bytes == 10_000)
        assert len(line.get_buffer(-1)) == 10_000
        await peer.send(b" " * 10_000 + HEALTH)
        assert [(await peer.answer())[0] for _ in range(2)] == [400, 200]
        assert line.wanted_bytes == 0
        assert len(line.get_buffer(-1)) <= 4096


async def test_idle_connections_make_room_and_busy_ones_do_not(server: Live) -> None:
    config: Any = server.uvicorn.config
    await server.quiet()
    before, config.open = config.open, Connections(max_connections=3, max_per_peer=None)
    try:
        async with AsyncExitStack() as stack:
            silent = [await stack.enter_async_context(raw_peer(server)) for _ in range(3)]
            await until(lambda: len(config.open) == 3)
            busy = [await stack.enter_async_context(raw_peer(server)) for _ in range(3)]
            for peer in busy:
                await peer.send(POST + b"Content-Length: 5\r\n\r\n")
            for peer in silent:
                assert await peer.rest() == b""
            await until(lambda: not config.open._idle)
            async with raw_peer(server) as refused:
                status, fields, _ = await refused.answer()
                assert (status, fields["retry-after"]) == (503, "5")
    finally:
        config.open = before


LONG_SPEECH = json.dumps(
    {"model": "tts-1", "input": "On and on. " * 300, "voice": "alloy", "response_format": "pcm"}
)
SPEECH = POST + b"Content-Length: %d\r\n\r\n" % len(LONG_SPEECH) + LONG_SPEECH.encode()


async def test_a_reader_of_a_stream_that_stops_reading_is_dropped_without_a_traceback(
    server: Live, caplog: pytest.LogCaptureFixture
) -> None:
    config: Any = server.uvicorn.config
    await server.quiet()
    config.send_stall_timeout_s = 0.5
    try:
        stalled = await asyncio.to_thread(small_socket, server.port)
        await asyncio.get_running_loop().sock_sendall(stalled, SPEECH)
        await until(lambda: server.room.num_taken)
        await server.quiet()
        stalled.close()
    finally:
        config.send_stall_timeout_s = server.settings.realtime.send_stall_timeout_s
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def unfinished_of(live: Live) -> Unfinished:
    config: Any = live.uvicorn.config
    unfinished: Unfinished = config.unfinished
    return unfinished


async def test_a_peer_that_leaves_in_the_middle_of_its_body_leaves_no_traceback(
    server: Live, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_peer(server) as peer:
        await peer.send(SPEECH[:-10])
        await until(lambda: unfinished_of(server).num_bytes)
        peer.writer.transport.abort()
    await server.quiet()
    assert unfinished_of(server).num_bytes == 0
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("begun", [SPEECH[:-10], GET], ids=["body", "head"])
async def test_a_request_that_is_not_whole_at_the_end_of_the_server_leaves_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, begun: bytes
) -> None:
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(live_server(tmp_path))
        async with raw_peer(live) as peer:
            await peer.send(begun)
            await until(lambda: live.num_open)
            (protocol,) = live.uvicorn.server_state.connections
            conversation: Any = protocol
            await until(lambda: conversation._head_began or conversation.cycle)
            await stack.aclose()
            said = await peer.rest()
    assert said == b"" if begun is GET else b" 503 " in said.splitlines()[0]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
