"""What sessions lose when something breaks. Writes ``benchmarks/results/chaos.json``.

    python benchmarks/chaos.py                                   # every fault, ten times
    python benchmarks/chaos.py --faults kill_engine --times 100  # one of them

Listeners speak on one server with the tone engine, one turn of four sentences after another, each of them a segment;
how long a turn sounds is known. Between two faults the benchmark waits until all of them hear sound again. A fault must
cost a listener at most the segment that sounded, must be told, and must close no connection: ``broken_promises``
counts where it did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pybase64
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from saystream.bench import ServerProcess
from saystream.cli.shared import circumstances

RESULTS = Path(__file__).parent / "results" / "chaos.json"
PATH = "/api-ws/v1/realtime?model=qwen3-tts-flash-realtime"
SENTENCES = [f"This is sentence number {number} of the turn, which is a long one. " for number in range(4)]
SENTENCE_MS = 4500
"""With its pause; none sounds longer."""
TURN = "".join(SENTENCES)
NORMAL_TIMEOUT_S = 60.0
SEED = 1


@dataclass
class Harm:
    """What one fault did, or all faults of a kind."""

    told: Counter[str] = field(default_factory=Counter)
    """Errors by their codes."""
    sessions_harmed: int = 0
    closed: int = 0
    lost_ms: float = 0.0
    broken_promises: int = 0
    """Connections closed, turns with a loss that was not told or was more than a sentence for each error."""
    to_normal_s: list[float] = field(default_factory=list)
    memory_mb: float = 0.0
    """Of the gateway, at most."""
    descriptors: int = 0


class Listener:
    """One client that speaks turn after turn until it is told to stop."""

    def __init__(self, url: str, expected_ms: float) -> None:
        self.heard_at_s = 0.0
        self.num_turns = 0
        self._url = url
        self._expected_ms = expected_ms
        self.harm = Harm()

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                async with connect(self._url, max_size=None) as socket:
                    while not stopping.is_set():
                        await self._turn(socket)
            except (ConnectionClosed, OSError):
                self.harm.closed += 1
                self.harm.broken_promises += 1
                await asyncio.sleep(1)

    async def _turn(self, socket: ClientConnection) -> None:
        heard_ms, errors = await turn(socket, self)
        self.num_turns += 1
        lost_ms = self._expected_ms - heard_ms
        if errors or lost_ms > 1:
            self.harm.sessions_harmed += 1
            self.harm.told.update(errors)
            self.harm.lost_ms += lost_ms
            self.harm.broken_promises += lost_ms > len(errors) * SENTENCE_MS


async def turn(socket: ClientConnection, listener: Listener | None = None) -> tuple[float, list[str]]:
    """Milliseconds heard of a turn, and the codes of the errors in it."""
    for event in ({"type": "input_text_buffer.append", "text": TURN}, {"type": "input_text_buffer.commit"}):
        await socket.send(json.dumps({"event_id": "", **event}))
    num_bytes, errors = 0, []
    async for frame in socket:
        event = json.loads(frame)
        if event["type"] == "response.audio.delta":
            num_bytes += len(pybase64.b64decode(event["delta"]))
            if listener is not None:
                listener.heard_at_s = time.monotonic()
        elif event["type"] == "error":
            errors.append(event["error"]["code"])
        elif event["type"] == "response.done":
            break
    return num_bytes / 2 / 24, errors


# --- faults


class Target:
    """The server that is harmed."""

    def __init__(self, server: ServerProcess) -> None:
        self.url = server.url + PATH
        self.gateway = psutil.Process(server.pid)
        self.chance = random.Random(SEED)

    def engine(self) -> psutil.Process | None:
        return next(iter(self.gateway.children()), None)


async def kill_engine(target: Target) -> None:
    """An engine's process is killed while it speaks."""
    if (engine := target.engine()) is not None:
        engine.kill()


async def kill_engine_while_it_loads(target: Target) -> None:
    """It is killed, and so is the next one as soon as it is there."""
    if (engine := target.engine()) is not None:
        engine.kill()
        while (following := target.engine()) is None or following.pid == engine.pid:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        following.kill()


async def stop_engine(target: Target) -> None:
    """It stands still for as long as is taken for a hang, as when it waits for a disk."""
    if (engine := target.engine()) is not None:
        engine.send_signal(signal.SIGSTOP)
        await asyncio.sleep(25)  # longer than pool.first_chunk_timeout_s
        if engine.is_running():
            engine.send_signal(signal.SIGCONT)


async def stop_gateway(target: Target) -> None:
    """The server itself stands still, as under a debugger or on a machine that is far too busy."""
    target.gateway.send_signal(signal.SIGSTOP)
    await asyncio.sleep(13)
    target.gateway.send_signal(signal.SIGCONT)


