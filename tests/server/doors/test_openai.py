"""The door of OpenAI's interface over sockets: what is spoken, refused, cut off and waited for."""

from __future__ import annotations

import asyncio
import base64
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from saystream.server.access.keys import KeyStore
from saystream.storage import open_store
from server.live import PATIENCE_S, Live, audio_of, live_server, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPEECH = "/v1/audio/speech"
TEXT = "Hello there, dear listener."


@asynccontextmanager
async def client_of(live: Live, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{live.port}"
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False
    ) as client:
        yield client


def wish(**fields: Any) -> dict[str, Any]:
    return {"model": "tts-1", "input": TEXT, "voice": "alloy", "response_format": "pcm", **fields}


async def say(live: Live, **fields: Any) -> httpx.Response:
    async with client_of(live) as client:
        return await client.post(SPEECH, json=wish(**fields))


def error_of(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]
    assert TEXT not in error["message"]
    return error


async def test_pcm_is_what_the_realtime_door_speaks(server: Live) -> None:
    answer = await say(server)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/pcm")
    assert "content-length" not in answer.headers
    assert answer.content == audio_of(await server.say(TEXT, voice="Elias", response_format="pcm"))


@pytest.mark.parametrize("name", ["wav", "flac"])
async def test_a_short_file_has_its_length(server: Live, name: str) -> None:
    answer = await say(server, response_format=name)
    assert int(answer.headers["content-length"]) == len(answer.content)
    with av.open(BytesIO(answer.content)) as file:
        stream = file.streams.audio[0]
        assert stream.time_base is not None and stream.duration is not None
        samples = (await say(server)).content
        assert float(stream.duration * stream.time_base) == len(samples) / 2 / 24000


@pytest.mark.parametrize(
    "fields",
    [
        {"voice": None, "model": "", "speed": None},
        {"voice": "ALLOY", "model": "TTS-1", "response_format": "PCM"},
        {"voice": {"id": "alloy"}, "speed": "1.0", "user": "ann", "lang_code": "a"},
        {"voice": "cherry", "model": "Qwen3-TTS-Flash", "language": "en-GB"},
    ],
)
async def test_what_programs_send_in_their_own_way_is_spoken(server: Live, fields: dict[str, Any]) -> None:
    answer = await say(server, **fields)
    assert (answer.status_code, len(answer.content)) == (200, len((await say(server)).content))


async def test_a_client_of_http_1_0_gets_the_bytes_alone(server: Live) -> None:
    body = json.dumps(wish()).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST {SPEECH} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answered, _, audio = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b"chunked" not in answered.lower()
    assert audio == (await say(server)).content


@pytest.mark.parametrize("path", ["//v1/audio/speech", "/v1/audio/speech/", "/v1//audio/speech//"])
async def test_a_slash_too_many_does_no_harm(server: Live, path: str) -> None:
    async with client_of(server) as client:
        answer = await client.post(f"http://127.0.0.1:{server.port}{path}", json=wish())
    assert answer.content == (await say(server)).content


async def test_lists_are_found_where_other_servers_have_them(server: Live) -> None:
    async with client_of(server) as client:
        for other, own in (("/v1/audio/voices", "/v1/voices"), ("/v1/audio/models", "/v1/models")):
            assert (await client.get(other)).json() == (await client.get(own)).json()


async def test_a_wrong_path_is_answered_with_the_right_one(server: Live) -> None:
    async with client_of(server) as client:
        answer = await client.post("/v1/audio/speeches", json=wish())
    assert answer.status_code == 404
    assert "did you mean /v1/audio/speech?" in error_of(answer)["message"]


