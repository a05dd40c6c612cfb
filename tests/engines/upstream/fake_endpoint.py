"""A realtime endpoint that goes wrong in the way a test wants. One that goes right is our own server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pybase64
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from .fake_server import PATIENCE_S

SESSION = {
    "object": "realtime.session",
    "mode": "server_commit",
    "model": "qwen3-tts-flash-realtime",
    "voice": "Cherry",
    "response_format": "pcm",
    "sample_rate": 24000,
    "id": "sess_1",
}
RESPONSE = {"id": "resp_1", "object": "realtime.response", "status": "in_progress", "output": []}
ITEM = {
    "id": "item_1",
    "object": "realtime.item",
    "type": "message",
    "status": "in_progress",
    "role": "assistant",
}
PLACE = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}


class Peer:
    """The endpoint's end of one connection."""

    def __init__(self, socket: ServerConnection, number: int, events: list[dict[str, Any]]) -> None:
        self.socket = socket
        self.number = number
        """Of the connection, from 0."""
        self._all_events = events
        self._last = ""

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "event_id": "event_x", **fields}))

    async def greet(self) -> None:
        await self.send("session.created", session=SESSION)

    async def until(self, kind: str) -> None:
        """Read up to the first event of that type."""
        while self._last != kind:
            event = json.loads(await self.socket.recv())
            self._all_events.append({**event, "connection": self.number})
            self._last = event["type"]

    async def begin_response(self) -> None:
        await self.send("response.created", response=RESPONSE)
        await self.send("response.output_item.added", response_id="resp_1", output_index=0, item=ITEM)
        await self.send("response.content_part.added", **PLACE, part={"type": "audio", "text": ""})

    async def audio(self, encoded: bytes) -> None:
        await self.send("response.audio.delta", **PLACE, delta=pybase64.b64encode_as_string(encoded))

    async def end_response(self, status: str = "completed") -> None:
        await self.send("response.audio.done", **PLACE)
        await self.send("response.content_part.done", **PLACE, part={"type": "audio", "text": ""})
        await self.send("response.output_item.done", response_id="resp_1", item={**ITEM, "status": status})
        await self.send("response.done", response={**RESPONSE, "status": status})

    async def error(self, code: str, message: str, kind: str = "invalid_request_error") -> None:
        await self.send(
            "error", error={"type": kind, "code": code, "message": message, "param": "session.voice"}
        )


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class FakeEndpoint:
    """``script`` plays the endpoint's part on every connection; with ``refuse_with`` there is none."""

    script: Script
    refuse_with: int | None = None
    connections: list[Request] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    """Of all clients."""
    greeted: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released for each connection that was accepted."""
    gone: threading.Event = field(default_factory=threading.Event)
    """A client closed its connection."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def used(self) -> list[int]:
        """The connections over which something was to be spoken."""
        return [event["connection"] for event in self.events if event["type"] == "session.update"]

    def accepted(self, count: int) -> None:
        """Wait for so many more connections."""
        for _ in range(count):
            assert self.greeted.acquire(timeout=PATIENCE_S)

    def handshake(self, socket: ServerConnection, request: Request) -> Response | None:
        self.connections.append(request)
        if self.refuse_with is None:
            return None
        return socket.respond(self.refuse_with, '{"code":"X","message":"not now"}')

    async def play(self, socket: ServerConnection) -> None:
        try:
            self.greeted.release()
            await self.script(Peer(socket, len(self.connections) - 1, self.events))
        except ConnectionClosed:
            self.gone.set()


@contextmanager
def endpoint(script: Script) -> Iterator[FakeEndpoint]:
    """An endpoint on a free port of the loopback interface, in a thread of its own."""
    fake = FakeEndpoint(script)
    started = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    stop = asyncio.Event()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        server: Server
        async with serve(fake.play, "127.0.0.1", 0, process_request=fake.handshake) as server:
            fake.port = next(iter(server.sockets)).getsockname()[1]
            started.set()
            await stop.wait()
            for connection in server.connections:
                connection.transport.abort()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    try:
        assert started.wait(PATIENCE_S)
        yield fake
    finally:
        with suppress(IndexError):
            loops[0].call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
