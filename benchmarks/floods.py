"""What hostile peers cost everyone else. Writes ``benchmarks/results/floods.json``.

    python benchmarks/floods.py [FLOOD…]

Takes about eight minutes; floods that are named are measured alone and not written. Each flood is a thousand peers, in
a process of their own with low priority. It begins when sessions speak; while it lasts they go on, and a health check
asks every 50 ms. All share one machine, so its load average stands beside the figures. Memory is the gateway's, above
what it had with the same sessions and no flood. What a flood must not do is in ``BOUNDS``.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import resource
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from websockets.frames import Frame, Opcode

from saystream.bench import Load, ServerProcess, run_load, summarise
from saystream.bench.load import SessionTiming
from saystream.bench.report import percentile
from saystream.errors import RemoteProtocolError

RESULTS = Path(__file__).parent / "results" / "floods.json"
TEXT = (
    "The old lighthouse stood at the end of the pier, where the wind never rested. Every evening, the keeper climbed"
    " two hundred steps to light the lamp. Ships that came home late look for it as others look for a friend's window,"
    " and the keeper knew most of them by the sound of their engines."
)
SESSIONS = 40
PEERS = 1000
RAMP_S = 3.0
FLOOD_S = 15.0
"""From when all sessions have begun."""
BOUNDS = {"memory_above_mb": 100.0, "healthz_p99_ms": 100.0}
"""At most…"""
MIN_C100_PERCENT = 99.0
"""…and of the sessions that sound, at least so many are heard without a gap."""
ENVIRONMENT = {**os.environ, "SAYSTREAM_LIMITS__MAX_SESSIONS": str(2 * PEERS)}
"""The server has no keys: the peers of a flood may open sessions, and shall not simply take the place of others."""
HANDSHAKE_S = 1.0
"""Frames that come before the handshake is answered are none."""
COMES_AGAIN_S = 1.0
"""A peer that was answered or closed comes again after this time."""

HOST = b"Host: localhost\r\n"
HANDSHAKE = (
    b"GET /api-ws/v1/realtime?model=qwen3-tts-flash-realtime HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
POST = b"POST /v1/audio/speech HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
UPDATE = json.dumps({"type": "session.update", "session": {}}).encode()


def frame(opcode: Opcode, content: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, content, fin=fin).serialize(mask=True)


# --- the floods ------------------------------------------------------------------------------------------------------


async def endless_header() -> AsyncIterator[bytes]:
    yield b"GET / HTTP/1.1\r\n" + HOST
    while True:
        yield (b"X-A: " + b"b" * 50 + b"\r\n") * 1000


async def huge_address() -> AsyncIterator[bytes]:
    yield b"GET /"
    while True:
        yield b"a" * 65536


async def pipelining() -> AsyncIterator[bytes]:
    while True:
        yield (b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * 500


async def unread_pings() -> AsyncIterator[bytes]:
    yield HANDSHAKE
    await asyncio.sleep(HANDSHAKE_S)
    while True:
        yield frame(Opcode.PING, b"p" * 125) * 500 + frame(Opcode.TEXT, UPDATE)


async def slow_unread_pings() -> AsyncIterator[bytes]:
    yield HANDSHAKE
    await asyncio.sleep(HANDSHAKE_S)
    while True:
        yield frame(Opcode.PING, b"p" * 125) * 5
        await asyncio.sleep(1.0)


async def tiny_frames() -> AsyncIterator[bytes]:
    yield HANDSHAKE
    await asyncio.sleep(HANDSHAKE_S)
    while True:
        yield frame(Opcode.TEXT, b"") * 5000


async def small_events() -> AsyncIterator[bytes]:
    yield HANDSHAKE
    await asyncio.sleep(HANDSHAKE_S)
    while True:
        yield frame(Opcode.TEXT, UPDATE) * 500


async def unfinished_messages() -> AsyncIterator[bytes]:
    yield HANDSHAKE
    await asyncio.sleep(HANDSHAKE_S)
    yield bytes([0x01, 0xFF]) + struct.pack("!Q", 1 << 19) + b"mask" + b"a" * (1 << 19)
    while True:
        yield frame(Opcode.CONT, b"a", fin=False)
        await asyncio.sleep(1.0)


async def slow_body() -> AsyncIterator[bytes]:
    yield POST + b"Content-Length: 1000000\r\n\r\n" + b" " * 900_000
    while True:
        yield b" "
        await asyncio.sleep(1.0)


async def idle() -> AsyncIterator[bytes]:
    yield b""
    await asyncio.sleep(3600)


async def half_a_head() -> AsyncIterator[bytes]:
    yield b"GET / HTTP/1.1\r\n" + HOST
    while True:
        yield b"X-A: b\r\n"
        await asyncio.sleep(1.0)


async def body_byte_by_byte() -> AsyncIterator[bytes]:
    yield POST + b"Content-Length: 1000000\r\n\r\n"
    while True:
        yield b" "
        await asyncio.sleep(0.05)


async def tiny_chunks() -> AsyncIterator[bytes]:
    yield POST + b"Transfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"1\r\n \r\n" * 500


@dataclass(frozen=True)
class Flood:
    bytes_to_send: Callable[[], AsyncIterator[bytes]]
    reads: bool = True


FLOODS = {
    "endless header": Flood(endless_header),
    "huge address": Flood(huge_address),
    "half a head": Flood(half_a_head),
    "pipelining, unread": Flood(pipelining, reads=False),
    "slow bodies": Flood(slow_body),
    "bodies byte by byte": Flood(body_byte_by_byte),
    "tiny chunks": Flood(tiny_chunks),
    "pings, unread": Flood(unread_pings, reads=False),
    "slow pings, unread": Flood(slow_unread_pings, reads=False),
    "tiny frames": Flood(tiny_frames),
    "small events": Flood(small_events),
    "unfinished messages": Flood(unfinished_messages),
    "idle sockets": Flood(idle),
}


async def attack(flood: Flood, port: int) -> Counter[str]:
    """How the peers of a flood were told, each time that they came."""
    told: Counter[str] = Counter()
    await asyncio.sleep(RAMP_S)
    try:
        async with asyncio.timeout(FLOOD_S), asyncio.TaskGroup() as tasks:
            for number in range(PEERS):
                tasks.create_task(_come_again(flood, port, told, number / PEERS))
    except TimeoutError:
        pass
    return told


async def _come_again(flood: Flood, port: int, told: Counter[str], delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    while True:
        told[await _come(flood, port, told)] += 1
        await asyncio.sleep(COMES_AGAIN_S)


async def _come(flood: Flood, port: int, told: Counter[str]) -> str:
    heard = bytearray()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    except OSError as error:
        return f"not connected: {type(error).__name__}"
    reading = asyncio.create_task(_hear(reader, heard)) if flood.reads else None
    try:
        async for part in flood.bytes_to_send():
            writer.write(part)
            if reading is None:
                await writer.drain()
            else:
                sending = asyncio.create_task(writer.drain())
                await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                if reading.done() or writer.is_closing():
                    break
        if reading is not None:
            await reading
    except OSError:
        pass
    except asyncio.CancelledError:
        told[f"{_said(heard)}, then open to the end"] += 1
        raise
    finally:
        if reading is not None:
            reading.cancel()
        writer.transport.abort()
    return f"{_said(heard)}, then closed"


async def _hear(reader: asyncio.StreamReader, heard: bytearray) -> None:
    try:
        while part := await reader.read(4096):
            if len(heard) < 1 << 16:
                heard += part
    except OSError:
        pass


def _said(heard: bytearray) -> str:
    """The status, the codes of errors, and the close code."""
    if not heard:
        return "nothing"
    said = [bytes(heard).split(b" ", 2)[1].decode("ascii", "replace")]
    if said == ["101"]:
        for code in ("too_many_errors", "too_many_control_frames", "frame_timed_out", "server_overloaded"):
            if code.encode() in heard:
                said.append(code)
        for number in (1000, 1008, 1009, 1013):
            if b"\x88" in heard and struct.pack("!H", number) in heard[-200:]:
                said.append(str(number))
    return " ".join(said)


# --- the measurement -------------------------------------------------------------------------------------------------


class Watch:
    """Health checks and memory, in a thread."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._url = server.url.replace("ws://", "http://") + "/healthz"
        self.health_ms: list[float] = []
        self.failed = 0
        self.memory_mb = 0.0
        self.cpu_s = 0.0
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask), threading.Thread(target=self._weigh)]

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._done.wait(0.05):
            began_s = time.perf_counter()
            try:
                with urllib.request.urlopen(self._url, timeout=10) as answer:
                    answer.read()
                self.health_ms.append((time.perf_counter() - began_s) * 1000)
            except (urllib.error.URLError, OSError):
                self.failed += 1

    def _weigh(self) -> None:
        while not self._done.wait(0.3):
            usage = self._server.usage()
            self.memory_mb = max(self.memory_mb, usage.gateway_memory_bytes / 1e6)
            self.cpu_s = usage.gateway_cpu_s


