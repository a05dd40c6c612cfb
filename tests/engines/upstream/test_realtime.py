"""Realtime endpoints: a server of ours, and endpoints that go wrong, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from saystream.bench import ServerProcess
from saystream.client import connect
from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.upstream import UpstreamEngine
from saystream.engines.upstream.realtime import RealtimeServer
from saystream.errors import EngineFailed, EngineStalled, EngineUnavailable, Overloaded, ServerFault

from .fake_endpoint import FakeEndpoint, Peer, endpoint
from .fake_server import PATIENCE_S
from .harness import TEXT, Reader, engine, joined, opened, say
from .test_speech import int16

MODEL = "qwen3-tts-flash-realtime"
OPTIONS: dict[str, Any] = {"kind": "dashscope", "model": MODEL}
LONG_TEXT = (
    "This is the first sentence of the text, and it is long enough. This is the second one, which is longer."
)


async def well(peer: Peer) -> None:
    """A tenth of a second for any text."""
    await peer.greet()
    await peer.until("session.finish")
    await peer.begin_response()
    await peer.audio(b"\1\0" * 2400)
    await peer.end_response()
    await peer.send("session.finished")
    await peer.socket.wait_closed()


def after_text(go_wrong: Callable[[Peer], Awaitable[None]], *, audio: bool = False) -> Callable[[Peer], Any]:
    """Goes wrong when it has all of the text, with ``audio`` after the first of it."""

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.until("session.finish")
        if audio:
            await peer.begin_response()
            await peer.audio(b"\1\0" * 2400)
        await go_wrong(peer)

    return script


# --- a server that goes right ----------------------------------------------------------------------------------------


async def spoken_directly(url: str, *pieces: str, **settings: Any) -> bytes:
    """What a client of that server hears."""
    heard = b""
    async with connect(url, model=MODEL, api_key="sk-any") as session:
        await session.update(voice="Cherry", language_type="English", **settings)
        for piece in pieces:
            await session.append(piece)
        await session.finish()
        async for audio in session.audio():
            heard += audio
    return heard


def test_a_server_of_ours_gives_the_samples_that_it_gives_its_own_clients(tone_server: ServerProcess) -> None:
    with engine(url=tone_server.url, **OPTIONS) as made:
        assert made.info.incremental_text
        assert made.info.voices[0] == "Cherry"
        assert not made.info.instructions
        pieces = [word + " " for word in LONG_TEXT.split(" ")]
        direct = asyncio.run(spoken_directly(tone_server.url, *pieces))
        assert int16(say(made, *pieces)).tobytes() == direct
        assert len(direct) > 2 * 24000 * 5


def test_audio_comes_while_text_still_does(tone_server: ServerProcess) -> None:
    with engine(url=tone_server.url, **OPTIONS) as made:
        stream = made.open(SynthesisRequest("Cherry", "en"))
        reader = Reader(stream)
        for word in "This is the first sentence of the text, and it is long enough. ".split(" "):
            stream.push(Span(word + " "))
        assert reader.heard.wait(PATIENCE_S)
        before = stream.waiting_characters
        stream.push(Span("This is the second one, and it comes later."))
        assert stream.waiting_characters > before
        stream.end_input()
        assert reader.ends()
        assert reader.error is None
        assert len(joined(reader.chunks)) / 24000 > 6


def test_another_rate_is_asked_of_the_server(tone_server: ServerProcess) -> None:
    with engine(url=tone_server.url, sample_rate=16000, **OPTIONS) as made:
        assert made.info.sample_rate == 16000
        direct = asyncio.run(spoken_directly(tone_server.url, TEXT, sample_rate=16000))
        assert int16(say(made)).tobytes() == direct


def test_what_a_model_is_asked_for_is_what_it_takes() -> None:
    with endpoint(well) as fake, engine(url=fake.url, takes_speed=True, **OPTIONS) as made:
        say(made, instructions="Whisper.", voice="Ethan", language="zh", speed=1.5)
        (update,) = [event for event in fake.events if event["type"] == "session.update"]
        assert update["session"] == {
            "voice": "Ethan",
            "mode": "server_commit",
            "response_format": "pcm",
            "language_type": "Chinese",
            "speech_rate": 1.5,
        }
    instruct = {**OPTIONS, "model": "qwen3-tts-instruct-flash-realtime", "sample_rate": 16000}
    with endpoint(well) as fake, engine(url=fake.url, **instruct) as made:
        assert made.info.instructions
        say(made, instructions="Whisper.")
        (update,) = [event for event in fake.events if event["type"] == "session.update"]
        assert update["session"]["instructions"] == "Whisper."
        assert update["session"]["sample_rate"] == 16000
        assert update["session"]["language_type"] == "English"


def test_the_text_is_passed_on_piece_by_piece_and_the_key_with_it() -> None:
    with endpoint(well) as fake, engine(url=fake.url, key="sk-right", **OPTIONS) as made:
        say(made, "Good ", "morning.")
        texts = [event["text"] for event in fake.events if event["type"] == "input_text_buffer.append"]
        assert texts == ["Good ", "morning."]
        spoke = fake.connections[-1]
        assert spoke.headers["Authorization"] == "Bearer sk-right"
        assert spoke.path == f"/api-ws/v1/realtime?model={MODEL}"


def test_an_unknown_model_needs_its_voices_named() -> None:
    options = {"kind": "dashscope", "model": "my-own-model-realtime"}
    with endpoint(well) as fake:
        with pytest.raises(EngineUnavailable, match="option voices"):
            UpstreamEngine(url=fake.url, **options).load()
        with engine(url=fake.url, voices={"Cherry": "my-voice"}, **options) as made:
            assert len(say(made)) == 2400
            (update,) = [event for event in fake.events if event["type"] == "session.update"]
            assert update["session"]["voice"] == "my-voice"


def test_a_cancel_drops_the_connection_at_once() -> None:
    async def wait(peer: Peer) -> None:
        await peer.socket.recv()

    with endpoint(after_text(wait, audio=True)) as fake, engine(url=fake.url, **OPTIONS) as made:
        fake.gone.clear()  # the look at the start was one that went, too
        reader = Reader(opened(made, TEXT))
        assert reader.heard.wait(PATIENCE_S)
        reader.stream.cancel()
        assert reader.ends()
        assert reader.error is None
        assert fake.gone.wait(PATIENCE_S)


def test_a_connection_for_the_next_response_is_made_ready() -> None:
    with endpoint(well) as fake, engine(url=fake.url, **OPTIONS) as made:
        assert len(say(made)) == 2400
        fake.accepted(3)  # the look at the start, the first response, and the one for the next
        made._runtime.run(until(lambda: server_of(made)._ready))
        assert len(say(made)) == 2400
        fake.accepted(1)
        assert fake.used == [1, 2]


def test_after_a_cancel_the_next_is_made_ready_too() -> None:
    async def endless(peer: Peer) -> None:
        await peer.greet()
        await peer.until("session.finish")
        await peer.begin_response()
        await peer.audio(b"\1\0" * 2400)
        await peer.socket.wait_closed()

    with endpoint(endless) as fake, engine(url=fake.url, **OPTIONS) as made:
        reader = Reader(opened(made, TEXT))
        assert reader.heard.wait(PATIENCE_S)
        reader.stream.cancel()
        assert reader.ends()
        fake.accepted(3)


def test_no_connection_is_made_ready_where_none_is_wanted() -> None:
    with endpoint(well) as fake, engine(url=fake.url, ready_connections=0, **OPTIONS) as made:
        for _ in range(3):
            assert len(say(made)) == 2400
        assert fake.used == [1, 2, 3]
        assert len(fake.connections) == 4


@pytest.mark.parametrize("how", ["close", "reset", "reset when used"])
def test_a_ready_connection_that_the_server_ended_is_no_failure(how: str) -> None:
    async def tired(peer: Peer) -> None:
        if peer.number != 2:
            await well(peer)
            return
        await peer.greet()
        if how == "reset when used":
            await peer.until("session.update")
        elif how == "close":
            await peer.socket.close(1000, "idle")
            return
        peer.socket.transport.abort()

    with endpoint(tired) as fake, engine(url=fake.url, attempts=1, **OPTIONS) as made:
        assert len(say(made)) == 2400
        fake.accepted(3)
        made._runtime.run(until(lambda: server_of(made)._ready))
        assert len(say(made)) == 2400
        assert fake.used[-1] == 3


def test_a_ready_connection_is_dropped_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saystream.engines.upstream.realtime._READY_S", 0.0)
    with endpoint(well) as fake, engine(url=fake.url, **OPTIONS) as made:
        say(made)
        fake.accepted(3)
        made._runtime.run(until(lambda: not server_of(made)._ready and not server_of(made)._errands))
        assert not server_of(made)._ready


def server_of(made: UpstreamEngine) -> RealtimeServer:
    (upstream,) = made._balancer.upstreams
    assert isinstance(upstream.server, RealtimeServer)
    return upstream.server


async def until(condition: Callable[[], object]) -> None:
    """Wait for what nobody tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


