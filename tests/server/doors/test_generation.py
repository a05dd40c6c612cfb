from __future__ import annotations

import asyncio
import hashlib
import io
import json
import socket
import struct
import uuid
import wave
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pybase64
import pytest

from saystream import catalog
from saystream.protocol.http.generation import PATH
from saystream.protocol.http.sse import EventParser, ServerSentEvent
from saystream.server.access.keys import KeyStore
from saystream.server.access.room import Place
from saystream.storage import open_store
from server.live import PATIENCE_S, Live, live_server, until

pytestmark = pytest.mark.slow

TEXT = "Hello there, this is a whole sentence."
SSE = {"X-DashScope-SSE": "enable"}


def body(
    text: str = TEXT, model: str = "qwen3-tts-flash", voice: str = "Cherry", **more: Any
) -> dict[str, Any]:
    return {"model": model, "input": {"text": text, "voice": voice, **more}}


class Listener:
    """A client of one server."""

    def __init__(self, server: Live, client: httpx.AsyncClient) -> None:
        self.server = server
        self.client = client

    async def ask(self, wanted: Any, **headers: str) -> httpx.Response:
        content = wanted if isinstance(wanted, bytes) else json.dumps(wanted).encode()
        given = {"Content-Type": "application/json", **headers}
        return await self.client.post(PATH, content=content, headers=given)

    async def events(self, wanted: Any) -> list[ServerSentEvent]:
        return parsed(await self.ask(wanted, **SSE))

    async def file(self, url: str) -> bytes:
        answer = await self.client.get(url)
        assert answer.status_code == 200, answer.text
        return answer.content

    @property
    def stored(self) -> list[Path]:
        return sorted((self.server.settings.data_dir / "files").rglob("*.wav"))


def parsed(answer: httpx.Response) -> list[ServerSentEvent]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return EventParser(max_event_bytes=1 << 20).push(answer.content)


def audio_of(events: list[ServerSentEvent]) -> bytes:
    return b"".join(pybase64.b64decode(json.loads(event.data)["output"]["audio"]["data"]) for event in events)


def pcm_of(wav: bytes) -> bytes:
    with wave.open(io.BytesIO(wav)) as file:
        assert file.getparams()[:3] == (1, 2, 24000)
        return file.readframes(file.getnframes())


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Listener]:
    async with listening(tmp_path) as listener:
        yield listener


