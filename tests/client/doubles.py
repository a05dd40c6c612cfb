"""A small server that answers with ServerConnection, and a transport without a network."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection as Socket
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from saystream.errors import ConnectionLost, InvalidValue
from saystream.protocol.realtime.events import SessionFinish, TextAppend, TextClear, TextCommit
from saystream.protocol.realtime.server import ServerConnection
from saystream.protocol.realtime.session_config import SessionConfig
from saystream.protocol.usage import Usage

Behaviour = Callable[[Socket], Awaitable[None]]

DELTA_BYTES = 16


def spoken(text: str) -> bytes:
    """What the server below says for ``text``: bytes that tell which text it was."""
    return text.encode("utf-16-le")


def new_ids() -> Callable[[str], str]:
    """Ids that count up, each prefix for itself."""
    counts: defaultdict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
    return lambda prefix: f"{prefix}_{next(counts[prefix])}"


def known_voice(config: SessionConfig) -> None:
    if config.voice not in ("Cherry", "Ethan"):
        raise InvalidValue("session.voice", config.voice, ["Cherry", "Ethan"])


def server_protocol(model: str = "qwen3-tts-flash-realtime") -> ServerConnection:
    return ServerConnection(
        model=model,
        config=SessionConfig(voice="Cherry"),
        new_id=new_ids(),
        check=known_voice,
        max_frame_bytes=1 << 20,
        max_consecutive_errors=10,
        max_pending_responses=10,
    )


class Speaker:
    """The owner of a ServerConnection: a commit is spoken at once, what is left over at the finish."""

    def __init__(self) -> None:
        self.protocol = server_protocol()
        self._text = ""
        self.protocol.open()

    def receive(self, frame: str) -> None:
        received = self.protocol.receive_text(frame)
        event = received and self.protocol.accept(received)
        if isinstance(event, TextAppend):
            self._text += event.text
        elif isinstance(event, TextClear):
            self._text = ""
        elif isinstance(event, TextCommit):
            self._speak()
        elif isinstance(event, SessionFinish):
            if self._text.strip():
                self._speak()
            self.protocol.finish_session()

    def _speak(self) -> None:
        self.protocol.start_response()
        audio = spoken(self._text)
        for start in range(0, len(audio), DELTA_BYTES):
            self.protocol.send_audio(audio[start : start + DELTA_BYTES])
        self.protocol.finish_response("completed", Usage.of_characters(len(self._text)))
        self._text = ""


async def speak(socket: Socket) -> None:
    """The behaviour of a server in good order: closes with 1000 after ``session.finished``."""
    speaker = Speaker()
    for frame in speaker.protocol.frames_to_send():
        await socket.send(frame)
    async for received in socket:
        assert isinstance(received, str)
        speaker.receive(received)
        for answer in speaker.protocol.frames_to_send():
            await socket.send(answer)
            if json.loads(answer)["type"] == "session.finished":
                return


@dataclass
class Refusal:
    """A handshake answered with an HTTP error."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class RealtimeServer:
    """What ``serving`` yields."""

    base_url: str = ""
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.base_url}/api-ws/v1/realtime"


@contextmanager
def serving(behaviour: Behaviour = speak, refusal: Refusal | None = None) -> Iterator[RealtimeServer]:
    """A server on a free port, in a thread of its own so that blocking callers can use it."""
    server = RealtimeServer()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    stop = loop.create_future()

    def process_request(connection: Socket, request: Request) -> Response | None:
        server.requests.append(request)
        if refusal is None:
            return None
        headers = Headers({**refusal.headers, "Content-Length": str(len(refusal.body))})
        return Response(refusal.status, "Refused", headers, refusal.body)

    async def run() -> None:
        async with serve(
            behaviour, "127.0.0.1", 0, process_request=process_request, close_timeout=1, ping_interval=None
        ) as listener:
            port = listener.sockets[0].getsockname()[1]
            server.base_url = f"ws://127.0.0.1:{port}"
            ready.set()
            await stop

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(60)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set_result, None)
        thread.join()
        loop.close()


class ScriptedTransport:
    """A Transport whose server is the test: ``give`` sends to the client, ``sent`` is what the client sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.closed_with: tuple[int, str] | None = None
        self._frames: asyncio.Queue[str | bytes | ConnectionLost] = asyncio.Queue()
        self.received = 0

    def give(self, *frames: str | bytes | ConnectionLost) -> None:
        for frame in frames:
            self._frames.put_nowait(frame)

    async def send(self, frame: str) -> None:
        if self.closed_with is not None:
            raise ConnectionLost("closed")
        self.sent.append(frame)

    async def receive(self) -> str | bytes:
        frame = await self._frames.get()
        if isinstance(frame, ConnectionLost):
            raise frame
        self.received += 1
        return frame

    async def ping(self) -> None:
        if self.closed_with is not None:
            raise ConnectionLost("closed")

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self.closed_with is None:
            self.closed_with = (code, reason)
            self.give(ConnectionLost("closed by the client"))


class SpeakingTransport(ScriptedTransport):
    """A ScriptedTransport whose server speaks, and answers inside ``send``."""

    def __init__(self) -> None:
        super().__init__()
        self.speaker = Speaker()
        self.give(*self.speaker.protocol.frames_to_send())

    async def send(self, frame: str) -> None:
        await super().send(frame)
        self.speaker.receive(frame)
        self.give(*self.speaker.protocol.frames_to_send())