def heard(sessions: Sequence[SessionTiming]) -> dict[str, Any]:
    try:
        report = summarise(sessions, num_characters=len(TEXT))
    except RemoteProtocolError:  # most heard nothing
        failures = Counter(session.error or "no sound" for session in sessions)
        return {"c100_percent": 0.0, "failed_sessions": len(sessions), "errors": list(failures)}
    return {
        "c100_percent": report.c100_percent,
        "first_audio_p50_ms": report.first_audio_ms["p50"],
        "failed_sessions": report.failed,
        "errors": report.errors,
    }


def measured(server: ServerProcess, name: str | None) -> dict[str, Any]:
    load = Load(url=server.url, text=TEXT, sessions=SESSIONS, ramp_s=RAMP_S, tokens_per_second=20.0)
    attacker = None
    if name is not None:
        command = [sys.executable, __file__, name, server.url.rpartition(":")[2]]
        attacker = subprocess.Popen(["nice", "-n", "15", *command], stdout=subprocess.PIPE, text=True)
    cpu_s = server.usage().gateway_cpu_s
    with Watch(server) as watch:
        sessions = asyncio.run(run_load(load))
    told = {} if attacker is None else json.loads(attacker.communicate()[0])
    return {
        "memory_mb": round(watch.memory_mb, 1),
        "gateway_cpu_s": round(watch.cpu_s - cpu_s, 1),
        "healthz_p99_ms": round(percentile(watch.health_ms, 99), 1),
        "healthz_max_ms": round(max(watch.health_ms, default=0.0), 1),
        "healthz_failed": watch.failed,
        **heard(sessions),
        "told": told,
        "load_average": round(os.getloadavg()[0], 2),
    }


