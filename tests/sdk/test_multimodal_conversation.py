from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saystream import sdk
from saystream.errors import ConnectionFailed
from saystream.protocol.http.sse import encode_frame
from saystream.sdk.audio import qwen_tts
from saystream.sdk.common.error import InputRequired, ModelRequired, RequestFailed
from sdk.scripted import Scripted, serving

SPEECH: dict[str, Any] = {"model": "qwen3-tts-flash", "text": "你好", "voice": "Cherry"}
AUDIO = {"data": "", "expires_at": 1766113409, "id": "audio_r1", "url": "http://x/a.wav"}
WHOLE = {
    "output": {"finish_reason": "stop", "audio": AUDIO}, "usage": {"characters": 195}, "request_id": "r1"
}  # fmt: skip
PART = {
    "output": {"finish_reason": "null", "audio": {"data": "AAEA", "expires_at": 1, "id": "audio_r1"}},
    "usage": {"characters": 195},
    "request_id": "r1",
}
REFUSAL = {"code": "InvalidParameter", "message": "bad", "request_id": "r1"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    with serving() as script:
        script.body = json.dumps(WHOLE).encode()
        monkeypatch.setattr(sdk, "base_http_api_url", script.url + "/api/v1")
        yield script


def streaming(server: Scripted, *frames: bytes) -> None:
    server.content_type = "text/event-stream;charset=UTF-8"
    server.body = b"".join(frames)


def frame(number: int, body: Any, event: Any = "result", status: int = 200) -> bytes:
    return encode_frame(number, event, status, json.dumps(body).encode())


async def ask(asynchronous: bool, **arguments: Any) -> list[Any]:
    """All answers of one call."""
    if not asynchronous:
        answer = sdk.MultiModalConversation.call(**arguments)
        return list(answer) if arguments.get("stream") else [answer]
    parts: Any = await sdk.AioMultiModalConversation.call(**arguments)
    return [part async for part in parts] if arguments.get("stream") else [parts]


both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "asyncio"])


def recorded(shared_dir: Path, name: str) -> dict[str, Any]:
    capture = json.loads((shared_dir / "protocol" / "captures" / f"{name}.json").read_text("utf-8"))
    return {"sent": capture["connections"][0]["body_raw"].encode(), "seen": capture["observed_by_caller"]}


@both
async def test_what_is_sent_and_seen_is_what_the_vendors_sdk_was_recorded_with(
    server: Scripted, shared_dir: Path, asynchronous: bool
) -> None:
    record = recorded(shared_dir, "http_qwen_tts_json_v2.0.2")
    (answer,) = await ask(
        asynchronous,
        **{**SPEECH, "model": "qwen3-tts-instruct-flash"},
        language_type="Chinese",
        instructions="fast",
        optimize_instructions=True,
        workspace="ws-demo",
        api_key="sk-test",
    )
    (path, headers, body) = server.requests[0]
    assert path == "/api/v1/services/aigc/multimodal-generation/generation"
    assert body == record["sent"]
    assert headers["authorization"] == "Bearer sk-test"
    assert headers["x-dashscope-workspace"] == "ws-demo"
    assert headers["content-type"] == headers["accept"] == "application/json; charset=utf-8"
    assert "x-dashscope-sse" not in headers
    assert json.loads(str(answer)) == record["seen"]["result"]
    assert list(answer) == list(record["seen"]["result"])


@both
async def test_a_stream_is_seen_as_the_vendors_sdk_was_recorded_to_see_it(
    server: Scripted, shared_dir: Path, asynchronous: bool
) -> None:
    record = recorded(shared_dir, "http_qwen_tts_sse_v2.0.2")
    streaming(server, frame(1, PART), frame(2, WHOLE))
    answers = await ask(asynchronous, **SPEECH, stream=True)
    (_, headers, body) = server.requests[0]
    assert body == record["sent"]
    assert (headers["x-dashscope-sse"], headers["accept"]) == ("enable", "text/event-stream")
    assert headers["x-accel-buffering"] == "no"
    assert [json.loads(str(answer)) for answer in answers] == record["seen"]["chunks"]


def test_the_older_class_sends_and_shows_what_was_recorded(server: Scripted, shared_dir: Path) -> None:
    record = recorded(shared_dir, "http_qwen_tts_speechsynthesizer_v2.0.2")
    streaming(server, frame(1, PART), frame(2, WHOLE))
    answers = qwen_tts.SpeechSynthesizer.call(
        model="qwen-tts", text="你好", voice="Cherry", language_type="English", stream=True
    )
    assert [json.loads(str(answer)) for answer in answers] == record["seen"]["chunks"]
    assert server.requests[0][2] == record["sent"]