class listening:
    """A server with those settings, and a client of it."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self._serving = live_server(data_dir, **settings)

    async def __aenter__(self) -> Listener:
        server = await self._serving.__aenter__()
        limits = httpx.Limits(max_connections=200)
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", timeout=PATIENCE_S, limits=limits, trust_env=False
        )
        return Listener(server, self._client)

    async def __aexit__(self, *raised: Any) -> None:
        await self._client.aclose()
        await self._serving.__aexit__(*raised)


# --- what is spoken --------------------------------------------------------------------------------------------------


async def test_without_sse_the_answer_is_a_link_to_a_whole_wav_file(listener: Listener) -> None:
    answer = await listener.ask(body())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    said = answer.json()
    request_id = said["request_id"]
    assert str(uuid.UUID(request_id)) == answer.headers["x-request-id"] == request_id
    audio = said["output"].pop("audio")
    assert said == {
        "output": {"finish_reason": "stop"}, "usage": {"characters": len(TEXT)}, "request_id": request_id
    }  # fmt: skip
    assert (audio["data"], audio["id"]) == ("", f"audio_{request_id}")
    wav = await listener.file(audio["url"])
    assert struct.unpack("<I", wav[4:8]) == (len(wav) - 8,)
    assert struct.unpack("<I", wav[40:44]) == (len(wav) - 44,)
    assert len(pcm_of(wav)) > 48_000


async def test_with_sse_frames_come_in_order_and_the_last_has_the_link(listener: Listener) -> None:
    events = await listener.events(body())
    assert [event.id for event in events] == [str(number) for number in range(1, len(events) + 1)]
    assert {(event.event, event.status) for event in events} == {("result", 200)}
    bodies = [json.loads(event.data) for event in events]
    assert [said["output"]["finish_reason"] for said in bodies] == ["null"] * (len(events) - 1) + ["stop"]
    assert len({said["request_id"] for said in bodies}) == 1
    assert [said["output"]["audio"]["data"] == "" for said in bodies].index(True) == len(events) - 1
    assert "url" not in bodies[0]["output"]["audio"]
    stream = audio_of(events)
    assert (stream[:4], stream[4:8], stream[40:44]) == (b"RIFF", b"\xff" * 4, b"\xff" * 4)
    wav = await listener.file(bodies[-1]["output"]["audio"]["url"])
    assert hashlib.sha256(pcm_of(wav)).digest() == hashlib.sha256(stream[44:]).digest()


async def test_with_sse_frames_say_when_words_sound_if_asked(listener: Listener) -> None:
    text = "Hello there, dear listener."
    wanted = body(text)
    wanted["parameters"] = {"word_timestamps": True}
    outputs = [json.loads(event.data)["output"] for event in await listener.events(wanted)]
    words = [word for output in outputs for word in output.get("words", [])]
    assert [text[word["begin_index"] : word["end_index"]] for word in words] == [
        "Hello",
        "there",
        "dear",
        "listener",
    ]
    assert all(before["end_time"] <= word["begin_time"] for before, word in pairwise(words))
    plain = [json.loads(event.data)["output"] for event in await listener.events(body(text))]
    assert not any("words" in output for output in plain)


async def test_no_frame_is_shorter_than_ten_milliseconds(listener: Listener) -> None:
    sizes = [len(audio_of([event])) for event in await listener.events(body("Four, five, two."))]
    assert sizes[0] >= 44 + 480 and min(sizes[1:-1]) >= 480


async def test_the_frames_have_the_documented_bytes(listener: Listener) -> None:
    answer = await listener.ask(body("Hi."), **SSE)
    first, *_, last, rest = answer.content.split(b"\n\n")
    said = json.loads(first.split(b"\ndata:")[1])
    audio, request_id = said["output"]["audio"], said["request_id"]
    assert first == (
        b"id:1\nevent:result\n:HTTP_STATUS/200\n"
        b'data:{"output":{"finish_reason":"null","audio":{"data":"%s","expires_at":%d,"id":"audio_%s"}},'
        b'"usage":{"characters":3},"request_id":"%s"}'
        % (audio["data"].encode(), audio["expires_at"], request_id.encode(), request_id.encode())
    )
    assert last.split(b"\n")[1:3] == [b"event:result", b":HTTP_STATUS/200"]
    assert rest == b""


@pytest.mark.parametrize("value", ["enable", "Enable"])
async def test_only_the_header_asks_for_events(listener: Listener, value: str) -> None:
    accepting = await listener.ask(body(), Accept="text/event-stream")
    assert accepting.headers["content-type"] == "application/json"
    other = await listener.ask(body(), **{"X-DashScope-SSE": "disable"})
    assert other.headers["content-type"] == "application/json"
    assert parsed(await listener.ask(body(), **{"x-dashscope-sse": value}))


async def test_every_model_with_system_voices_speaks(listener: Listener) -> None:
    models = [model for model in catalog.load().models if model.door == "http"]
    assert len(models) == 11
    for model in models:
        answer = await listener.ask(body("Hi.", model=model.name))
        if model.voice_kind != "system":
            assert answer.status_code == 400 and model.voice_kind in answer.json()["message"]
            continue
        usage = answer.json()["usage"]
        assert "characters" in usage if model.usage == "characters" else usage["output_tokens"] == 50


async def test_an_instruction_may_stand_in_the_parameters(listener: Listener) -> None:
    wanted = {**body(model="qwen3-tts-instruct-flash"), "parameters": {"instructions": "Fast."}}
    assert (await listener.ask(wanted)).status_code == 200
    refused = await listener.ask({**wanted, "model": "qwen3-tts-flash"})
    assert (refused.status_code, refused.json()["code"]) == (400, "InvalidParameter")
    assert "instructions" in refused.json()["message"] and "Fast" not in refused.text


async def test_unknown_fields_change_nothing(listener: Listener) -> None:
    assert (await listener.ask({**body(format="mp3"), "parameters": {"x": 1}, "y": 2})).status_code == 200


async def test_64_at_once_lose_nothing_and_files_are_what_was_streamed(listener: Listener) -> None:
    async def one(number: int) -> None:
        text = f"This is the request of number {number}. " * (1 + number % 5)
        events = await listener.events(body(text))
        assert [int(event.id) for event in events] == list(range(1, len(events) + 1))
        url = json.loads(events[-1].data)["output"]["audio"]["url"]
        pcm = pcm_of(await listener.file(url))
        assert hashlib.sha256(pcm).digest() == hashlib.sha256(audio_of(events)[44:]).digest()
        assert len(pcm) > len(text) * 24000 * 2 / 20

    async with asyncio.timeout(60):
        await asyncio.gather(*(one(number) for number in range(64)))
    assert len(listener.stored) == 64
    assert await listener.server.metric("saystream_responses_total", status="completed") == 64


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "status", "code", "words"),
    [
        (b'{"model":"qwen3-tts-flash","inp', 400, "InvalidParameter", "JSON"),
        (b"\xff\xfe\x00", 400, "InvalidParameter", "JSON"),
        ({}, 400, "BadRequest.EmptyModel", "model"),
        ({"model": "qwen3-tts-flash"}, 400, "BadRequest.EmptyInput", "input"),
        ({"model": "qwen3-tts-flash", "input": {"text": "x"}}, 400, "InvalidParameter", "voice property is required"),
        (body("secret\0words"), 400, "InvalidParameter", "input.text"),
        (b'{"model":"qwen3-tts-flash","input":{"text":"secret\\ud800"', 400, "InvalidParameter", "JSON"),
        (body(" … "), 400, "InvalidParameter", "nothing that can be spoken"),
        (body("secret " * 100), 400, "InvalidParameter", "700 characters; qwen3-tts-flash takes at most 600"),
        (body("secret " * 400, model="qwen-tts"), 400, "InvalidParameter", "700 tokens; qwen-tts takes at most 512"),
        (body(voice="Chery"), 400, "InvalidParameter", "Cherry"),
        (body(language_type="Klingon"), 400, "InvalidParameter", "language_type"),
        (body(model="qwen-tts", language_type="French"), 400, "InvalidParameter", "language_type"),
        (body(model="qwen9"), 404, "ModelNotFound", "qwen3-tts-flash"),
        (body(model="qwen3-tts-flash-realtime"), 404, "ModelNotFound", "/api-ws/v1/realtime"),
        (body(model="cosyvoice-v2"), 404, "ModelNotFound", "/api-ws/v1/inference"),
        (b"x" * 50_000_000, 400, "BadRequest.TooLarge", "50000000 bytes; the limit is 1048576"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("headers", [{}, SSE])
async def test_a_bad_request_is_refused_clearly_and_nothing_is_written(
    listener: Listener, wanted: Any, status: int, code: str, words: str, headers: dict[str, str]
) -> None:
    answer = await listener.ask(wanted, **headers)
    said = answer.json()
    assert (answer.status_code, said["code"]) == (status, code)
    assert words in said["message"] and "secret" not in answer.text
    assert said["request_id"] == answer.headers["x-request-id"]
    assert listener.stored == []


async def test_600_characters_are_not_too_many(listener: Listener) -> None:
    assert (await listener.ask(body("字" * 600))).json()["usage"] == {"characters": 1200}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_content_type_is_refused(listener: Listener, content_type: str) -> None:
    answer = await listener.ask(body(), **{"Content-Type": content_type})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["message"]


async def test_other_methods_are_refused(listener: Listener) -> None:
    answer = await listener.client.get(PATH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_host_that_is_none_gets_no_link(tmp_path: Path) -> None:
    async with listening(tmp_path, host="0.0.0.0") as listener:
        for host in ('evil"x', "evil.example/path", "a b", "user@evil.example", ""):
            answer = await listener.ask(body(), Host=host)
            assert answer.status_code == 400
            assert "evil" not in answer.text
        assert listener.stored == []


async def test_a_header_with_line_ends_does_not_get_through(listener: Listener) -> None:
    content = json.dumps(body()).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n evil: 1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.server.port)
    async with asyncio.timeout(PATIENCE_S):
        writer.write(head.encode() + content)
        answer = await reader.read()
    writer.close()
    assert b" 403 " in answer.split(b"\r\n")[0]
    assert b"\nevil" not in answer


async def test_the_public_url_is_in_the_link_whatever_the_host(tmp_path: Path) -> None:
    behind = {"public_url": "https://speech.example.com", "allowed_hosts": ("elsewhere.example",)}
    async with listening(tmp_path, **behind) as listener:
        answer = await listener.ask(body(), Host="elsewhere.example")
        assert answer.json()["output"]["audio"]["url"].startswith("https://speech.example.com/files/")


async def test_a_key_is_needed_once_there_is_one(tmp_path: Path) -> None:
    async with listening(tmp_path) as listener:
        async with open_store(listener.server.settings) as engine:
            key = await KeyStore(engine).create("test")
    async with listening(tmp_path) as listener:
        for headers in ({}, {"Authorization": "Bearer sk-wrong"}, {"Authorization": "Basic eDp5"}):
            answer = await listener.ask(body(), **headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "InvalidApiKey")
        assert (await listener.ask(body(), Authorization=f"Bearer {key.secret}")).status_code == 200


async def test_more_requests_than_the_limit_are_told_to_come_back(tmp_path: Path) -> None:
    slow = {"tone": {"first_chunk_delay_ms": 500}}
    async with listening(tmp_path, limits={"max_sessions": 2}, engines=slow) as listener:
        answers = await asyncio.gather(*(listener.ask(body()) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["code"] == "Throttling.RateQuota" and int(refused.headers["retry-after"])
        assert (await listener.ask(body())).status_code == 200


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, SSE])
async def test_a_fault_before_the_first_audio_is_a_plain_answer(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    async with listening(tmp_path, engines={"tone": {"fault": "error"}}) as listener:
        answer = await listener.ask(body(), **headers)
        assert (answer.status_code, answer.json()["code"]) == (500, "InternalError")
        assert "there" not in answer.text
        assert listener.stored == []


async def test_a_fault_in_a_stream_is_an_error_event_to_the_letter(tmp_path: Path) -> None:
    faulty = {"tone": {"fault": "error", "fault_after_ms": 1000}}
    async with listening(tmp_path, engines=faulty) as listener:
        answer = await listener.ask(body(), **SSE)
        *_, last, end = answer.content.split(b"\n\n")
        number = len(parsed(answer))
        head = b"id:%d\nevent:error\n:HTTP_STATUS/500\ndata:" % number
        assert last.startswith(head) and end == b""
        said = json.loads(last.removeprefix(head))
        assert list(said) == ["code", "message", "request_id"]
        assert said["request_id"] == answer.headers["x-request-id"]
        assert listener.stored == []
        plain = await listener.ask(body())
        assert plain.status_code == 500


async def _leave_after_the_first_frame(listener: Listener) -> str:
    """The link that the stream's headers name."""
    content = json.dumps(body(TEXT * 10)).encode()
    headers = {"Content-Type": "application/json", **SSE}
    async with listener.client.stream("POST", PATH, content=content, headers=headers) as answer:
        received: Any = answer.aiter_bytes()
        async with aclosing(received):
            assert b"event:result" in await anext(received)
        return answer.headers["content-location"]


