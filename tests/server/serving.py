"""``saystream serve`` as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import connect

from server.live import PATIENCE_S, Peer

__all__ = ["DRAINS_SOON", "LONG_TEXT", "SLOW_ENGINE", "Serving", "listening", "serve"]

LONG_TEXT = "This goes on and on without an end in sight. " * 10
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
        if self.process.stderr is None:
            return  # a test has it
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

    async def health(self) -> int:
        """The status of ``/healthz``: it has read by then what came before."""
        return await asyncio.to_thread(self._health)

    def _health(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=PATIENCE_S) as answer:
            status: int = answer.status
            return status

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
    stderr: int = asyncio.subprocess.PIPE,
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
        stderr=stderr,
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
