"""``saystream serve`` as a process: how it starts, how it stops, what it logs."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import InvalidStatus

from saystream.config import Settings
from saystream.server.access.keys import KeyStore
from saystream.storage import open_store
from server.live import PATIENCE_S, audio_of, small_socket, until
from server.serving import LONG_TEXT, listening, serve

pytestmark = pytest.mark.slow


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


# --- descriptors -----------------------------------------------------------------------------------------------------


async def test_idle_sockets_use_up_no_descriptors_that_others_need(tmp_path: Path) -> None:
    async with listening(tmp_path, descriptors=256) as serving, AsyncExitStack() as stack:
        assert "file descriptors allow fewer connections than the limits" in serving.output
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
        assert await serving.health() == 200
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


# --- starting --------------------------------------------------------------------------------------------------------


async def test_the_address_of_all_interfaces_serves_both_families(tmp_path: Path) -> None:
    async with listening(tmp_path, SAYSTREAM_HOST="::", SAYSTREAM_ALLOW_ANONYMOUS="true") as serving:
        for address in ("127.0.0.1", "::1"):
            _, writer = await asyncio.open_connection(address, serving.port)
            writer.close()
        assert await serving.health() == 200


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