def exceeded(figures: dict[str, Any]) -> list[str]:
    """The bounds that a flood did not keep."""
    over = [name for name, most in BOUNDS.items() if figures[name] > most]
    if figures["c100_percent"] < MIN_C100_PERCENT or figures["failed_sessions"]:
        over.append("c100_percent")
    return over


def main(wanted: list[str]) -> None:
    results: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
        "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
        "sessions": SESSIONS,
        "peers": PEERS,
    }
    with ServerProcess(["--engine", "tone"], ENVIRONMENT) as server:
        measured(server, None)
        results["no flood"] = quiet = measured(server, None)
        print("no flood", json.dumps(quiet), flush=True)
    for name in wanted or FLOODS:
        with ServerProcess(["--engine", "tone"], ENVIRONMENT) as server:
            figures = measured(server, name)
        figures["memory_above_mb"] = round(figures["memory_mb"] - quiet["memory_mb"], 1)
        figures["exceeded"] = exceeded(figures)
        results[name] = figures
        print(name, json.dumps(figures), flush=True)
    if not wanted:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most_files, 8 * PEERS), most_files))
    if len(sys.argv) == 3 and sys.argv[2].isdecimal():
        print(json.dumps(asyncio.run(attack(FLOODS[sys.argv[1]], int(sys.argv[2])))))
    else:
        main(sys.argv[1:])