async def slow_readers(target: Target) -> None:
    """Twenty more clients ask for much and read nothing, for five seconds."""
    sockets = [await connect(target.url, max_size=None, max_queue=1) for _ in range(20)]
    for socket in sockets:
        socket.transport.pause_reading()
        for event in ({"type": "input_text_buffer.append", "text": TURN * 10}, {"type": "session.finish"}):
            await socket.send(json.dumps({"event_id": "", **event}))
    await asyncio.sleep(5)
    for socket in sockets:
        socket.transport.abort()


async def flood(target: Target) -> None:
    """Another client sends ten thousand events that are refused."""
    async with connect(target.url, max_size=None) as socket:
        try:
            for _ in range(10_000):
                await socket.send("{}")
        except ConnectionClosed:
            return  # as it should be


FAULTS: dict[str, Callable[[Target], Awaitable[None]]] = {
    fault.__name__: fault
    for fault in (
        kill_engine,
        kill_engine_while_it_loads,
        stop_engine,
        stop_gateway,
        slow_readers,
        flood,
    )
}


# --- the run


@asynccontextmanager
async def listening(target: Target, num_sessions: int) -> AsyncIterator[list[Listener]]:
    async with connect(target.url, max_size=None) as socket:
        expected_ms, _ = await turn(socket)
    listeners = [Listener(target.url, expected_ms) for _ in range(num_sessions)]
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for listener in listeners:
            tasks.create_task(listener.run(stopping))
            await asyncio.sleep(0.01)
        try:
            yield listeners
        finally:
            stopping.set()


async def until_normal(listeners: list[Listener]) -> float | None:
    """Seconds until every listener has heard something from now on; ``None`` if that takes too long."""
    since_s = time.monotonic()
    while time.monotonic() < since_s + NORMAL_TIMEOUT_S:
        if all(listener.heard_at_s > since_s for listener in listeners):
            return max(listener.heard_at_s for listener in listeners) - since_s
        await asyncio.sleep(0.05)
    return None


async def turns_over(listeners: list[Listener]) -> None:
    """Until every listener has ended the turn that it is in: then what it lost is known."""
    begun = [listener.num_turns for listener in listeners]
    for listener, before in zip(listeners, begun, strict=True):
        while listener.num_turns == before:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def break_it(name: str, times: int, target: Target, listeners: list[Listener]) -> Harm:
    """Everything that a kind of fault did to all listeners."""
    total = Harm()
    for listener in listeners:
        listener.harm = Harm()
    for _ in range(times):
        await FAULTS[name](target)
        took_s = await until_normal(listeners)
        if took_s is None:
            total.broken_promises += 1
        else:
            total.to_normal_s.append(took_s)
        total.memory_mb = max(total.memory_mb, target.gateway.memory_full_info().uss / 1e6)
        total.descriptors = max(total.descriptors, target.gateway.num_fds())
        await asyncio.sleep(target.chance.uniform(0.2, 1.0))
    await turns_over(listeners)
    for listener in listeners:
        harm = listener.harm
        total.told.update(harm.told)
        total.sessions_harmed += harm.sessions_harmed
        total.closed += harm.closed
        total.lost_ms += harm.lost_ms
        total.broken_promises += harm.broken_promises
    return total


def report(name: str, times: int, harm: Harm) -> dict[str, Any]:
    to_normal_s = sorted(harm.to_normal_s) or [float("nan")]
    return {
        "fault": name,
        "times": times,
        "sessions_harmed": harm.sessions_harmed,
        "told": dict(harm.told),
        "closed": harm.closed,
        "lost_s": round(harm.lost_ms / 1000, 1),
        "broken_promises": harm.broken_promises,
        "to_normal_s": [round(to_normal_s[len(to_normal_s) // 2], 2), round(to_normal_s[-1], 2)],
        "memory_mb": round(harm.memory_mb, 1),
        "descriptors": harm.descriptors,
    }


async def run(
    server: ServerProcess, faults: list[str], times: int, num_sessions: int
) -> list[dict[str, Any]]:
    target, rows = Target(server), []
    async with listening(target, num_sessions) as listeners:
        await until_normal(listeners)
        for name in faults:
            rows.append(report(name, times, await break_it(name, times, target, listeners)))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--sessions", type=int, default=200)
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    environment = {
        **os.environ,
        "SAYSTREAM_ENGINES__TONE__REAL_TIME_FACTOR": "0.5",
        "SAYSTREAM_ENGINES__TONE__CONCURRENCY": "512",
        "SAYSTREAM_SEGMENTER__MAX_CHARACTERS": "80",
        "SAYSTREAM_LOG__LEVEL": "error",
        "SAYSTREAM_LIMITS__MAX_SESSIONS": str(arguments.sessions + 100),
    }
    with ServerProcess(["--engine", "tone"], environment) as server:
        rows = asyncio.run(run(server, arguments.faults, arguments.times, arguments.sessions))
    result = {**circumstances(load_before), "sessions": arguments.sessions, "faults": rows}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
