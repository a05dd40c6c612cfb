"""How a session of the SDK fails and ends."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection as Socket

from client.doubles import Refusal, Speaker, server_protocol, serving, spoken
from saystream.errors import ConnectionFailed, ConnectionLost, InvalidState
from saystream.sdk.audio.qwen_tts_realtime import QwenTtsRealtime
from saystream.sdk.common.error import ConnectFailed, NotConnected

from .recording import MODEL, WAIT_S, LoopTransport, Recorder, made, wait_for, wired


def test_a_refused_handshake_says_why_at_once_and_is_still_a_time_out() -> None:
    body = json.dumps({"code": "InvalidApiKey", "message": "No such key."}).encode()
    with serving(refusal=Refusal(401, body)) as server:
        tts, recorder = made(server.url)
        started_s = time.monotonic()
        with pytest.raises(TimeoutError, match=r"HTTP 401 \(InvalidApiKey\): No such key") as failed:
            tts.connect()
        assert time.monotonic() - started_s < 30
    assert isinstance(failed.value, ConnectionError)
    assert isinstance(failed.value, ConnectionFailed)
    assert isinstance(failed.value, ConnectFailed)
    assert (failed.value.status, failed.value.remote_code) == (401, "InvalidApiKey")
    assert failed.value.__cause__ is not None
    assert recorder.calls == [("on_close", None, None)]
    with pytest.raises(ConnectionError):
        tts.append_text("x")


def test_a_server_that_is_not_there_is_a_time_out_too() -> None:
    with serving() as server:
        url = server.url
    tts, recorder = made(url)
    with pytest.raises(TimeoutError, match="cannot connect to 127"):
        tts.connect()
    assert recorder.calls == [("on_close", None, None)]


def test_a_server_that_accepts_and_then_refuses_is_told_by_connect() -> None:
    async def unknown_model(peer: Socket) -> None:
        await peer.send('{"type": "error", "error": {"code": "model_not_found", "message": "No model zzz."}}')
        await peer.close(1008, "model_not_found")

    with serving(unknown_model) as server:
        tts, recorder = made(server.url)
        with pytest.raises(TimeoutError, match=r"with 1008: No model zzz\.$"):
            tts.connect()
    assert recorder.calls == [("error",), ("on_close", 1008, "model_not_found")]


def test_a_connection_that_ends_before_any_event_is_told_by_connect() -> None:
    async def drop(peer: Socket) -> None:
        peer.transport.abort()

    with serving(drop) as server:
        tts, recorder = made(server.url)
        with pytest.raises(TimeoutError):
            tts.connect()
    assert recorder.calls == [("on_close", None, None)]


def test_a_server_that_greets_nobody_is_connected_all_the_same() -> None:
    class Hasty(QwenTtsRealtime):
        _first_event_s = 0.01

    async def silent(peer: Socket) -> None:
        await peer.wait_closed()

    with serving(silent) as server:
        recorder = Recorder()
        tts = Hasty(MODEL, callback=recorder, url=server.url)
        tts.connect()
        assert recorder.calls == [("on_open",)]
        assert tts.get_session_id() is None
        tts.close()


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (1000, "", (1000, None)),
        (1000, "bye", (1000, "bye")),
        (1007, "invalid value", (1007, "invalid value")),
        (1011, "internal", (1011, "internal")),
        (4001, "idle timeout", (4001, "idle timeout")),
    ],
)
def test_the_close_of_the_server_is_handed_on(code: int, reason: str, told: tuple[int, str | None]) -> None:
    async def greet_and_close(peer: Socket) -> None:
        for frame in Speaker().protocol.frames_to_send():
            await peer.send(frame)
        await peer.recv()
        await peer.close(code, reason)

    with serving(greet_and_close) as server:
        tts, recorder = made(server.url)
        tts.connect()
        tts.commit()
        assert recorder.closed.wait(WAIT_S)
    assert recorder.calls[-1] == ("on_close", *told)
    with pytest.raises(ConnectionError, match="not established or has been closed"):
        tts.append_text("too late")


def test_a_close_frame_without_a_code_is_none_and_none() -> None:
    _, recorder, transport = wired()
    transport.frames.put(ConnectionLost("closed", remote_close_code=1005, remote_close_reason=""))
    assert recorder.closed.wait(WAIT_S)
    assert recorder.calls[-1] == ("on_close", None, None)


def test_a_dropped_connection_is_none_and_none() -> None:
    async def greet_and_drop(peer: Socket) -> None:
        protocol = server_protocol()
        protocol.open()
        await peer.send(protocol.frames_to_send()[0])
        await peer.recv()
        peer.transport.abort()

    with serving(greet_and_drop) as server:
        tts, recorder = made(server.url)
        tts.connect()
        tts.commit()
        assert recorder.closed.wait(WAIT_S)
    assert recorder.calls[-1] == ("on_close", None, None)


def test_ones_own_close_is_none_and_none_and_nothing_follows(server_url: str) -> None:
    tts, recorder = made(server_url)
    tts.connect()
    tts.close()
    assert recorder.closed.wait(WAIT_S)
    tts.close()
    assert recorder.calls == [("session.created",), ("on_open",), ("on_close", None, None)]
    for call in (tts.commit, tts.finish, tts.clear_appended_text, tts.cancel_response):
        with pytest.raises(NotConnected):
            call()


def test_close_before_connect_does_nothing() -> None:
    tts, recorder = made("ws://127.0.0.1:1/api-ws/v1/realtime")
    tts.close()
    assert recorder.calls == []


def test_use_before_connect_is_a_connection_error() -> None:
    tts, _ = made("ws://127.0.0.1:1/api-ws/v1/realtime")
    with pytest.raises(ConnectionError, match="Please call connect"):
        tts.append_text("x")


def test_a_send_that_finds_the_connection_gone_is_a_connection_error() -> None:
    class Gone(LoopTransport):
        def send(self, frame: str) -> None:
            raise ConnectionLost("closed with 1012", remote_close_code=1012)

    transport = Gone()
    transport.frames.put('{"type": "session.created", "session": {"id": "sess_x"}}')

    class Wired(QwenTtsRealtime):
        _open_transport = staticmethod(lambda *_: transport)

    tts = Wired(MODEL)
    tts.connect()
    with pytest.raises(ConnectionError, match="closed with 1012"):
        tts.commit()
    tts.close()


def test_an_object_can_be_closed_and_used_from_inside_a_callback(server_url: str) -> None:
    class Closer(Recorder):
        def on_event(self, message: Any) -> None:
            super().on_event(message)
            assert self.tts is not None
            if message["type"] == "session.updated":
                self.tts.append_text("from the callback")
                self.tts.finish()
            if message["type"] == "session.finished":
                self.tts.close()

    closer = Closer()
    tts = closer.tts = QwenTtsRealtime(MODEL, callback=closer, url=server_url)
    tts.connect()
    tts.update_session("Cherry")
    assert closer.closed.wait(WAIT_S)
    assert closer.audio() == spoken("from the callback")
    assert closer.calls[-1] == ("on_close", None, None)


def test_an_object_connects_again_after_a_close(server_url: str) -> None:
    tts, recorder = made(server_url)
    tts.connect()
    with pytest.raises(InvalidState):
        tts.connect()
    tts.close()
    tts.connect()
    tts.append_text("again")
    tts.finish()
    assert recorder.finished.wait(WAIT_S)
    assert recorder.audio() == spoken("again")
    tts.close()


def test_without_a_callback_everything_still_works(server_url: str) -> None:
    tts = QwenTtsRealtime(MODEL, url=server_url)
    tts.connect()
    tts.append_text("x")
    tts.finish()
    wait_for(lambda: tts.ws is None)
    assert (tts.get_last_message() or {})["type"] == "session.finished"


def test_an_on_close_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Clumsy(Recorder):
        def on_close(self, close_status_code: int | None, close_msg: str | None) -> None:
            raise ZeroDivisionError

    with serving(refusal=Refusal(401)) as server:
        with pytest.raises(TimeoutError):
            QwenTtsRealtime(MODEL, callback=Clumsy(), url=server.url).connect()
    assert "on_close failed" in caplog.text