async def test_one_who_loses_the_stream_still_finds_the_file(tmp_path: Path) -> None:
    async with listening(tmp_path, engines={"tone": {"real_time_factor": 0.05}}) as listener:
        url = await _leave_after_the_first_frame(listener)
        assert (await listener.client.get(url)).status_code == 404
        await until(lambda: listener.stored)
        assert len(pcm_of(await listener.file(url))) > 48_000 * 15


async def test_where_settings_say_so_the_engine_is_free_when_the_client_left(tmp_path: Path) -> None:
    slow = {"tone": {"real_time_factor": 0.5}}
    async with listening(tmp_path, engines=slow, files={"finish_abandoned": False}) as listener:
        url = await _leave_after_the_first_frame(listener)
        await listener.server.quiet()
        assert (await listener.client.get(url)).status_code == 404
        assert listener.stored == []


async def test_a_listener_who_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    async with listening(tmp_path) as listener:
        content = json.dumps(body(TEXT * 15)).encode()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", listener.server.port))
            head = (
                f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nX-DashScope-SSE: enable\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
            )
            deaf.sendall(head.encode() + content)
            await until(lambda: listener.stored)
            assert (await listener.ask(body())).status_code == 200


async def test_a_server_that_drains_ends_what_it_speaks_and_takes_no_more(tmp_path: Path) -> None:
    slow = {"tone": {"real_time_factor": 0.2}}
    async with listening(tmp_path, engines=slow) as listener:
        speaking = asyncio.create_task(listener.events(body()))
        await until(lambda: listener.server.load.running)
        draining = asyncio.create_task(listener.server.room.drain(PATIENCE_S))
        await asyncio.sleep(0)
        refused = await listener.ask(body())
        assert (refused.status_code, refused.json()["code"]) == (503, "Throttling")
        await draining
        assert json.loads((await speaking)[-1].data)["output"]["finish_reason"] == "stop"


