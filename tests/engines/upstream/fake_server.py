"""Speech servers of others, as far as their wire goes: a real socket, a plain HTTP/1.1 answer, a tone for a voice.

What they answer was read in the code of vLLM-Omni 0.30.0 and sglang-omni 0.1.9, and in OpenAI's reference.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pybase64

from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.tone import ToneEngine

PATIENCE_S = 60.0
"""How long a test waits for what has to come."""

VOICES = ("vivian", "ryan", "ono_anna")
CUSTOM_VOICE = "Qwen/Qwen3-TTS-12Hz-1.7B-CustomVoice"


def tone(text: str, sample_rate: int = 24000, frequency_hz: float = 220.0) -> np.ndarray:
    """What the fakes say for ``text``."""
    stream = ToneEngine(sample_rate=sample_rate, frequency_hz=frequency_hz).open(
        SynthesisRequest("tone", "en")
    )
    stream.push(Span(text))
    stream.end_input()
    return np.concatenate([*(chunk.samples for chunk in stream.chunks()), np.zeros(0, np.float32)])


def pcm(text: str, sample_rate: int = 24000, frequency_hz: float = 220.0) -> bytes:
    samples = tone(text, sample_rate, frequency_hz)
    return np.rint(samples * 32767).astype("<i2").tobytes()


@dataclass
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.body)
        return fields


class Reply:
    """The answer to one request, written step by step."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.keeps_alive = True

    async def whole(self, status: int, body: bytes, **headers: str) -> None:
        self._head(status, {"content-length": str(len(body)), **headers})
        self._writer.write(body)
        await self._writer.drain()

    async def json(self, status: int, fields: Any, **headers: str) -> None:
        await self.whole(
            status, json.dumps(fields).encode(), **{"content-type": "application/json", **headers}
        )

    async def begin(self, content_type: str, **headers: str) -> None:
        """Chunks follow."""
        self._head(200, {"transfer-encoding": "chunked", "content-type": content_type, **headers})
        await self._writer.drain()

    async def chunk(self, sent: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(sent), sent))
        await self._writer.drain()

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def truncate(self) -> None:
        """Close where more was announced."""
        self.keeps_alive = False

    def reset(self) -> None:
        self.keeps_alive = False
        self._writer.transport.abort()

    async def until_dropped(self) -> None:
        """Return when the client has closed the connection."""
        with suppress(ConnectionError):
            await self._reader.read()
        self.keeps_alive = False

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [
            f"HTTP/1.1 {status} Whatever",
            *(f"{name.replace('_', '-')}: {headers[name]}" for name in headers),
        ]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())


Handler = Callable[[Request, Reply], Awaitable[None]]


@dataclass
class FakeServer:
    """``handler`` answers every request; it may be exchanged at any time."""

    handler: Handler
    requests: list[Request] = field(default_factory=list)
    active: int = 0
    most_active: int = 0
    dropped: threading.Event = field(default_factory=threading.Event)
    """A handler saw its client go."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def spoken(self) -> list[dict[str, Any]]:
        """Bodies of the requests to speak."""
        return [request.fields for request in self.requests if request.path.endswith("/audio/speech")]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether another may follow."""
        request = await _read(reader)
        self.requests.append(request)
        reply = Reply(reader, writer)
        speaks = request.path.endswith("/audio/speech")
        self.active += speaks
        self.most_active = max(self.active, self.most_active)
        try:
            await self.handler(request, reply)
        finally:
            self.active -= speaks
        return reply.keeps_alive


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