async def test_wav_has_a_header(server: Live) -> None:
    answer = await say(server, response_format="wav")
    assert answer.headers["content-type"] == "audio/wav"
    with wave.open(BytesIO(answer.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
    assert np.abs(np.frombuffer(answer.content[44:], "<i2")).max() > 1000


async def test_events_carry_the_same_bytes(server: Live) -> None:
    answer = await say(server, stream_format="sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(frame.removeprefix("data: ")) for frame in answer.text.split("\n\n") if frame]
    audio = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert audio == (await say(server)).content
    assert events[-1]["type"] == "speech.audio.done"


async def test_no_event_is_shorter_than_ten_milliseconds(server: Live) -> None:
    for speed in (0.7, 1.0, 1.3):
        answer = await say(server, stream_format="sse", speed=speed)
        events = [json.loads(frame.removeprefix("data: ")) for frame in answer.text.split("\n\n") if frame]
        assert min(len(base64.b64decode(event["audio"])) for event in events[:-1]) >= 480


@pytest.mark.parametrize(
    "model", ["tts-1-hd", "gpt-4o-mini-tts", "qwen3-tts-flash", "qwen3-tts-flash-realtime"]
)
async def test_names_of_openai_and_of_ours_speak(server: Live, model: str) -> None:
    assert (await say(server, model=model)).content
    assert (await say(server, model=model, voice="Cherry")).content


async def test_instructions_are_taken(server: Live) -> None:
    assert (await say(server, instructions="Speak slowly.")).status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "tts-9"}, 404, "model"),
        ({"model": "qwen3-tts-vc-2026-01-22"}, 404, "model"),
        ({"voice": "nobody"}, 400, "voice"),
        ({"voice": "Dylan", "model": "gpt-4o-mini-tts"}, 400, "voice"),
        ({"input": " ... "}, 400, "input"),
        ({"input": ""}, 400, "input"),
        ({"response_format": "ogg"}, 400, "response_format"),
        ({"speed": 9}, 400, "speed"),
        ({"language": "Klingon"}, 400, "language"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    server: Live, fields: dict[str, Any], status: int, param: str
) -> None:
    answer = await say(server, **fields)
    assert answer.status_code == status
    assert error_of(answer)["param"] == param


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"text", "text/plain", 415),
        (b"model=tts-1", "application/x-www-form-urlencoded", 415),
        (json.dumps(wish()).encode(), "", 415),
        (json.dumps(wish()).encode("utf-16"), "application/json; charset=utf-16", 415),
        (json.dumps(wish()).encode()[:-2], "application/json", 400),
        (b"", "application/json", 400),
        (b'{"input":"\\ud800', "application/json", 400),
        (b'{"input":"\xed\xa0\x80"}', "application/json", 400),
        (json.dumps(wish(input="a\0b")).encode(), "application/json", 400),
    ],
)
async def test_a_body_that_is_none_is_a_clear_4xx(
    server: Live, content: bytes, content_type: str, status: int
) -> None:
    async with client_of(server) as client:
        headers = {"content-type": content_type} if content_type else {}
        answer = await client.post(SPEECH, content=content, headers=headers)
    assert answer.status_code == status
    assert error_of(answer)["message"]


