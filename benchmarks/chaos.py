"""What sessions lose when something breaks. Writes ``benchmarks/results/chaos.json``.

    python benchmarks/chaos.py                                   # every fault, three times
    python benchmarks/chaos.py --faults kill_engine --times 100  # one of them
    python benchmarks/chaos.py --minutes 30                      # any of them, by chance

Listeners speak on one server with the tone engine, one turn of four sentences after another, each of them a segment;
how long a turn sounds is known. A visitor asks for one short file after another. Between two faults the benchmark waits
until all of them hear sound again. A fault must cost a listener at most the segment that sounded, must be told, and
must close no connection; the visitor must have a file or an error with a code in time; and in the end SIGTERM must end
the server in time with code 0, with a usage row for every response: ``broken_promises`` counts where it did not hold.

Half of it runs with SQLite, half with PostgreSQL and Redis (``--stores``). Faults of disks need root: the server has a
file system of its own, which is filled or frozen. ``left_out`` names what could not be done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pybase64
from chaos_faults import FAULTS, SENTENCES, SETUPS, Setup, Target, say
from sqlalchemy import select
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from saystream.bench import ServerProcess
from saystream.cli.shared import circumstances
from saystream.config import Settings
from saystream.protocol.http.generation import PATH as GENERATION
from saystream.server.access.keys import KeyStore
from saystream.storage import open_store
from saystream.storage.schema import usage

RESULTS = Path(__file__).parent / "results" / "chaos.json"
SENTENCE_MS = 4500
"""With its pause; none sounds longer."""
TURN = "".join(SENTENCES)
NORMAL_TIMEOUT_S = 60.0
VISIT = {"model": "qwen3-tts-flash", "input": {"text": "Is anybody there?", "voice": "Cherry"}}
VISIT_TIMEOUT_S = 30.0
"""Longer than the store of audio files is waited for, which is the slowest of all."""
DRAIN_S = 5.0


@dataclass
class Harm:
    """What one fault did, or all faults of a kind."""

    times: int = 0
    told: Counter[str] = field(default_factory=Counter)
    """Errors by their codes."""
    turns_harmed: int = 0
    sessions_harmed: int = 0
    """The sum over all faults; of those that followed each other at once, one of a session counts."""
    closed: int = 0
    lost_ms: float = 0.0
    broken_promises: list[str] = field(default_factory=list)
    to_normal_s: list[float] = field(default_factory=list)
    memory_mb: float = 0.0
    """Of the gateway, at most."""
    descriptors: int = 0
    visits: Counter[str] = field(default_factory=Counter)
    """Answers to the visitor by their status."""
    slowest_visit_s: float = 0.0

    def add(self, other: Harm) -> None:
        self.told += other.told
        self.turns_harmed += other.turns_harmed
        self.sessions_harmed += other.turns_harmed > 0
        self.closed += other.closed
        self.lost_ms += other.lost_ms
        self.broken_promises += other.broken_promises
        self.visits += other.visits
        self.slowest_visit_s = max(self.slowest_visit_s, other.slowest_visit_s)

    def report(self) -> dict[str, Any]:
        took_s = sorted(self.to_normal_s)
        return {
            "times": self.times,
            "sessions_harmed": self.sessions_harmed,
            "turns_harmed": self.turns_harmed,
            "told": dict(self.told),
            "closed": self.closed,
            "lost_s": round(self.lost_ms / 1000, 1),
            "visits": dict(self.visits),
            "slowest_visit_s": round(self.slowest_visit_s, 2),
            "to_normal_s": [round(took_s[len(took_s) // 2], 2), round(took_s[-1], 2)] if took_s else None,
            "memory_mb": round(self.memory_mb, 1),
            "descriptors": self.descriptors,
            "broken_promises": len(self.broken_promises),
            "which": sorted(set(self.broken_promises)),
        }


# --- those who are harmed


class Listener:
    """One client that speaks turn after turn until it is told to stop."""

    def __init__(self, target: Target, expected_ms: float) -> None:
        self.heard_at_s = 0.0
        self.num_turns = 0
        self.responses: list[str] = []
        """Their ids."""
        self.harm = Harm()
        self._target = target
        self._expected_ms = expected_ms

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                async with self._target.connect() as socket:
                    while not stopping.is_set():
                        await self._turn(socket)
            except InvalidStatus as refused:
                self.harm.told[f"HTTP {refused.response.status_code}"] += 1
                await asyncio.sleep(1)
            except (ConnectionClosed, InvalidMessage, OSError) as error:
                self.harm.closed += 1
                self.harm.broken_promises.append(f"closed: {type(error).__name__} {error}")
                await asyncio.sleep(1)

    async def _turn(self, socket: ClientConnection) -> None:
        heard_ms, errors = await turn(socket, self)
        self.num_turns += 1
        lost_ms = self._expected_ms - heard_ms
        if errors or lost_ms > 1:
            self.harm.turns_harmed += 1
            self.harm.told.update(errors)
            self.harm.lost_ms += lost_ms
            if lost_ms > len(errors) * SENTENCE_MS:
                self.harm.broken_promises.append("lost more than was told")


async def turn(socket: ClientConnection, listener: Listener | None = None) -> tuple[float, list[str]]:
    """Milliseconds heard of a turn, and the codes of the errors in it."""
    await say(socket, TURN, "input_text_buffer.commit")
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
            if listener is not None:
                listener.responses.append(event["response"]["id"])
            break
    return num_bytes / 2 / 24, errors


async def whole_turn_ms(target: Target) -> float:
    """How long a turn sounds that nothing happens to."""
    while True:
        try:
            async with target.connect() as socket:
                heard_ms, errors = await turn(socket)
            if not errors:
                return heard_ms
        except InvalidStatus:
            await asyncio.sleep(1)  # a busy machine may take too long to look up the key


class Visitor:
    """One client that asks for one file after another."""

    def __init__(self, target: Target, key: str) -> None:
        self.heard_at_s = 0.0
        self.num_turns = 0
        self.responses: list[str] = []
        self.harm = Harm()
        self._url = target.url.replace("ws://", "http://").partition("/api-ws")[0] + GENERATION
        self._key = key

    async def run(self, stopping: asyncio.Event) -> None:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {self._key}"}, timeout=60) as client:
            while not stopping.is_set():
                await self._visit(client)
                self.num_turns += 1
                await asyncio.sleep(0.5)

    async def _visit(self, client: httpx.AsyncClient) -> None:
        begun_s = time.monotonic()
        try:
            answer = await client.post(self._url, json=VISIT)
        except httpx.HTTPError as error:
            self.harm.visits[type(error).__name__] += 1
            self.harm.broken_promises.append(f"visitor: {type(error).__name__}")
            return
        took_s = time.monotonic() - begun_s
        self.harm.visits[str(answer.status_code)] += 1
        self.harm.slowest_visit_s = max(self.harm.slowest_visit_s, took_s)
        if answer.status_code == 200:
            self.heard_at_s = time.monotonic()
            self.responses.append(answer.json()["request_id"])
        elif answer.status_code not in (500, 503) or "code" not in answer.json():
            self.harm.broken_promises.append(f"visitor: {answer.status_code}")
        if took_s > VISIT_TIMEOUT_S:
            self.harm.broken_promises.append(f"visitor: no answer in {VISIT_TIMEOUT_S:g} s")


Peers = list[Listener | Visitor]


@asynccontextmanager
async def listening(target: Target, num_sessions: int, visitor_key: str) -> AsyncIterator[Peers]:
    expected_ms = await whole_turn_ms(target)
    peers: Peers = [Visitor(target, visitor_key)]
    peers += [Listener(target, expected_ms) for _ in range(num_sessions)]
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for peer in peers:
            tasks.create_task(peer.run(stopping))
            await asyncio.sleep(0.01)
        try:
            yield peers
        finally:
            stopping.set()


async def until_normal(peers: Peers) -> float | None:
    """Seconds until everybody has heard something from now on; ``None`` if that takes too long."""
    since_s = time.monotonic()
    while time.monotonic() < since_s + NORMAL_TIMEOUT_S:
        if all(peer.heard_at_s > since_s for peer in peers):
            return max(peer.heard_at_s for peer in peers) - since_s
        await asyncio.sleep(0.05)
    return None


async def turns_over(peers: Peers) -> bool:
    """Until everybody has ended the turn that they are in: then what it lost is known. False if that takes too long."""
    begun = [peer.num_turns for peer in peers]
    until_s = time.monotonic() + 2 * NORMAL_TIMEOUT_S
    while any(peer.num_turns == before for peer, before in zip(peers, begun, strict=True)):
        if time.monotonic() > until_s:
            return False
        await asyncio.sleep(0.1)
    return True


# --- the run


async def break_it(name: str, times: int, total: Harm, target: Target, peers: Peers) -> None:
    """A fault, so many times; what it did to everybody is added to ``total``."""
    for peer in peers:
        peer.harm = Harm()
    for _ in range(times):
        await FAULTS[name].act(target)
        took_s = await until_normal(peers)
        if took_s is None:
            total.broken_promises.append(f"not normal after {NORMAL_TIMEOUT_S:g} s")
        else:
            total.to_normal_s.append(took_s)
        total.memory_mb = max(total.memory_mb, target.gateway.memory_full_info().uss / 1e6)
        total.descriptors = max(total.descriptors, target.gateway.num_fds())
        await asyncio.sleep(target.chance.uniform(0.2, 1.0))
    total.times += times
    if not await turns_over(peers):
        total.broken_promises.append("a turn does not end")
    for peer in peers:
        total.add(peer.harm)


def planned(arguments: argparse.Namespace, target: Target, seconds: float) -> Iterator[tuple[str, int]]:
    """The names of the faults, one after another, and how many times."""
    wanted = [name for name in arguments.faults if FAULTS[name].needs in target.setup.has]
    if arguments.minutes is None:
        # Those that have nothing to do with stores once only: the first of them comes first.
        only_stores = arguments.stores.index(_stores_of(target.setup)) > 0
        for name in wanted:
            if not (only_stores and FAULTS[name].needs in ("server", "clock")):
                for done in range(0, arguments.times, 10):
                    yield name, min(10, arguments.times - done)
        return
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        yield target.chance.choice(wanted), 1


def _stores_of(setup: Setup) -> str:
    return "sqlite" if setup.cluster is None else "postgresql"


async def rows_missing(setup: Setup, peers: Peers) -> int:
    """Responses that were heard and have no usage row."""
    heard = {identity for peer in peers for identity in peer.responses}
    async with open_store(_settings(setup)) as engine, engine.begin() as connection:
        kept = set((await connection.execute(select(usage.c.id))).scalars())
    return len(heard - kept)


def _settings(setup: Setup) -> Settings:
    return Settings(
        data_dir=setup.folder, database_url=setup.environment.get("SAYSTREAM_DATABASE_URL"), port=0
    )


async def run_on(setup: Setup, arguments: argparse.Namespace) -> dict[str, Any]:
    """All faults of one setup."""
    async with open_store(_settings(setup)) as engine:
        store = KeyStore(engine)
        key = (await store.create("listeners", max_sessions=arguments.sessions + 50)).secret
        limits: Any = {"requests_per_minute": 10**6, "monthly_characters": 10**9, "max_sessions": 50}
        visitor_key = (await store.create("visitor", **limits)).secret
    environment = {
        **os.environ,
        "SAYSTREAM_ENGINES__TONE__REAL_TIME_FACTOR": str(arguments.real_time_factor),
        "SAYSTREAM_ENGINES__TONE__CONCURRENCY": "2048",
        "SAYSTREAM_SEGMENTER__MAX_CHARACTERS": "80",
        "SAYSTREAM_POOL__ADMISSION_TIMEOUT_S": "300",  # nobody is to be refused because the machine is slow
        "SAYSTREAM_LOG__LEVEL": "error",
        "SAYSTREAM_LIMITS__MAX_SESSIONS": str(arguments.sessions + 100),
        "SAYSTREAM_DRAIN_TIMEOUT_S": str(DRAIN_S),
        **setup.environment,
    }
    harms: dict[str, Harm] = {}
    with ServerProcess(["--engine", "tone"], environment) as server:
        target = Target(setup, server.url, server.pid, key)
        async with listening(target, arguments.sessions, visitor_key) as peers:
            await until_normal(peers)
            seconds = (arguments.minutes or 0) * 60 / len(arguments.stores)
            for name, times in planned(arguments, target, seconds):
                harm = harms.setdefault(name, Harm())
                await break_it(name, times, harm, target, peers)
                print(json.dumps({"stores": _stores_of(setup), "fault": name, **harm.report()}), flush=True)
        begun_s = time.monotonic()
        target.gateway.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(target.gateway.wait, 60)
        ended_s = time.monotonic() - begun_s
    return {
        "stores": _stores_of(setup),
        "faults": {name: harm.report() for name, harm in sorted(harms.items())},
        "left_out": sorted(name for name in arguments.faults if FAULTS[name].needs not in setup.has),
        "responses": sum(len(peer.responses) for peer in peers),
        "usage_rows_missing": await rows_missing(setup, peers),
        "exit_code": code,
        "ended_s": round(ended_s, 2),
    }


async def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for stores in arguments.stores:
        async with SETUPS[stores]() as setup:
            rows.append(await run_on(setup, arguments))
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--minutes", type=float, help="choose among the faults by chance, for so long")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument(
        "--real-time-factor", type=float, default=0.5, help="of the engine; more for a machine that is slow"
    )
    parser.add_argument("--stores", nargs="+", choices=list(SETUPS), default=list(SETUPS))
    parser.add_argument("--name", help="what the result is called in the file", default=None)
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    rows = asyncio.run(run(arguments))
    name = arguments.name or ("mix" if arguments.minutes else "each")
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    known[name] = {
        **circumstances(load_before),
        "sessions": arguments.sessions,
        "minutes": arguments.minutes,
        "real_time_factor": arguments.real_time_factor,
        "setups": rows,
    }
    RESULTS.write_text(json.dumps(known, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