async def test_a_drain_that_takes_too_long_ends_streams_with_an_error(tmp_path: Path) -> None:
    slow = {"tone": {"real_time_factor": 1.0}}
    async with listening(tmp_path, engines=slow) as listener:
        content, given = json.dumps(body(TEXT * 5)).encode(), {"Content-Type": "application/json", **SSE}
        async with listener.client.stream("POST", PATH, content=content, headers=given) as answer:
            received = answer.aiter_bytes()
            stream = await anext(received)
            await listener.server.room.drain(0.01)
            async for part in received:
                stream += part
        last = EventParser(max_event_bytes=1 << 20).push(stream)[-1]
        assert last.event == "error" and json.loads(last.data)["code"] == "Throttling"
        assert listener.stored == []


@pytest.mark.parametrize("headers", [{}, SSE])
async def test_a_bug_of_ours_is_an_answer_and_no_link_to_nothing(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    async def broken(*_: Any) -> AsyncIterator[Any]:
        raise KeyError("secret")
        yield

    monkeypatch.setattr(listener.server.services.synthesizer, "speak", broken)
    answer = await listener.ask(body(), **headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "InternalError")
    assert "secret" not in answer.text


@pytest.mark.parametrize("headers", [{}, SSE])
async def test_a_request_that_is_stopped_before_it_began_is_answered(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    monkeypatch.setattr(Place, "seat", lambda _, guest: guest.cut_off())
    async with asyncio.timeout(PATIENCE_S):
        answer = await listener.ask(body(), **headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "Throttling")


async def test_a_request_that_finds_no_space_for_its_audio_leaves_its_place(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("saystream.server.doors.generation.WavSpool", full)
    answer = await listener.ask(body())
    assert (answer.status_code, answer.json()["message"]) == (503, "the audio cannot be kept (OSError)")
    assert listener.server.room.num_taken == 0