@contextmanager
def running(handler: Handler) -> Iterator[FakeServer]:
    """A fake on a free port of the loopback interface, in a thread of its own."""
    fake = FakeServer(handler)
    started, stop = threading.Event(), asyncio.Event()

    loop: asyncio.AbstractEventLoop | None = None

    async def main() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        connections: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(fake.serve(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=1 << 26)
        fake.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()
        await turns()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await turns()

    async def turns() -> None:
        """What was accepted becomes a task, and what was closed gives its socket back."""
        for _ in range(5):
            await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    try:
        assert started.wait(PATIENCE_S)
        yield fake
    finally:
        assert loop is not None
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


# --- kinds of servers ------------------------------------------------------------------------------------------------


def error(message: str, code: int, kind: str = "BadRequestError", param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def event(fields: dict[str, Any]) -> bytes:
    return f"event: {fields['type']}\ndata: {json.dumps(fields)}\n\n".encode()


def delta(audio: bytes) -> bytes:
    encoded = pybase64.b64encode_as_string(audio)
    return event({"type": "speech.audio.delta", "audio": encoded, "response_format": "pcm"})


DONE = event(
    {
        "type": "speech.audio.done",
        "usage": {
            "input_tokens": 9,
            "output_tokens": 20,
            "total_tokens": 29,
            "input_token_details": {"text_tokens": 9, "audio_tokens": 0},
        },
    }
)


def failed_event(message: str = "Engine core died", **more: Any) -> bytes:
    body = {"message": message, "type": "server_error", "param": None, "code": 500, **more}
    return event({"type": "speech.audio.error", "error": body})


async def vllm_omni(request: Request, reply: Reply) -> None:
    """One CustomVoice checkpoint."""
    if request.path == "/v1/models":
        await reply.json(200, {"object": "list", "data": [{"id": CUSTOM_VOICE, "object": "model"}]})
    elif request.path == "/v1/audio/voices":
        await reply.json(200, {"voices": VOICES, "uploaded_voices": []})
    elif request.path != "/v1/audio/speech":
        await reply.json(404, {"detail": "Not Found"})
    elif problem := vllm_problem(request.fields):
        await reply.json(problem[0], error(problem[1], problem[0]))
    else:
        await reply.begin("text/event-stream; charset=utf-8")
        audio = pcm(request.fields["input"])
        for start in range(0, len(audio), 3840):  # a frame of the model has 80 ms
            await reply.chunk(delta(audio[start : start + 3840]))
        await reply.chunk(DONE)
        await reply.end()


def vllm_problem(fields: dict[str, Any]) -> tuple[int, str] | None:
    """Why vLLM-Omni refuses a request."""
    if fields.get("model", CUSTOM_VOICE) != CUSTOM_VOICE:
        return 404, f"The model `{fields['model']}` does not exist."
    if fields.get("task_type", "CustomVoice") != "CustomVoice":
        return 400, "task_type does not fit the model"
    if fields.get("stream") and fields.get("speed", 1.0) != 1.0:
        return 400, "Streaming is not supported with speed adjustment"
    if fields["voice"].lower() not in VOICES:
        return 400, f"Invalid voice. Supported: {', '.join(VOICES)}"
    if fields.get("language") not in ("Auto", "Chinese", "English"):
        return 400, "Invalid language"
    if not fields["input"].strip():
        return 400, "Input text cannot be empty"
    if (fields.get("stream"), fields.get("stream_format"), fields["response_format"]) != (True, "sse", "pcm"):
        return 400, "this fake streams events of pcm"
    return None


async def sglang_omni(request: Request, reply: Reply) -> None:
    """Bare samples or events, and the rate in a header."""
    if request.path == "/v1/audio/voices":
        await reply.json(200, {"voices": VOICES})
    elif request.path != "/v1/audio/speech":
        await reply.json(404, {"detail": "Not Found"})
    else:
        fields = request.fields
        assert fields["stream"] is True and fields["response_format"] == "pcm"
        audio = pcm(fields["input"], 16000)
        pieces = [audio[start : start + 1001] for start in range(0, len(audio), 1001)]  # cut within samples
        rate = {"x_sample_rate": "16000", "x_channels": "1", "x_bit_depth": "16"}
        if fields["stream_format"] == "sse":
            await reply.begin("text/event-stream; charset=utf-8", **rate)
            for piece in pieces:
                encoded = pybase64.b64encode_as_string(piece)
                await reply.chunk(sglang_event({"type": "speech.audio.delta", "audio": encoded}))
            await reply.chunk(
                sglang_event({"type": "speech.audio.done", "usage": None, "finish_reason": "stop"})
            )
        else:
            await reply.begin("audio/pcm", x_sglang_omni_speech_id="speech-1", **rate)
            for piece in pieces:
                await reply.chunk(piece)
        await reply.end()


def sglang_event(fields: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(fields)}\n\n".encode()


async def openai(request: Request, reply: Reply) -> None:
    """Nothing but what OpenAI documents; it knows no list of voices."""
    known = {"model", "input", "voice", "instructions", "response_format", "speed", "stream_format"}
    if request.path == "/v1/models":
        await reply.json(200, {"object": "list", "data": [{"id": "tts-1", "object": "model"}]})
    elif request.path != "/v1/audio/speech":
        await reply.json(404, error("Unknown request URL", 404, "invalid_request_error"))
    elif request.headers.get("authorization") != "Bearer sk-right":
        await reply.json(401, error("Incorrect API key provided", 401, "invalid_request_error"))
    elif unknown := set(request.fields) - known:
        await reply.json(400, error(f"Unknown parameter: {unknown}", 400, "invalid_request_error"))
    else:
        await reply.begin("audio/pcm")
        audio = pcm(request.fields["input"])
        for start in range(0, len(audio), 4096):
            await reply.chunk(audio[start : start + 4096])
        await reply.end()
