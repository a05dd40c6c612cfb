"""``saystream serve`` as a process: how it starts, how it stops, what it logs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from saystream.config import Settings
from saystream.server.access.keys import KeyStore
from saystream.storage import open_store
from server.live import PATIENCE_S, Peer, audio_of, small_socket, until

pytestmark = pytest.mark.slow

LONG_TEXT = "This goes on and on without an end in sight. " * 10
HANDSHAKE = (
    b"GET /api-ws/v1/realtime?model=qwen3-tts-flash-realtime HTTP/1.1\r\nHost: localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
DRAINS_SOON: dict[str, Any] = {"SAYSTREAM_DRAIN_TIMEOUT_S": "0.5"}
SLOW_ENGINE = json.dumps({"tone": {"real_time_factor": 0.2}})


class Serving:
    """A process that was started."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.port = 0
        self.lines: list[str] = []
        """What it has printed."""
        self._reading = asyncio.create_task(self._read())
        self._listening = asyncio.Event()

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode())
            with suppress(ValueError):
                record: dict[str, Any] = json.loads(line)
                if record.get("event") == "listening":
                    self.port = record["port"]
                    self._listening.set()

    async def listening(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            waiting = asyncio.create_task(self._listening.wait())
            await asyncio.wait([waiting, self._reading], return_when=asyncio.FIRST_COMPLETED)
        assert self._listening.is_set(), self.output

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    async def ended(self, within_s: float = PATIENCE_S) -> int:
        """Its exit code; it has to come."""
        async with asyncio.timeout(within_s):
            code = await self.process.wait()
            await self._reading
        return code

    @asynccontextmanager
    async def peer(self, **options: Any) -> AsyncIterator[Peer]:
        async with connect(
            f"ws://127.0.0.1:{self.port}/api-ws/v1/realtime?model=qwen3-tts-flash-realtime",
            compression=None,
            proxy=None,
            ping_interval=None,
            **options,
        ) as connection:
            peer = Peer(connection)
            assert (await peer.next())["type"] == "session.created"
            yield peer


@asynccontextmanager
async def serve(
    folder: Path,
    *arguments: str,
    descriptors: int | None = None,
    **environment: str,
) -> AsyncIterator[Serving]:
    """The process, started; no process of it is left at the end. ``descriptors`` is how many files it may open."""
    limited = () if descriptors is None else ("sh", "-c", f'ulimit -n {descriptors}; exec "$0" "$@"')
    process = await asyncio.create_subprocess_exec(
        *(
            *limited,
            sys.executable,
            "-m",
            "saystream",
            "serve",
            "--port",
            "0",
            "--engine",
            "tone",
            *arguments,
        ),
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("SAYSTREAM_")},
            "SAYSTREAM_DATA_DIR": str(folder),
            "SAYSTREAM_LOG__JSON_LINES": "true",
            **environment,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    serving = Serving(process)
    children: list[psutil.Process] = []
    try:
        yield serving
        with suppress(psutil.NoSuchProcess):
            children = serving.children
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await serving.ended()
    gone, alive = await asyncio.to_thread(psutil.wait_procs, children, PATIENCE_S)
    assert not alive


@asynccontextmanager
async def listening(
    folder: Path, *arguments: str, descriptors: int | None = None, **environment: Any
) -> AsyncIterator[Serving]:
    async with serve(folder, *arguments, descriptors=descriptors, **environment) as serving:
        await serving.listening()
        yield serving


# --- stopping --------------------------------------------------------------------------------------------------------


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
        await until(lambda: serving.process.returncode is not None or serving.children)
        (child,) = serving.children
        child.suspend()
        serving.process.send_signal(signal.SIGTERM)
        await until(lambda: serving.process.returncode is not None)
        child.kill()  # a process that is stopped does not hear that its server has gone
        assert await serving.ended() == 0


async def test_a_store_that_hangs_does_not_keep_the_server_from_its_end(tmp_path: Path) -> None:
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as silent:  # connections are accepted, and nothing is ever said
        environment = {
            "SAYSTREAM_FILES__URL": "s3://bucket/files",
            **DRAINS_SOON,
            "AWS_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        }
        async with listening(tmp_path, **environment) as serving:
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


async def test_a_killed_server_leaves_no_engine_process(tmp_path: Path) -> None:
    async with listening(tmp_path) as serving:
        children = serving.children
        serving.process.kill()
        await serving.ended()
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, PATIENCE_S)
        assert not alive


async def test_a_peer_that_stops_reading_is_dropped_with_its_socket(tmp_path: Path) -> None:
    async with listening(tmp_path, SAYSTREAM_REALTIME__SEND_STALL_TIMEOUT_S="0.5") as serving:
        stalled = await asyncio.to_thread(small_socket, serving.port)
        async with serving.peer(sock=stalled, max_queue=1) as peer:
            gateway = psutil.Process(serving.process.pid)

            def num_open() -> int:
                connections = gateway.net_connections("tcp")
                return sum(connection.status != "LISTEN" for connection in connections)

            peer.socket.transport.pause_reading()
            assert num_open() == 1
            await peer.append(LONG_TEXT * 200)
            await until(lambda: num_open() == 0)
            peer.vanish()


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
        await asyncio.to_thread(_health_of, serving.port)  # by then the other connection has been read
        serving.process.send_signal(signal.SIGTERM)
        assert await serving.ended() == 0
        assert "Traceback" not in serving.output
        writer.close()


# --- descriptors -----------------------------------------------------------------------------------------------------


async def test_idle_sockets_use_up_no_descriptors_that_others_need(tmp_path: Path) -> None:
    async with listening(tmp_path, descriptors=256) as serving, AsyncExitStack() as stack:
        assert "file descriptors allow fewer connections than the limits" in serving.output
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
        assert await asyncio.to_thread(_health_of, serving.port) == 200
        (engine,) = serving.children
        engine.kill()
        await until(lambda: any(child.pid != engine.pid for child in serving.children))
        async with serving.peer() as peer:
            await peer.append("Hello there.")
            await peer.finish()
            assert audio_of(await peer.until("session.finished"))
        gateway = psutil.Process(serving.process.pid)
        assert gateway.num_fds() < 256 * 3 / 4


async def test_the_soft_limit_of_descriptors_is_raised(tmp_path: Path) -> None:
    async with listening(tmp_path) as serving:
        soft, hard = psutil.Process(serving.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard or soft > 4000


def _health_of(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE_S) as answer:
        status: int = answer.status
        return status


# --- starting --------------------------------------------------------------------------------------------------------


async def test_a_network_is_not_served_without_keys(tmp_path: Path) -> None:
    async with serve(tmp_path, "--host", "0.0.0.0") as serving:
        assert await serving.ended() == 1
        assert "saystream keys create" in serving.output
        assert "Traceback" not in serving.output


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with serve(tmp_path, "--port", port) as serving:
            assert await serving.ended() != 0
            assert port in serving.output
            assert "Traceback" not in serving.output


async def test_an_engine_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    async with serve(tmp_path, "--engine", "no-such-engine") as serving:
        assert await serving.ended() == 1
        assert serving.lines[-1].startswith("error: ")
        assert "no-such-engine" in serving.lines[-1]
        assert "Traceback" not in serving.output


# --- logs ------------------------------------------------------------------------------------------------------------


async def test_the_log_of_a_session_holds_neither_its_text_nor_its_key(tmp_path: Path) -> None:
    secret_words = ["Rumpelstiltskin", "Schneewittchen", "Frau Holle"]
    async with open_store(Settings(data_dir=tmp_path, database_url=None)) as engine:
        key = (await KeyStore(engine).create("test")).secret
    crash = json.dumps({"tone": {"fault": "crash", "fault_text": secret_words[2], "fault_after_ms": 50}})
    async with listening(tmp_path, SAYSTREAM_LOG__LEVEL="debug", SAYSTREAM_ENGINES=crash) as serving:
        authorized = {"Authorization": f"Bearer {key}"}
        async with serving.peer(additional_headers=authorized) as peer:
            await peer.update(mode="commit", instructions=secret_words[0])
            await peer.update(mode="commit", voice="Ethan", unheard_of=secret_words[0])
            for text in (*secret_words, "The end."):
                await peer.append(f"{text} lives here.")
                await peer.commit()
            await peer.socket.send(secret_words[0])
            await peer.send(secret_words[1])
            await peer.finish()
            await peer.until("session.finished")
        with pytest.raises(InvalidStatus):
            async with serving.peer(additional_headers={"Authorization": "Bearer sk-" + "x" * 43}):
                pass
        serving.process.send_signal(signal.SIGTERM)
        assert await serving.ended() == 0
    records = [json.loads(line) for line in serving.lines]
    assert {"session opened", "response ended", "segment failed", "session closed"} <= {
        record["event"] for record in records
    }
    (failure,) = (record for record in records if record["event"] == "segment failed")
    assert failure["code"] == "engine_crashed"
    assert "tone" in failure["error"]
    assert failure["session"].startswith("sess_")
    assert not [
        word for word in (*secret_words, "lives here", key, key[3:], "x" * 43) if word in serving.output
    ]