# --- servers that go wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "fault", "told"),
    [
        (
            "invalid_value",
            "invalid_request_error",
            EngineFailed,
            "invalid_value in session.voice: No such voice",
        ),
        ("internal_error", "server_error", EngineFailed, "internal_error"),
        ("rate_limit_exceeded", "invalid_request_error", Overloaded, "are busy"),
        ("server_overloaded", "server_error", Overloaded, "are busy"),
        ("invalid_api_key", "invalid_request_error", EngineUnavailable, "key_env"),
        ("model_not_found", "invalid_request_error", EngineUnavailable, "option model"),
    ],
)
def test_an_error_event_becomes_a_fault(code: str, kind: str, fault: type[ServerFault], told: str) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.error(code, "No such voice", kind)
        await peer.socket.wait_closed()

    with endpoint(after_text(refuse)) as fake, engine(url=fake.url, **OPTIONS) as made:
        with pytest.raises(fault, match=told) as raised:
            say(made)
        assert type(raised.value) is fault


def test_an_error_that_quotes_the_text_is_told_without_its_words() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.error("invalid_value", f"Cannot say '{TEXT}'.")
        await peer.socket.wait_closed()

    with endpoint(after_text(refuse)) as fake, engine(url=fake.url, **OPTIONS) as made:
        with pytest.raises(EngineFailed) as raised:
            say(made)
        assert "morning" not in raised.value.message