def test_an_answer_is_attributes_and_keys(server: Scripted) -> None:
    answer = sdk.MultiModalConversation.call(**SPEECH)
    assert not isinstance(answer, Iterator)
    assert answer.output.audio.url == answer["output"]["audio"]["url"] == "http://x/a.wav"
    assert answer.output.text is None
    answer.code = "changed"
    assert answer["code"] == "changed"
    with pytest.raises(AttributeError):
        _ = answer.nothing


@both
@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_is_an_answer(server: Scripted, asynchronous: bool, stream: bool) -> None:
    server.status, server.body = 400, json.dumps(REFUSAL).encode()
    (answer,) = await ask(asynchronous, **SPEECH, stream=stream)
    assert answer == {**REFUSAL, "status_code": 400, "output": None, "usage": None}


@both
async def test_an_error_event_is_an_answer_with_the_status_in_the_frame(
    server: Scripted, asynchronous: bool
) -> None:
    streaming(server, frame(1, PART), frame(2, REFUSAL, "error", 500), frame(3, REFUSAL, "error", 200))
    answers = await ask(asynchronous, **SPEECH, stream=True)
    assert [answer.status_code for answer in answers] == [200, 500, 400]
    assert answers[1].message == "bad"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", ""),
        (b"<html>502</html>", "<html>502</html>"),
        (b"[1]", "[1]"),
        (b"[" * 100_000, "[" * 500),
    ],
)
def test_an_error_page_of_something_in_between_is_survived(
    server: Scripted, body: bytes, message: str
) -> None:
    server.status, server.body = 502, body
    answer = sdk.MultiModalConversation.call(**SPEECH)
    assert answer == {
        "status_code": 502, "request_id": "", "code": None, "message": message, "output": None, "usage": None
    }  # fmt: skip


@both
@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_is_not_there_is_a_connection_error(
    monkeypatch: pytest.MonkeyPatch, asynchronous: bool, stream: bool
) -> None:
    monkeypatch.setattr(sdk, "base_http_api_url", "http://127.0.0.1:9/api/v1")
    with pytest.raises(RequestFailed) as raised:
        await ask(asynchronous, **SPEECH, stream=stream)
    assert isinstance(raised.value, ConnectionError) and isinstance(raised.value, ConnectionFailed)


@both
async def test_an_answer_that_breaks_off_is_a_connection_error(server: Scripted, asynchronous: bool) -> None:
    streaming(server, frame(1, PART))
    server.breaks_off = True
    with pytest.raises(RequestFailed):
        await ask(asynchronous, **SPEECH, stream=True)


def test_the_base_the_key_and_the_headers_may_be_given_with_the_call(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk, "base_http_api_url", "http://127.0.0.1:9")
    monkeypatch.setattr(sdk, "api_key", "sk-global")
    sdk.MultiModalConversation.call(
        **SPEECH, base_address=server.url + "/other/", headers={"X-Own": "1"}, request_timeout=60
    )
    path, headers, body = server.requests[0]
    assert path.startswith("/other/services/")
    assert (headers["authorization"], headers["x-own"]) == ("Bearer sk-global", "1")
    assert json.loads(body)["parameters"] == {}


def test_without_a_key_none_is_sent(server: Scripted) -> None:
    qwen_tts.SpeechSynthesizer.call(model="qwen-tts", text="Hi.", voice="Cherry", request_timeout=60)
    _, headers, body = server.requests[0]
    assert "authorization" not in headers
    assert json.loads(body) == {
        "model": "qwen-tts", "parameters": {}, "input": {"text": "Hi.", "voice": "Cherry"}
    }  # fmt: skip


@both
async def test_what_is_missing_is_said_before_anything_is_sent(server: Scripted, asynchronous: bool) -> None:
    with pytest.raises(ModelRequired):
        await ask(asynchronous, model="", text="x", voice="Cherry")
    with pytest.raises(ValueError, match="text and voice"):
        await ask(asynchronous, model="m")
    with pytest.raises(ModelRequired):
        qwen_tts.SpeechSynthesizer.call(model="", text="x")
    with pytest.raises(InputRequired):
        qwen_tts.SpeechSynthesizer.call(model="m", text="")
    assert server.requests == []


def test_the_asynchronous_call_has_the_same_parameters() -> None:
    plain = inspect.signature(sdk.MultiModalConversation.call)
    asynchronous = inspect.signature(sdk.AioMultiModalConversation.call)
    assert plain.parameters == asynchronous.parameters


def test_names_that_do_not_exist_are_told_as_such() -> None:
    with pytest.raises(AttributeError, match="Generation"):
        _ = sdk.Generation
    with pytest.raises(AttributeError, match="asr"):
        _ = sdk.audio.asr
