"""What breaks in ``chaos.py``: the faults, and the servers, stores and disks that they break."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # they start PostgreSQL and Redis

from postgres import Cluster, postgres_programs, running_cluster
from server.redis import RedisServer, redis_server

__all__ = ["FAULTS", "SENTENCES", "SETUPS", "Fault", "Setup", "Target", "say"]

PATH = "/api-ws/v1/realtime?model=qwen3-tts-flash-realtime"
SENTENCES = [f"This is sentence number {number} of the turn, which is a long one. " for number in range(4)]
SEED = 1

_DISK_MB = 48


# --- what is broken


class Disk:
    """A file system of the server's own, mounted at ``folder``. Only root can have one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def freeze(self) -> None:
        """Whatever writes to it waits."""
        subprocess.run(["fsfreeze", "--freeze", str(self.folder)], check=True)

    def thaw(self) -> None:
        subprocess.run(["fsfreeze", "--unfreeze", str(self.folder)], check=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """No byte more fits."""
        filling = self.folder / "filling"
        try:
            with filling.open("wb", buffering=0) as file:
                for size in (1 << 20, 1 << 12, 1):
                    with contextlib.suppress(OSError):
                        while True:
                            file.write(bytes(size))
            yield
        finally:
            filling.unlink()


@dataclass
class Setup:
    """What one server uses."""

    folder: Path
    """Its ``data_dir``."""
    environment: dict[str, str] = field(default_factory=dict)
    cluster: Cluster | None = None
    redis: RedisServer | None = None
    disk: Disk | None = None
    clock: Path | None = None
    """The file that says how far the clock of the server is off."""

    @property
    def has(self) -> set[str]:
        """What there is to break."""
        return {
            "server",
            "sqlite" if self.cluster is None else "postgresql",
            *(name for name in ("redis", "disk", "clock") if getattr(self, name) is not None),
        }

    def set_clock(self, offset_s: int) -> None:
        assert self.clock is not None
        self.clock.write_text(f"{offset_s:+d}\n")


@asynccontextmanager
async def with_sqlite() -> AsyncIterator[Setup]:
    """One server with SQLite and its files on a disk of its own, if this is root."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, _disk(Path(folder)) as disk:
        yield _with_fake_clock(Setup(Path(folder) / "data", disk=disk))


@asynccontextmanager
async def with_postgresql_and_redis() -> AsyncIterator[Setup]:
    """One server with PostgreSQL and Redis, where they are installed."""
    programs = postgres_programs()
    if programs is None or shutil.which("redis-server") is None:
        raise SystemExit("PostgreSQL or Redis is not installed (Debian: postgresql, redis-server)")
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, running_cluster(programs) as cluster:
        async with redis_server(Path(folder)) as redis:
            environment = {
                "SAYSTREAM_DATABASE_URL": cluster.new_database(),
                "SAYSTREAM_LIMITS_URL": redis.url,
            }
            yield _with_fake_clock(Setup(Path(folder) / "data", environment, cluster, redis))


SETUPS = {"sqlite": with_sqlite, "postgresql": with_postgresql_and_redis}


_FAKE_CLOCK = """
import datetime, os, time

real_time, real_datetime, known = time.time, datetime.datetime, [0.0, -1.0]

def offset_s():
    if time.monotonic() > known[1] + 0.5:
        with open(os.environ["CHAOS_CLOCK"]) as file:
            known[:] = float(file.read() or 0), time.monotonic()
    return known[0]

class FakeDatetime(real_datetime):
    @classmethod
    def now(cls, tz=None):
        return real_datetime.now(tz) + datetime.timedelta(seconds=offset_s())

if "CHAOS_CLOCK" in os.environ:  # not in engines
    time.time = lambda: real_time() + offset_s()
    datetime.datetime = FakeDatetime
"""
"""A ``sitecustomize``. libfaketime was tried: under it a server with many threads comes to a stand."""


def _with_fake_clock(setup: Setup) -> Setup:
    """The time of day of the server can be changed, but not what it measures time spans by."""
    setup.environment["SAYSTREAM_DATA_DIR"] = str(setup.folder)
    setup.clock = setup.folder.parent / "clock"
    setup.set_clock(0)
    site = setup.folder.parent / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_FAKE_CLOCK)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    setup.environment |= {"PYTHONPATH": path, "CHAOS_CLOCK": str(setup.clock)}
    return setup


@contextmanager
def _disk(folder: Path) -> Iterator[Disk | None]:
    """An ext4 in a file, at ``folder / "data"``."""
    mounted = folder / "data"
    mounted.mkdir()
    if os.getuid() != 0 or shutil.which("fsfreeze") is None:
        yield None
        return
    image = folder / "disk"
    with image.open("wb") as file:
        file.truncate(_DISK_MB << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mounted)], check=True)
    try:
        yield Disk(mounted)
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


class Target:
    """The server that is harmed."""

    def __init__(self, setup: Setup, url: str, pid: int, key: str) -> None:
        self.setup = setup
        self.url = url + PATH
        self.gateway = psutil.Process(pid)
        self.chance = random.Random(SEED)
        self._key = key

    def engine(self) -> psutil.Process | None:
        return next(iter(self.gateway.children()), None)

    def connect(self, *, max_queue: int = 16) -> connect:
        headers = {"Authorization": f"Bearer {self._key}"}
        return connect(self.url, max_size=None, max_queue=max_queue, additional_headers=headers)


async def say(socket: ClientConnection, text: str, end: str) -> None:
    """``end`` is what comes after the text: a commit, or the finish of the session."""
    for event in ({"type": "input_text_buffer.append", "text": text}, {"type": end}):
        await socket.send(json.dumps({"event_id": "", **event}))


# --- engines and the server itself


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


async def jump_clock(target: Target) -> None:
    """The time of day is an hour later, then an hour earlier, then right again."""
    for offset_s in (3600, -3600, 0):
        target.setup.set_clock(offset_s)
        await asyncio.sleep(5)


# --- clients


async def slow_readers(target: Target) -> None:
    """Twenty more clients ask for much and read nothing, for five seconds."""
    sockets = [await target.connect(max_queue=1) for _ in range(20)]
    for socket in sockets:
        socket.transport.pause_reading()
        await say(socket, "".join(SENTENCES) * 10, "session.finish")
    await asyncio.sleep(5)
    for socket in sockets:
        socket.transport.abort()


async def flood(target: Target) -> None:
    """Another client sends ten thousand events that are refused."""
    async with target.connect() as socket:
        try:
            for _ in range(10_000):
                await socket.send("{}")
        except ConnectionClosed:
            return  # as it should be


# --- stores


async def lock_sqlite(target: Target) -> None:
    """Another program holds the write lock of the database for ten seconds."""
    with closing(sqlite3.connect(target.setup.folder / "saystream.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(10)
        other.execute("ROLLBACK")


async def take_sqlite_away(target: Target) -> None:
    """The database is gone for five seconds, with its side files."""
    files = list(target.setup.folder.glob("saystream.db*"))
    away = target.setup.folder / "away"
    away.mkdir()
    for file in files:
        file.rename(away / file.name)
    await asyncio.sleep(5)
    for file in files:
        (away / file.name).replace(file)
    away.rmdir()


async def hang_postgresql(target: Target) -> None:
    """It takes connections and answers nothing, for ten seconds."""
    assert target.setup.cluster is not None
    target.setup.cluster.hang()
    await asyncio.sleep(10)
    target.setup.cluster.go_on()


async def kill_postgresql(target: Target) -> None:
    """All its connections are cut, and it is away for five seconds."""
    cluster = target.setup.cluster
    assert cluster is not None
    await asyncio.to_thread(cluster.stop)
    await asyncio.sleep(5)
    await asyncio.to_thread(cluster.start)


async def hang_redis(target: Target) -> None:
    """It takes connections and answers nothing, for ten seconds."""
    assert target.setup.redis is not None
    target.setup.redis.hang()
    await asyncio.sleep(10)
    target.setup.redis.go_on()


async def kill_redis(target: Target) -> None:
    """It is away for five seconds, and has forgotten everything then."""
    assert target.setup.redis is not None
    await target.setup.redis.stop()
    await asyncio.sleep(5)
    await target.setup.redis.start()


async def fill_disk(target: Target) -> None:
    """The disk of the database and of the audio files is full for ten seconds."""
    assert target.setup.disk is not None
    with target.setup.disk.full():
        await asyncio.sleep(10)


async def hang_disk(target: Target) -> None:
    """No write to it ends, for ten seconds."""
    assert target.setup.disk is not None
    await asyncio.to_thread(target.setup.disk.freeze)
    await asyncio.sleep(10)
    target.setup.disk.thaw()


async def slow_disk(target: Target) -> None:
    """For ten seconds a write takes up to half a second."""
    assert target.setup.disk is not None
    for _ in range(15):
        await asyncio.to_thread(target.setup.disk.freeze)
        await asyncio.sleep(0.5)
        target.setup.disk.thaw()
        await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Fault:
    act: Callable[[Target], Awaitable[None]]
    needs: str
    """One of ``Setup.has``."""


_ACTS = {
    "server": (kill_engine, kill_engine_while_it_loads, stop_engine, stop_gateway, slow_readers, flood),
    "clock": (jump_clock,),
    "sqlite": (lock_sqlite, take_sqlite_away),
    "disk": (fill_disk, hang_disk, slow_disk),
    "postgresql": (hang_postgresql, kill_postgresql),
    "redis": (hang_redis, kill_redis),
}
FAULTS = {act.__name__: Fault(act, needs) for needs, acts in _ACTS.items() for act in acts}