@pytest.mark.parametrize("announced", [True, False])
async def test_fifty_megabytes_are_refused_and_not_read(server: Live, announced: bool) -> None:
    """The peer may find the connection closed while it is still sending: then the answer is read from the socket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    length = b"content-length: 52428800" if announced else b"transfer-encoding: chunked"
    writer.write(
        b"POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        + length
        + b"\r\n\r\n"
    )
    sent = 0
    try:
        while sent < 50 << 20 and not reader._buffer:  # type: ignore[attr-defined]
            piece = b" " * 65536
            writer.write(piece if announced else b"10000\r\n" + piece + b"\r\n")
            await writer.drain()
            sent += len(piece)
    except ConnectionError:
        pass
    status = await reader.readline()
    writer.transport.abort()
    assert b" 413 " in status
    assert sent < 8 << 20


async def test_a_header_cannot_be_injected(server: Live) -> None:
    async with client_of(server) as client:
        answer = await client.get("/v1/models/%0d%0aset-cookie:%20a=b")
        assert answer.status_code == 404
        assert "set-cookie" not in answer.headers
    answer = await say(server, voice="a\r\nset-cookie: a=b")
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


async def test_models_are_listed_with_openais_names_first(server: Live) -> None:
    async with client_of(server) as client:
        listed = (await client.get("/v1/models")).json()
        assert listed["object"] == "list"
        names = [model["id"] for model in listed["data"]]
        assert names[:3] == ["tts-1", "tts-1-hd", "gpt-4o-mini-tts"]
        assert len(names) == len(set(names))
        for model in listed["data"]:
            assert (await client.get(f"/v1/models/{model['id']}")).json() == model


async def test_voices_say_who_would_speak_each_language(server: Live) -> None:
    async with client_of(server) as client:
        voices = (await client.get("/v1/voices")).json()["data"]
    assert len(voices) == 49
    cherry = voices[0]
    assert (cherry["name"], cherry["openai_names"], cherry["sex"]) == ("Cherry", ["nova"], "female")
    assert len(cherry["languages"]) == 10
    assert {language["engine"] for language in cherry["languages"]} == {"tone"}
    assert {language["quality"] for language in cherry["languages"]} == {"robotic"}
    assert {language["made_from"] for language in cherry["languages"]} == {"tone"}
    assert {language["advice"] for language in cherry["languages"]} == {""}
    marcus = next(voice for voice in voices if voice["name"] == "Marcus")
    assert marcus["languages"][0]["quality"] == "robotic", "what is robotic is not better for a dialect"


async def test_speech_comes_while_it_is_made(slow_server: Live) -> None:
    async with client_of(slow_server) as client:
        async with client.stream("POST", SPEECH, json=wish(input=TEXT * 5)) as answer:
            pieces = [len(piece) async for piece in answer.aiter_raw()]
    assert len(pieces) > 10


async def test_a_peer_that_leaves_frees_the_engine(slow_server: Live) -> None:
    async with client_of(slow_server) as client:
        async with client.stream("POST", SPEECH, json=wish(input=TEXT * 50)) as answer:
            async for _ in answer.aiter_raw():
                assert slow_server.load.running
                break
    await slow_server.quiet()


async def test_a_drain_lets_a_request_be_spoken_to_its_end_and_takes_no_more(slow_server: Live) -> None:
    room = slow_server.room
    async with client_of(slow_server) as client:
        async with client.stream("POST", SPEECH, json=wish(input=TEXT * 2)) as answer:
            pieces = answer.aiter_raw()
            received = await anext(pieces)
            draining = asyncio.create_task(room.drain(PATIENCE_S))
            await until(lambda: room.draining)
            try:
                assert not draining.done()
                refused = await client.post(SPEECH, json=wish())
                assert (refused.status_code, error_of(refused)["code"]) == (503, "server_draining")
                received += b"".join([piece async for piece in pieces])
                await draining
            finally:
                room.draining = False
    assert received == (await say(slow_server, input=TEXT * 2)).content


@pytest.mark.parametrize("after_ms", [0, 300])
async def test_a_fault_is_an_error_before_the_first_audio_and_a_cut_after_it(
    tmp_path: Path, after_ms: int
) -> None:
    fault = {"fault": "error", "fault_after_ms": after_ms, "real_time_factor": 0.5}
    async with live_server(tmp_path, engines={"tone": fault}) as live:
        if not after_ms:
            answer = await say(live)
            assert answer.status_code == 500
            assert error_of(answer)["code"] == "engine_failed"
            answer = await say(live, stream_format="sse")
            assert answer.status_code == 500
            return
        with pytest.raises(httpx.RemoteProtocolError):
            await say(live)
        *_, last = (await say(live, stream_format="sse")).text.split("\n\n")[:-1]
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "engine_failed"


async def test_a_page_of_elsewhere_is_refused_and_one_of_this_machine_is_not(server: Live) -> None:
    for origin, status in (("https://evil.example", 403), ("http://localhost:3000", 200)):
        async with client_of(server, origin=origin) as client:
            for path in ("/v1/models", "/v1/voices", "/v1/models/tts-1"):
                assert (await client.get(path)).status_code == status
            answer = await client.post(SPEECH, json=wish())
            assert answer.status_code == status
            assert "access-control-allow-origin" not in answer.headers


async def test_with_a_key_the_key_decides_and_not_the_page(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        async with open_store(live.settings) as engine:
            secret = (await KeyStore(engine).create("test")).secret
        live.services.authenticator._store._none_exist_until = 0.0
        async with client_of(live, origin="https://evil.example") as client:
            for path in ("/v1/models", "/v1/voices"):
                assert (await client.get(path)).status_code == 401
                let_in = await client.get(path, headers={"authorization": f"Bearer {secret}"})
                assert let_in.status_code == 200
            refused = await client.post(SPEECH, json=wish())
            assert (refused.status_code, error_of(refused)["code"]) == (401, "invalid_api_key")


async def test_an_origin_of_the_settings_may_ask_from_a_browser(tmp_path: Path) -> None:
    async with live_server(tmp_path, cors_origins=("https://app.example",)) as live:
        async with client_of(live, origin="https://app.example") as client:
            ask = {
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization, content-type",
            }
            allowed = await client.options(SPEECH, headers=ask)
            assert allowed.status_code == 200
            assert allowed.headers["access-control-allow-origin"] == "https://app.example"
            answer = await client.post(SPEECH, json=wish())
            assert answer.headers["access-control-allow-origin"] == "https://app.example"
        async with client_of(live, origin="https://evil.example") as client:
            assert "access-control-allow-origin" not in (await client.options(SPEECH, headers=ask)).headers
            assert (await client.post(SPEECH, json=wish())).status_code == 403
