"""The application as it is served, in the loop of the test, and peers that talk to it over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pybase64
import uvicorn
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from saystream.config import Settings
from saystream.hosting.front import EngineLoad
from saystream.server.access.room import Room
from saystream.server.app import create_app
from saystream.server.doors.base import Services
from saystream.server.runner import uvicorn_config
from saystream.server.transport.config import TransportConfig

PATIENCE_S = 60.0
"""How long a test waits for what has to come."""

MODEL = "qwen3-tts-flash-realtime"

Event = dict[str, Any]


def kinds(events: list[Event]) -> list[str]:
    """The types of events, with the deltas of a response drawn together."""
    types = [event["type"] for event in events]
    delta = "response.audio.delta"
    return [
        kind for before, kind in zip(["", *types], types, strict=False) if kind != delta or before != delta
    ]


def audio_of(events: list[Event]) -> bytes:
    return b"".join(
        pybase64.b64decode(event["delta"]) for event in events if event["type"] == "response.audio.delta"
    )


async def until(condition: Callable[[], object]) -> None:
    """Wait for what nobody tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Peer:
    """A client that says whatever a test wants."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "event_id": f"event_{kind}", **fields}))

    async def update(self, **session: Any) -> None:
        await self.send("session.update", session=session)

    async def append(self, text: str) -> None:
        await self.send("input_text_buffer.append", text=text)

    async def commit(self) -> None:
        await self.send("input_text_buffer.commit")

    async def clear(self) -> None:
        await self.send("input_text_buffer.clear")

    async def cancel(self) -> None:
        await self.send("response.cancel")

    async def finish(self) -> None:
        await self.send("session.finish")

    async def next(self) -> Event:
        async with asyncio.timeout(PATIENCE_S):
            frame = await self.socket.recv()
        assert isinstance(frame, str)
        event: Event = json.loads(frame)
        return event

    async def until(self, kind: str) -> list[Event]:
        """The events up to the first of that type."""
        events = [await self.next()]
        while events[-1]["type"] != kind:
            events.append(await self.next())
        return events

    async def error(self) -> Event:
        """The body of the next event, which has to be an error."""
        event = await self.next()
        assert event["type"] == "error", event["type"]
        body: Event = event["error"]
        return body

    async def until_closed(self) -> tuple[list[Event], int | None, str]:
        """All events that still come, the close code and its reason."""
        events: list[Event] = []
        try:
            while True:
                events.append(await self.next())
        except ConnectionClosed as closed:
            received = closed.rcvd
        return (events, None, "") if received is None else (events, received.code, received.reason)

    def vanish(self) -> None:
        """As a peer whose machine lost its power or its network, as far as one socket can show it."""
        self.socket.transport.abort()


@dataclass(frozen=True)
class Live:
    """A server that runs."""

    settings: Settings
    app: Any
    uvicorn: uvicorn.Server
    others: frozenset[psutil.Process]
    """Child processes that were there before."""

    @property
    def port(self) -> int:
        port: int = self.uvicorn.servers[0].sockets[0].getsockname()[1]
        return port

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    @property
    def room(self) -> Room:
        return self.services.room

    @property
    def load(self) -> EngineLoad:
        (load,) = self.services.synthesizer.hosting.load()
        return load

    def engine_processes(self) -> set[psutil.Process]:
        return set(psutil.Process().children(recursive=True)) - self.others

    @property
    def num_open(self) -> int:
        """TCP connections."""
        return len(self.uvicorn.server_state.connections)

    @property
    def is_quiet(self) -> bool:
        """Nobody is connected and the engine has nothing to do."""
        return not (self.room.num_taken or self.num_open or self.load.waiting or self.load.running)

    def url(self, model: str | None = MODEL) -> str:
        query = "" if model is None else f"?model={model}"
        return f"ws://127.0.0.1:{self.port}/api-ws/v1/realtime{query}"

    @asynccontextmanager
    async def peer(
        self,
        model: str | None = MODEL,
        *,
        greeted: bool = True,
        key: str | None = None,
        language: str | None = None,
        **options: Any,
    ) -> AsyncIterator[Peer]:
        """A peer that has read ``session.created``, unless it is not to be ``greeted``."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if language is not None:
            headers["Accept-Language"] = language
        async with connect(
            self.url(model),
            additional_headers=headers,
            compression=None,
            proxy=None,
            ping_interval=None,
            max_size=None,
            close_timeout=PATIENCE_S,
            **options,
        ) as connection:
            peer = Peer(connection)
            if greeted:
                assert (await peer.next())["type"] == "session.created"
            yield peer

    @contextmanager
    def limited(self, **limits: float) -> Iterator[None]:
        """Connections that are made meanwhile have other limits."""
        config = self.uvicorn.config
        assert isinstance(config, TransportConfig)
        before, config.limits = config.limits, config.limits.model_copy(update=limits)
        try:
            yield
        finally:
            config.limits = before

    async def say(self, text: str = "Hello there.", **session: Any) -> list[Event]:
        """The events of one whole session after its first."""
        async with self.peer() as peer:
            if session:
                await peer.update(**session)
            await peer.append(text)
            await peer.finish()
            return await peer.until("session.finished")

    async def get(self, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{self.port}{path}")

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name, and with those labels."""
        _, text = await self.get("/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def quiet(self) -> None:
        """Wait until nothing of any session is left."""
        await until(lambda: self.is_quiet)


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def small_socket(port: int) -> socket.socket:
    """A connected socket that takes little of what is sent to it before it is read."""
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connected.connect(("127.0.0.1", port))
    connected.setblocking(False)
    return connected


class _QuietServer(uvicorn.Server):
    """Leaves the signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def live_server(data_dir: Path, **settings: Any) -> AsyncIterator[Live]:
    """A server on a free port of the loopback interface, with the engine tone. At its end nothing of it is left."""
    configured = Settings(
        **{"data_dir": data_dir, "engine": "tone", "port": 0, "database_url": None, **settings}
    )
    app = create_app(configured)
    server = _QuietServer(uvicorn_config(app, configured))
    others = frozenset(psutil.Process().children(recursive=True))
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started or serving.done())
        if serving.done():
            serving.result()
        yield Live(configured, app, server, others)
    finally:
        server.should_exit = True
        async with asyncio.timeout(PATIENCE_S):
            await serving
