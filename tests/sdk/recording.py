"""A callback that notes what it is called with, and connected objects of the SDK."""

from __future__ import annotations

import base64
import queue
import threading
import time
from collections.abc import Mapping
from typing import Any

from saystream.client.options import Limits, Timeouts
from saystream.errors import ConnectionLost
from saystream.sdk.audio.qwen_tts_realtime import QwenTtsRealtime, QwenTtsRealtimeCallback

MODEL = "qwen3-tts-flash-realtime"
WAIT_S = 60


class Recorder(QwenTtsRealtimeCallback):
    """Notes what is called, with what and on which thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.events: list[dict[str, Any]] = []
        self.threads: dict[str, set[threading.Thread]] = {
            "on_open": set(),
            "on_event": set(),
            "on_close": set(),
        }
        self.seen: list[tuple[str, str | None, str | None]] = []
        self.tts: QwenTtsRealtime | None = None
        self.finished = threading.Event()
        self.closed = threading.Event()

    def on_open(self) -> None:
        self.threads["on_open"].add(threading.current_thread())
        self.calls.append(("on_open",))

    def on_close(self, close_status_code: int | None, close_msg: str | None) -> None:
        self.threads["on_close"].add(threading.current_thread())
        self.calls.append(("on_close", close_status_code, close_msg))
        self.closed.set()

    def on_event(self, message: Any) -> None:
        self.threads["on_event"].add(threading.current_thread())
        self.calls.append((message["type"],))
        self.events.append(message)
        if self.tts is not None:
            self.seen.append((message["type"], self.tts.get_session_id(), self.tts.get_last_response_id()))
        if message["type"] in ("session.finished", "error"):
            self.finished.set()

    def audio(self) -> bytes:
        deltas = [event["delta"] for event in self.events if event["type"] == "response.audio.delta"]
        return b"".join(base64.b64decode(delta) for delta in deltas)


def made(url: str, **options: Any) -> tuple[QwenTtsRealtime, Recorder]:
    recorder = Recorder()
    tts = QwenTtsRealtime(model=MODEL, callback=recorder, url=url, **options)
    recorder.tts = tts
    return tts, recorder


class LoopTransport:
    """A BlockingTransport without a network: it notes what is sent and gives what the test puts in."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.frames: queue.SimpleQueue[str | bytes | ConnectionLost] = queue.SimpleQueue()

    def send(self, frame: str) -> None:
        self.sent.append(frame)

    def receive(self) -> str | bytes:
        frame = self.frames.get()
        if isinstance(frame, ConnectionLost):
            raise frame
        return frame

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.frames.put(ConnectionLost("closed", remote_close_code=code))


def wired() -> tuple[QwenTtsRealtime, Recorder, LoopTransport]:
    """A connected object whose server is the test."""
    transport = LoopTransport()
    transport.frames.put('{"type": "session.created", "session": {"id": "sess_x"}}')

    def opener(url: str, headers: Mapping[str, str], timeouts: Timeouts, limits: Limits) -> LoopTransport:
        return transport

    class Wired(QwenTtsRealtime):
        _open_transport = staticmethod(opener)

    recorder = Recorder()
    tts = Wired(MODEL, callback=recorder)
    recorder.tts = tts
    tts.connect()
    return tts, recorder, transport


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
