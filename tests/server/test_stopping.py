"""SIGTERM in every state: the server ends in its time with code 0, and no usage row is lost without a word."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import select
from websockets.exceptions import InvalidStatus

from postgres import Cluster
from saystream.config import Settings
from saystream.protocol.http.generation import PATH as GENERATION
from saystream.server.access.keys import KeyStore
from saystream.storage import open_store
from saystream.storage.schema import usage
from server.live import PATIENCE_S, audio_of, small_socket, until
from server.redis import redis_server
from server.serving import DRAINS_SOON, LONG_TEXT, SLOW_ENGINE, Serving, listening, serve

pytestmark = pytest.mark.slow

HANDSHAKE = (
    b"GET /api-ws/v1/realtime?model=qwen3-tts-flash-realtime HTTP/1.1\r\nHost: localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class SilentBucket:
    """It accepts connections, reads, and never says anything."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._connections: list[socket.socket] = []
        listening.setblocking(False)

    @property
    def environment(self) -> dict[str, Any]:
        return {
            "SAYSTREAM_FILES__URL": "s3://bucket/files",
            "AWS_ENDPOINT": f"http://127.0.0.1:{self._listening.getsockname()[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        }

    def was_sent_a_file(self) -> bool:
        with suppress(BlockingIOError):
            while True:
                self._connections.append(self._listening.accept()[0])
        return any(self._reads_put(connection) for connection in self._connections)

    def _reads_put(self, connection: socket.socket) -> bool:
        try:
            return connection.recv(3, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"PUT"
        except BlockingIOError:
            return False


@contextmanager
def silent_bucket() -> Iterator[SilentBucket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bucket = SilentBucket(listening)
        yield bucket
        for connection in bucket._connections:
            connection.close()


async def gone_without(serving: Serving, engine: psutil.Process) -> None:
    """The server has gone. An engine that is stopped may not hear of it, and then has to be killed."""
    await until(lambda: serving.process.returncode is not None)
    with suppress(psutil.NoSuchProcess):
        engine.kill()


async def test_a_signal_lets_open_sessions_finish_and_takes_no_new_ones(tmp_path: Path) -> None:
    async with listening(tmp_path, SAYSTREAM_ENGINES=SLOW_ENGINE) as serving:
        children = serving.children
        assert len(children) == 1
        async with serving.peer() as peer:
            await peer.append(LONG_TEXT)
            await peer.finish()
            events = await peer.until("response.audio.delta")
            serving.process.send_signal(signal.SIGTERM)
            await until(lambda: '"draining"' in serving.output)
            with pytest.raises(InvalidStatus) as refused:
                async with serving.peer():
                    pass
            assert refused.value.response.status_code == 503
            events += await peer.until("session.finished")
            assert events[-2]["response"]["status"] == "completed"
            assert len(audio_of(events)) / 48000 == pytest.approx(len(LONG_TEXT) / 15, rel=0.05)
        assert await serving.ended() == 0
        assert not any(child.is_running() for child in children)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_with_nobody_there_ends_at_once(tmp_path: Path, signal_number: signal.Signals) -> None:
    async with listening(tmp_path) as serving:
        serving.process.send_signal(signal_number)
        assert await serving.ended() == 0


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    engine = json.dumps({"tone": {"real_time_factor": 1.0}})
    async with listening(tmp_path, SAYSTREAM_ENGINES=engine) as serving, serving.peer() as peer:
        children = serving.children
        await peer.append(LONG_TEXT)
        await peer.until("response.audio.delta")
        serving.process.send_signal(signal.SIGTERM)
        await until(lambda: "draining" in serving.output)
        serving.process.send_signal(signal.SIGTERM)
        assert await serving.ended() == 0
        assert not any(child.is_running() for child in children)
        _, code, _ = await peer.until_closed()
        assert code == 1012


async def test_draining_has_a_limit_that_no_peer_can_stretch(tmp_path: Path) -> None:
    environment: dict[str, Any] = {
        "SAYSTREAM_DRAIN_TIMEOUT_S": "0.5",
        "SAYSTREAM_ENGINES": json.dumps({"tone": {"real_time_factor": 0.01}}),
    }
    async with listening(tmp_path, **environment) as serving, serving.peer() as peer:
        stalled = await asyncio.to_thread(small_socket, serving.port)
        async with serving.peer(sock=stalled, max_queue=1) as silent:
            silent.socket.transport.pause_reading()
            for each in (peer, silent):
                await each.append(LONG_TEXT * 200)
            await peer.until("response.audio.delta")
            serving.process.send_signal(signal.SIGTERM)
            events, code, _ = await peer.until_closed()
            assert events[-1]["response"]["status"] == "failed"
            assert code == 1012
            assert await serving.ended() == 0
            silent.vanish()


async def test_a_signal_while_it_starts_is_heard(tmp_path: Path) -> None:
    async with serve(tmp_path) as serving:
        await until(lambda: serving.process.returncode is not None or serving.children)
        serving.process.send_signal(signal.SIGTERM)
        assert await serving.ended() == 0


async def test_an_engine_that_does_not_load_keeps_no_signal_waiting(tmp_path: Path) -> None:
    async with serve(tmp_path, **DRAINS_SOON) as serving:
        # Not before it runs a program of its own: until then the server itself waits for it.
        await until(lambda: any("saystream.hosting.worker" in child.cmdline() for child in serving.children))
        (child,) = serving.children
        child.suspend()
        serving.process.send_signal(signal.SIGTERM)
        await gone_without(serving, child)
        assert await serving.ended() == 0


async def test_a_store_that_hangs_does_not_keep_the_server_from_its_end(tmp_path: Path) -> None:
    with silent_bucket() as bucket:
        async with listening(tmp_path, **bucket.environment, **DRAINS_SOON) as serving:
            serving.process.send_signal(signal.SIGTERM)
            assert await serving.ended() == 0


async def test_a_locked_database_does_not_keep_the_server_from_its_end_and_the_rows_are_counted(
    tmp_path: Path,
) -> None:
    async with listening(tmp_path, **DRAINS_SOON) as serving:
        with closing(sqlite3.connect(tmp_path / "saystream.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with serving.peer() as peer:
                await peer.append("Hello.")
                await peer.finish()
                await peer.until("session.finished")
                serving.process.send_signal(signal.SIGTERM)
                assert await serving.ended() == 0
    lost = [json.loads(line) for line in serving.lines if '"usage rows lost"' in line]
    assert [line["count"] for line in lost] == [1]


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"", id="silence"),
        pytest.param(HANDSHAKE, id="half a head"),
        pytest.param(HANDSHAKE + b"X-A: b\r\n" * 200 + b"\r\n", id="a handshake with many fields"),
        pytest.param(HANDSHAKE + b"Content-Length: 3\r\n\r\nabc", id="a handshake with a body"),
        pytest.param(HANDSHAKE + b"\r\n" + b"\x01\x80mask", id="half a message"),
        pytest.param(
            b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99\r\n\r\n{",
            id="half a body",
        ),
    ],
)
async def test_no_unfinished_request_keeps_it_from_stopping(tmp_path: Path, begun: bytes) -> None:
    async with listening(tmp_path, SAYSTREAM_DRAIN_TIMEOUT_S="0.5") as serving:
        _, writer = await asyncio.open_connection("127.0.0.1", serving.port)
        writer.write(begun)
        await writer.drain()
        await serving.health()  # by then the other connection has been read
        serving.process.send_signal(signal.SIGTERM)
        assert await serving.ended() == 0
        assert "Traceback" not in serving.output
        writer.close()


# --- what hangs while something is being spoken ----------------------------------------------------------------------


async def rows_of(settings: Settings) -> list[tuple[str, str | None]]:
    """The outcome and the error code of each usage row."""
    async with open_store(settings) as engine, engine.begin() as connection:
        rows = await connection.execute(select(usage.c.outcome, usage.c.error_code))
        return [(row.outcome, row.error_code) for row in rows]


async def test_an_engine_that_hangs_keeps_neither_the_server_from_its_end_nor_the_row_from_being_written(
    tmp_path: Path,
) -> None:
    async with listening(tmp_path, SAYSTREAM_ENGINES=SLOW_ENGINE, **DRAINS_SOON) as serving:
        (engine,) = serving.children
        async with serving.peer() as peer:
            await peer.append(LONG_TEXT)
            await peer.until("response.audio.delta")
            engine.suspend()
            serving.process.send_signal(signal.SIGTERM)
            _, code, _ = await peer.until_closed()
            assert code == 1012
        await gone_without(serving, engine)
        assert await serving.ended() == 0
    assert await rows_of(Settings(data_dir=tmp_path)) == [("failed", "server_draining")]


async def test_a_file_that_cannot_be_stored_keeps_neither_the_server_from_its_end_nor_the_row_from_being_written(
    tmp_path: Path,
) -> None:
    with silent_bucket() as bucket:
        async with listening(tmp_path, **bucket.environment, **DRAINS_SOON) as serving:
            body = {"model": "qwen3-tts-flash", "input": {"text": "Hello.", "voice": "Cherry"}}
            async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
                asking = asyncio.create_task(
                    client.post(f"http://127.0.0.1:{serving.port}{GENERATION}", json=body)
                )
                await until(bucket.was_sent_a_file)
                serving.process.send_signal(signal.SIGTERM)
                assert (await asking).status_code == 503
            assert await serving.ended() == 0
    assert await rows_of(Settings(data_dir=tmp_path)) == [("failed", "server_draining")]


async def test_a_log_that_nobody_reads_keeps_neither_the_server_from_its_end_nor_the_row_from_being_written(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))
    os.set_blocking(writing, True)
    try:
        async with serve(
            tmp_path, stderr=writing, SAYSTREAM_LOG__LEVEL="debug", SAYSTREAM_DRAIN_TIMEOUT_S="0.5"
        ) as serving:
            named = tmp_path / "server.json"
            await until(named.exists)
            serving.port = int(json.loads(named.read_text())["url"].rpartition(":")[2])
            async with serving.peer() as peer:
                await peer.append("Hello.")
                await peer.finish()
                await peer.until("session.finished")
            serving.process.send_signal(signal.SIGTERM)
            assert await serving.ended() == 0
    finally:
        os.close(reading)
        os.close(writing)
    assert await rows_of(Settings(data_dir=tmp_path)) == [("completed", None)]


async def test_a_redis_that_hangs_keeps_neither_the_server_from_its_end_nor_the_row_from_being_written(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path)
    async with open_store(settings) as engine:
        key = (await KeyStore(engine).create("Ann", max_sessions=2)).secret
    async with (
        redis_server(tmp_path) as redis,
        listening(tmp_path, SAYSTREAM_LIMITS_URL=redis.url, **DRAINS_SOON) as serving,
        serving.peer(additional_headers={"Authorization": f"Bearer {key}"}) as peer,
    ):
        await peer.append("Hello.")
        await peer.commit()
        await peer.until("response.done")
        redis.hang()
        serving.process.send_signal(signal.SIGTERM)
        await peer.until_closed()
        assert await serving.ended() == 0
    assert await rows_of(settings) == [("completed", None)]


async def status_of(serving: Serving, headers: dict[str, str]) -> int:
    """Of one request to be spoken."""
    body = {"model": "tts-1", "voice": "alloy", "input": "Hello."}
    async with httpx.AsyncClient(timeout=PATIENCE_S, headers=headers) as client:
        answer = await client.post(f"http://127.0.0.1:{serving.port}/v1/audio/speech", json=body)
    return answer.status_code


async def test_a_postgresql_that_hangs_is_refused_with_503_and_loses_no_row(
    tmp_path: Path, postgres: Cluster
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=postgres.new_database())
    async with open_store(settings) as engine:
        keys = KeyStore(engine)
        free = {"Authorization": f"Bearer {(await keys.create('Ann')).secret}"}
        counted = {"Authorization": f"Bearer {(await keys.create('Bea', monthly_characters=10**6)).secret}"}
    assert settings.database_url is not None
    async with (
        listening(tmp_path, SAYSTREAM_DATABASE_URL=settings.database_url, **DRAINS_SOON) as serving,
        serving.peer(additional_headers=free) as goes_on,
        serving.peer(additional_headers=counted) as is_counted,
    ):
        postgres.hang()
        try:
            # Nothing is asked for one whose key is known; the month of the other cannot be counted.
            await goes_on.append("Hello.")
            await goes_on.commit()
            await goes_on.until("response.done")
            await is_counted.append("Hello.")
            events, code, _ = await is_counted.until_closed()
            assert (events[-1]["error"]["code"], code) == ("store_unavailable", 1013)
            assert await status_of(serving, counted) == 503
            assert await status_of(serving, {"Authorization": "Bearer sk-" + "x" * 43}) == 503
        finally:
            postgres.go_on()
        async with asyncio.timeout(PATIENCE_S):
            while await status_of(serving, counted) != 200:
                pass
        serving.process.send_signal(signal.SIGTERM)
        assert await serving.ended() == 0
    assert "usage rows lost" not in serving.output
    assert await rows_of(settings) == [("completed", None)] * 2


async def test_a_postgresql_that_hangs_keeps_the_server_not_from_its_end_and_the_rows_are_counted(
    tmp_path: Path, postgres: Cluster
) -> None:
    url = postgres.new_database()
    async with listening(tmp_path, SAYSTREAM_DATABASE_URL=url, **DRAINS_SOON) as serving:
        async with serving.peer() as peer:
            postgres.hang()
            try:
                await peer.append("Hello.")
                await peer.finish()
                await peer.until("session.finished")
                serving.process.send_signal(signal.SIGTERM)
                assert await serving.ended() == 0
            finally:
                postgres.go_on()
    lost = [json.loads(line) for line in serving.lines if '"usage rows lost"' in line]
    assert [line["count"] for line in lost] == [1]