def close(code: int) -> Callable[[Peer], Awaitable[None]]:
    async def do(peer: Peer) -> None:
        await peer.socket.close(code, "reason")

    return do


@pytest.mark.parametrize("audio", [False, True])
@pytest.mark.parametrize(
    ("code", "fault", "told"),
    [(1000, EngineFailed, "code 1000"), (1011, EngineFailed, "code 1011"), (1013, Overloaded, "")],
)
def test_a_close_before_the_end_is_a_fault(
    code: int, fault: type[ServerFault], told: str, audio: bool
) -> None:
    with endpoint(after_text(close(code), audio=audio)) as fake, engine(url=fake.url, **OPTIONS) as made:
        reader = Reader(opened(made, TEXT))
        assert reader.ends()
        assert type(reader.error) is fault
        assert told in str(reader.error)
        assert len(joined(reader.chunks)) == (2400 if audio else 0)


def test_a_connection_that_is_dropped_is_a_fault() -> None:
    async def drop(peer: Peer) -> None:
        peer.socket.transport.abort()

    with endpoint(after_text(drop, audio=True)) as fake, engine(url=fake.url, **OPTIONS) as made:
        with pytest.raises(EngineFailed, match="without a close frame"):
            say(made)


def test_a_response_that_failed_is_a_fault() -> None:
    async def fail(peer: Peer) -> None:
        await peer.end_response("failed")
        await peer.socket.wait_closed()

    with endpoint(after_text(fail, audio=True)) as fake, engine(url=fake.url, **OPTIONS) as made:
        with pytest.raises(EngineFailed, match="ended a response as failed"):
            say(made)


