"""Our start-up and gaps beside Piper's own servers, with the same voice. Prints JSON, or writes it with ``--keep``.

    python benchmarks/peers.py --rounds 3 --keep

Servers: saystream's realtime door, ``wyoming-piper`` and Piper's HTTP server, each with the voice ``piper-en-us-joe``
(``saystream models pull piper-en-us-joe``). Theirs are installed from PyPI into a temporary environment. All sessions
of a round begin together and play what they get: the clock starts with the first sound, and a gap is the time for
which the player has nothing left. Text comes at once, or word by word at 20 words a second. Piper's HTTP server takes
only whole texts. Rounds of all servers in turn. Three rounds take about ten minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from saystream.bench import ServerProcess
from saystream.client import connect
from saystream.errors import SaystreamError
from saystream.models import ModelStore
from saystream.protocol.realtime.events import AudioDelta

RESULTS = Path(__file__).parent / "results" / "peers.json"
PACKAGES = ("piper-tts[http]==1.8.0", "wyoming-piper==2.5.2")
VOICE = "en_US-joe-medium"
TEXT = (
    "Right? The meeting has been moved to Thursday, because two of us are still on the train. Please bring the plans"
    " of the new bridge, and ask Martha for the figures of last year. We start at nine. If the weather is good, we"
    " will walk along the river afterwards."
)
WORDS_PER_S = 20
SESSIONS = (1, 4, 8, 16)
GAP_MS = 100.0

Sound = AsyncIterator[float]
"""Seconds of sound, as they arrive."""


@dataclass(slots=True)
class Heard:
    """What one listener noticed; without sound it was refused."""

    first_ms: float = 0.0
    gap_ms: float = 0.0
    sound_s: float = 0.0


async def listen(sound: Sound, began_s: float) -> Heard:
    heard = Heard()
    try:
        await _listen(sound, heard, began_s)
    except (SaystreamError, OSError, httpx.HTTPError) as refused:
        print(f"a session failed: {refused}", file=sys.stderr)
    return heard


async def _listen(sound: Sound, heard: Heard, began_s: float) -> None:
    first_s: float | None = None
    dry_s = 0.0
    async for duration_s in sound:
        now_s = time.perf_counter()
        if first_s is None:
            first_s = dry_s = now_s
            heard.first_ms = (first_s - began_s) * 1000
        heard.gap_ms = max(heard.gap_ms, (now_s - dry_s) * 1000)
        dry_s = max(dry_s, now_s) + duration_s
        heard.sound_s += duration_s


async def words(dripped: bool) -> AsyncIterator[str]:
    if not dripped:
        yield TEXT
        return
    began_s = time.perf_counter()
    for number, word in enumerate(TEXT.split(" ")):
        await asyncio.sleep(max(0.0, began_s + number / WORDS_PER_S - time.perf_counter()))
        yield word if number == 0 else f" {word}"


async def ours(port: int, dripped: bool) -> Sound:
    async with connect(f"ws://127.0.0.1:{port}", model="qwen3-tts-flash-realtime") as session:
        await session.update(voice="Cherry", language_type="English", sample_rate=24000)

        async def write() -> None:
            async for word in words(dripped):
                await session.append(word)
            await session.finish()

        writing = asyncio.create_task(write())
        async for event in session:
            if isinstance(event, AudioDelta):
                yield len(event.audio) / 2 / 24000
        await writing


async def wyoming(port: int, dripped: bool) -> Sound:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    def send(kind: str, **data: Any) -> None:
        writer.write(json.dumps({"type": kind, "data": data}).encode() + b"\n")

    async def write() -> None:
        if not dripped:
            send("synthesize", text=TEXT)
            return
        send("synthesize-start")
        async for word in words(dripped):
            send("synthesize-chunk", text=word)
        send("synthesize", text=TEXT)
        send("synthesize-stop")

    writing = asyncio.create_task(write())
    last = "synthesize-stopped" if dripped else "audio-stop"
    rate = 22050
    with closing(writer):
        while line := await reader.readline():
            event = json.loads(line)
            data = await reader.readexactly(event.get("data_length") or 0)
            told = {**event.get("data", {}), **(json.loads(data) if data else {})}
            payload = await reader.readexactly(event.get("payload_length") or 0)
            rate = told.get("rate", rate)
            if event["type"] == "audio-chunk":
                yield len(payload) / 2 / rate
            elif event["type"] == last:
                break
        await writing


async def piper_http(port: int, dripped: bool) -> Sound:
    async with (
        httpx.AsyncClient(timeout=120) as http,
        http.stream("POST", f"http://127.0.0.1:{port}/synthesize", json={"text": TEXT}) as answer,
    ):
        answer.raise_for_status()
        header = 44
        async for chunk in answer.aiter_raw():
            taken = min(header, len(chunk))
            header -= taken
            if len(chunk) > taken:
                yield (len(chunk) - taken) / 2 / 22050


async def crowd(speak: Callable[[int, bool], Sound], port: int, sessions: int, dripped: bool) -> list[Heard]:
    began_s = time.perf_counter()
    return await asyncio.gather(*(listen(speak(port, dripped), began_s) for _ in range(sessions)))


def cpu_s(pid: int) -> float:
    top = psutil.Process(pid)
    times = [each.cpu_times() for each in [top, *top.children(recursive=True)]]
    return sum(each.user + each.system for each in times)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + 60
        while True:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"{command[:4]} does not run")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def installed(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python


def figures(heard: list[Heard], cpu: float) -> dict[str, Any]:
    refused = sum(not each.sound_s for each in heard)
    heard = [each for each in heard if each.sound_s]
    firsts = [each.first_ms for each in heard]
    if not heard:
        return {"sessions": 0, "refused": refused}
    return {
        "first audio, median, ms": round(statistics.median(firsts)),
        "first audio, largest, ms": round(max(firsts)),
        "sessions with a gap over 100 ms": sum(each.gap_ms > GAP_MS for each in heard),
        "sessions": len(heard),
        "refused": refused,
        "largest gap, ms": round(max(each.gap_ms for each in heard)),
        "CPU s per second of sound": round(cpu / sum(each.sound_s for each in heard), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sessions", type=int, nargs="+", default=SESSIONS)
    parser.add_argument("--only-ours", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write the results into benchmarks/results")
    options = parser.parse_args()
    folder = ModelStore().path("piper-en-us-joe")
    ways = {"at once": False, "20 words/s": True}
    taken: dict[tuple[str, str, int], tuple[list[Heard], list[float]]] = {}
    with ExitStack() as stack:
        environment = {
            **os.environ,
            "SAYSTREAM_ENGINES": json.dumps({"piper": {"folder": str(folder), "voices": [VOICE]}}),
        }
        own = stack.enter_context(ServerProcess(["--engine", "piper"], environment))
        servers: dict[str, tuple[Callable[[int, bool], Sound], int, int]] = {
            "saystream": (ours, int(own.url.rsplit(":", 1)[1]), own.pid)
        }
        if not options.only_ours:
            temporary = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            python = str(installed(temporary / "venv"))
            port = free_port()
            wyoming_command = [
                python,
                "-m",
                "wyoming_piper",
                "--voice",
                VOICE,
                "--uri",
                f"tcp://127.0.0.1:{port}",
            ]
            wyoming_command += ["--data-dir", str(folder), "--local-files-only"]
            servers["wyoming-piper"] = (wyoming, port, stack.enter_context(running(wyoming_command, port)))
            port = free_port()
            http_command = [python, "-m", "piper.http_server", "-m", VOICE, "--data-dir", str(folder)]
            http_command += ["--port", str(port)]
            servers["piper HTTP"] = (piper_http, port, stack.enter_context(running(http_command, port)))
        for number in range(options.rounds + 1):
            for way, dripped in ways.items():
                for count in options.sessions if number else [1]:
                    for name, (speak, port, pid) in servers.items():
                        if dripped and speak is piper_http:
                            continue
                        before = cpu_s(pid)
                        heard = asyncio.run(crowd(speak, port, count, dripped))
                        if number:  # the first round warms everything up
                            all_heard, cpus = taken.setdefault((name, way, count), ([], []))
                            all_heard.extend(heard)
                            cpus.append(cpu_s(pid) - before)
    results: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
        "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 2),
        "packages": PACKAGES,
        "rounds": options.rounds,
    }
    for (name, way, count), (all_heard, cpus) in taken.items():
        results[f"{name}, {way}, {count} sessions"] = figures(all_heard, sum(cpus))
    print(json.dumps(results, indent=2))
    if options.keep:
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