@pytest.mark.parametrize(
    "frame",
    [
        b"binary",
        "no json",
        json.dumps({"type": "session.finished", "event_id": "e"}).replace("finished", "unheard"),
    ],
)
def test_a_frame_that_the_protocol_does_not_have_is_a_fault(frame: str | bytes) -> None:
    async def send(peer: Peer) -> None:
        await peer.socket.send(frame)
        await peer.socket.wait_closed()

    with endpoint(after_text(send, audio=True)) as fake, engine(url=fake.url, **OPTIONS) as made:
        with pytest.raises(EngineFailed, match="violated the protocol"):
            say(made)


def test_audio_that_is_no_base64_is_a_fault() -> None:
    async def send(peer: Peer) -> None:
        await peer.begin_response()
        await peer.send("response.audio.delta", response_id="resp_1", item_id="item_1", delta="***")
        await peer.socket.wait_closed()

    with endpoint(after_text(send)) as fake, engine(url=fake.url, attempts=1, **OPTIONS) as made:
        with pytest.raises(EngineFailed, match="base64"):
            say(made)


def test_before_the_first_audio_the_whole_text_goes_to_another_server() -> None:
    with endpoint(after_text(close(1011))) as broken, endpoint(well) as whole:
        servers = [{"url": broken.url}, {"url": whole.url}]
        with engine(servers=servers, **OPTIONS) as made:
            assert len(say(made, "Good ", "morning.")) == 2400
        for fake in (broken, whole):
            assert [e["text"] for e in fake.events if e["type"] == "input_text_buffer.append"] == [
                "Good ",
                "morning.",
            ]


def test_a_server_that_says_nothing_is_given_up() -> None:
    async def wait(peer: Peer) -> None:
        await peer.socket.recv()

    with endpoint(after_text(wait)) as fake, engine(url=fake.url, first_audio_s=1.0, **OPTIONS) as made:
        with pytest.raises(EngineStalled, match="no audio"):
            say(made)
        assert fake.gone.wait(PATIENCE_S)


def loads(fake: FakeEndpoint, **options: Any) -> str:
    with pytest.raises(EngineUnavailable) as raised:
        UpstreamEngine(url=fake.url, **OPTIONS, **options).load()
    return raised.value.message


def test_a_refused_handshake_is_said_at_the_start() -> None:
    with endpoint(well) as fake:
        fake.refuse_with = 401
        message = loads(fake, key="sk-wrong")
    assert "key_env" in message
    assert "sk-wrong" not in message


def test_an_endpoint_that_does_not_know_the_model_is_said_at_the_start() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.error("model_not_found", "No such model")
        await peer.socket.close(1008)

    with endpoint(refuse) as fake:
        assert "option model" in loads(fake)


def test_an_endpoint_without_a_session_is_said_at_the_start() -> None:
    async def wait(peer: Peer) -> None:
        await peer.socket.recv()

    with endpoint(wait) as fake:
        assert "within 0.2 s" in loads(fake, connect_s=0.2)


def test_an_endpoint_that_is_busy_at_the_start_will_do() -> None:
    with endpoint(well) as fake:
        fake.refuse_with = 429
        with engine(url=fake.url, **OPTIONS) as made:
            with pytest.raises(Overloaded, match="are busy"):
                say(made)
            fake.refuse_with = None
            assert len(say(made)) == 2400


def test_nothing_of_a_stream_is_left_when_it_has_ended() -> None:
    with endpoint(well) as fake, engine(url=fake.url, **OPTIONS) as made:
        say(made)
        # But for the connection that is ready; then only the task that looks after the server, and this one.
        made._runtime.run(until(lambda: not server_of(made)._errands and server_of(made)._ready))
        made._runtime.run(server_of(made).aclose())
        made._runtime.run(until(lambda: len(asyncio.all_tasks()) == 2))
        assert not server_of(made)._ready and not server_of(made)._errands
