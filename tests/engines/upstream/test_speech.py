"""Servers with ``/v1/audio/speech``, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saystream.engines.upstream.engine import UpstreamEngine
from saystream.errors import (
    EngineFailed,
    EngineOutputInvalid,
    EngineStalled,
    EngineUnavailable,
    InvalidValue,
    Overloaded,
    ServerFault,
)

from .fake_server import (
    CUSTOM_VOICE,
    DONE,
    PATIENCE_S,
    Reply,
    Request,
    delta,
    error,
    failed_event,
    openai,
    pcm,
    running,
    sglang_omni,
    tone,
    vllm_omni,
)
from .harness import TEXT, Reader, engine, joined, opened, say
from .test_sound import wav

OPENAI: dict[str, Any] = {"voices": {"Cherry": "alloy"}, "model": "tts-1", "key": "sk-right"}


def int16(samples: np.ndarray) -> np.ndarray:
    return np.rint(samples * 32767).astype(np.int16)


def speaking(
    answer: Callable[[Request, Reply], Awaitable[None]],
) -> Callable[[Request, Reply], Awaitable[None]]:
    """A server that is vLLM-Omni but for how it answers a request to speak."""

    async def handle(request: Request, reply: Reply) -> None:
        await (answer if request.path == "/v1/audio/speech" else vllm_omni)(request, reply)

    return handle


def answering(status: int, fields: Any, **headers: str) -> Callable[[Request, Reply], Awaitable[None]]:
    async def handle(request: Request, reply: Reply) -> None:
        await reply.json(status, fields, **headers)

    return speaking(handle)


# --- what is asked, and what is heard --------------------------------------------------------------------------------


def test_vllm_omni_is_asked_in_its_own_words() -> None:
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url, model=CUSTOM_VOICE) as made:
        samples = say(made, "Good ", "morning.", voice="Ono Anna", language="zh", instructions="Whisper.")
        assert np.array_equal(int16(samples), int16(tone("Good morning.")))
        assert fake.spoken == [
            {
                "input": "Good morning.",
                "model": CUSTOM_VOICE,
                "voice": "ono_anna",
                "language": "Chinese",
                "instructions": "Whisper.",
                "response_format": "pcm",
                "stream": True,
                "stream_format": "sse",
            }
        ]


def test_the_voices_of_a_server_get_our_spelling() -> None:
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        assert made.info.voices == ("Vivian", "Ryan", "Ono Anna")
        with pytest.raises(InvalidValue, match="'Vivian'"):
            opened(made, "Hello.", voice="vivian")


def test_a_language_without_a_name_there_is_left_to_the_server() -> None:
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        say(made, language="th")
        assert fake.spoken[0]["language"] == "Auto"


@pytest.mark.parametrize("stream_format", ["sse", "audio"])
def test_sglang_omni_says_the_rate_of_its_samples_and_they_are_resampled(stream_format: str) -> None:
    options = {"parameters": {"seed": 7}, "stream_format": "" if stream_format == "sse" else stream_format}
    with running(sglang_omni) as fake, engine(kind="sglang-omni", url=fake.url, **options) as made:
        samples = say(made)
        expected = tone(TEXT)
        assert abs(len(samples) - len(expected)) <= 2
        inner = slice(2400, -2400)
        assert np.abs(samples[: len(expected)][inner] - expected[: len(samples)][inner]).max() < 0.01
        assert fake.spoken[0]["seed"] == 7
        assert fake.spoken[0]["stream_format"] == stream_format


def test_an_openai_style_server_is_asked_for_nothing_that_openai_does_not_have() -> None:
    with running(openai) as fake, engine(kind="openai", url=fake.url, **OPENAI) as made:
        assert made.info.languages == {"*": "native"}
        assert np.array_equal(int16(say(made)), int16(tone(TEXT)))
        assert fake.spoken == [{"input": TEXT, "model": "tts-1", "voice": "alloy", "response_format": "pcm"}]


def test_a_speed_is_asked_of_a_server_that_takes_one_and_made_here_otherwise() -> None:
    with running(openai) as fake:
        with engine(kind="openai", url=fake.url, takes_speed=True, **OPENAI) as made:
            assert len(say(made, speed=1.25)) == len(tone(TEXT))  # the fake takes it and does nothing
        with engine(kind="openai", url=fake.url, **OPENAI) as made:
            assert abs(len(say(made, speed=1.25)) * 1.25 / len(tone(TEXT)) - 1) < 0.05
    assert [fields.get("speed") for fields in fake.spoken] == [1.25, None]


def test_a_recording_to_clone_is_sent_along(tmp_path: Path) -> None:
    recording = tmp_path / "anna.wav"
    recording.write_bytes(wav(b"\1\0" * 100))
    voices = {
        "Anna": {"ref_audio": str(recording), "ref_text": "One two three."},
        "Ben": {"ref_audio": "https://example.com/ben.wav", "ref_text": "unused", "x_vector_only": True},
        "Cleo": {"name": "cleo_2", "description": "An old sailor."},
    }

    async def anything(request: Request, reply: Reply) -> None:
        await reply.whole(200, pcm("a"), content_type="audio/pcm")

    with running(speaking(anything)) as fake, engine(kind="vllm-omni", url=fake.url, voices=voices) as made:
        for voice in voices:
            say(made, voice=voice, instructions="Slowly.")
    asked = [
        {
            name: fields.get(name)
            for name in ("voice", "task_type", "ref_audio", "ref_text", "x_vector_only_mode")
        }
        for fields in fake.spoken
    ]
    encoded = base64.b64encode(recording.read_bytes()).decode()
    sent_audio = asked[0]["ref_audio"]
    assert sent_audio is not None
    assert asked[0] | {"ref_audio": sent_audio.replace("x-wav", "wav")} == {
        "voice": None,
        "task_type": "Base",
        "ref_audio": f"data:audio/wav;base64,{encoded}",
        "ref_text": "One two three.",
        "x_vector_only_mode": None,
    }
    assert asked[1] == {
        "voice": None,
        "task_type": "Base",
        "ref_audio": "https://example.com/ben.wav",
        "ref_text": None,
        "x_vector_only_mode": True,
    }
    assert (asked[2]["task_type"], asked[2]["voice"]) == ("VoiceDesign", "cleo_2")
    assert fake.spoken[2]["instructions"] == "An old sailor.\nSlowly."


@pytest.mark.parametrize("container", ["pcm", "wav"])
def test_a_body_that_comes_whole_is_heard_too(container: str) -> None:
    async def whole(request: Request, reply: Reply) -> None:
        audio = pcm(request.fields["input"])
        body = wav(audio, rate=24000) if container == "wav" else audio
        await reply.whole(200, body, content_type=f"audio/{container}")

    with running(speaking(whole)) as fake, engine(kind="openai", url=fake.url, voices={"Cherry": ""}) as made:
        assert np.array_equal(int16(say(made)), int16(tone(TEXT)))
        assert fake.spoken[0]["voice"] == "Cherry"


def test_audio_is_heard_while_the_rest_is_still_being_made() -> None:
    go_on = threading.Event()

    async def slow(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(delta(bytes(3840)))
        await asyncio.to_thread(go_on.wait, PATIENCE_S)
        await reply.chunk(delta(bytes(3840)) + DONE)
        await reply.end()

    with running(speaking(slow)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        reader = Reader(opened(made, TEXT))
        assert reader.heard.wait(PATIENCE_S)
        go_on.set()
        assert reader.ends()
        assert reader.error is None
        assert len(joined(reader.chunks)) == 3840


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "fault", "told"),
    [
        (400, error("Invalid language 'Klingon'", 400), EngineFailed, "HTTP 400: Invalid language 'Klingon'"),
        (401, error("Unauthorized", 401), EngineUnavailable, "key_env"),
        (404, error("The model `x` does not exist.", 404), EngineUnavailable, "url, kind and model"),
        (
            422,
            {"detail": [{"msg": "Field required", "input": TEXT}]},
            EngineFailed,
            "HTTP 422: Field required",
        ),
        (429, error("Too many requests", 429), Overloaded, "are busy"),
        (500, error("Engine core died", 500), EngineFailed, "HTTP 500: Engine core died"),
        (503, {"detail": "queue full"}, Overloaded, "are busy"),
    ],
)
def test_an_error_status_becomes_a_fault_that_says_what_to_do(
    status: int, body: Any, fault: type[ServerFault], told: str
) -> None:
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        fake.handler = answering(status, body)
        with pytest.raises(fault, match=told) as raised:
            say(made)
        assert type(raised.value) is fault
        assert TEXT not in raised.value.message


def test_a_redirect_is_not_followed() -> None:
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        fake.handler = answering(302, {}, location="http://127.0.0.1:1/")
        with pytest.raises(EngineFailed, match="HTTP 302"):
            say(made)


def test_an_error_in_the_middle_ends_what_was_heard_with_a_fault() -> None:
    async def breaks(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(delta(pcm("one ")) + failed_event(partial_audio=True, action="discard"))
        await reply.end()

    with running(speaking(breaks)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        reader = Reader(opened(made, TEXT))
        assert reader.ends()
        assert isinstance(reader.error, EngineFailed)
        assert "Engine core died" in reader.error.message
        assert len(joined(reader.chunks)) == len(tone("one "))
        assert len(fake.spoken) == 1


def test_an_error_event_before_any_audio_is_tried_elsewhere() -> None:
    async def breaks(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(failed_event())
        await reply.end()

    with running(speaking(breaks)) as first, running(vllm_omni) as second:
        servers = [{"url": first.url}, {"url": second.url}]
        with engine(kind="vllm-omni", servers=servers) as made:
            assert np.array_equal(int16(say(made)), int16(tone(TEXT)))
            assert len(first.spoken) == len(second.spoken) == 1


def test_an_error_event_with_a_status_is_what_that_status_is() -> None:
    async def busy(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(failed_event("queue full", code=429))
        await reply.end()

    with running(speaking(busy)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        with pytest.raises(Overloaded, match="are busy"):
            say(made)


@pytest.mark.parametrize("content_type", ["text/event-stream", "audio/pcm"])
@pytest.mark.parametrize("how", ["truncated", "reset"])
def test_a_body_that_ends_too_early_is_a_fault(content_type: str, how: str) -> None:
    go_on = threading.Event()

    async def ends(request: Request, reply: Reply) -> None:
        await reply.begin(content_type)
        await reply.chunk(delta(bytes(4800)) if "event" in content_type else bytes(4800))
        await asyncio.to_thread(go_on.wait, PATIENCE_S)
        (reply.truncate if how == "truncated" else reply.reset)()

    with running(speaking(ends)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        reader = Reader(opened(made, TEXT))
        assert reader.heard.wait(PATIENCE_S)
        go_on.set()
        assert reader.ends()
        assert isinstance(reader.error, EngineFailed), reader.error
        assert "broke off" in reader.error.message
        assert len(joined(reader.chunks)) == 2400


def test_events_that_end_without_the_last_are_a_fault() -> None:
    async def ends(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(delta(bytes(4800)))
        await reply.end()

    with running(speaking(ends)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        with pytest.raises(EngineFailed, match="before its audio"):
            say(made)


@pytest.mark.parametrize(
    ("content_type", "body", "told"),
    [
        ("audio/mpeg", b"ID3", "audio/mpeg"),
        ("text/html", b"<html>", "text/html"),
        ("audio/pcm", bytes(4801), "middle of a sample"),
        ("audio/wav", wav(bytes(4800), channels=2), "2 channels"),
        ("text/event-stream", b"data: nonsense\n\n", "not a speech event"),
    ],
)
def test_an_answer_that_is_no_audio_is_a_fault(content_type: str, body: bytes, told: str) -> None:
    async def answer(request: Request, reply: Reply) -> None:
        await reply.whole(200, body, content_type=content_type)

    with running(speaking(answer)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        with pytest.raises(EngineOutputInvalid, match=told):
            say(made)
        assert len(fake.spoken) == 1


def test_a_server_that_hangs_is_given_up_for_another() -> None:
    async def hangs(request: Request, reply: Reply) -> None:
        await reply.until_dropped()
        first.dropped.set()

    with running(speaking(hangs)) as first, running(vllm_omni) as second:
        servers = [{"url": first.url}, {"url": second.url}]
        with engine(kind="vllm-omni", servers=servers, first_audio_s=2.0) as made:
            assert np.array_equal(int16(say(made)), int16(tone(TEXT)))
        assert first.dropped.wait(PATIENCE_S)


def test_a_server_that_stops_in_the_middle_is_given_up() -> None:
    async def stops(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(delta(bytes(4800)))
        await reply.until_dropped()
        fake.dropped.set()

    with running(speaking(stops)) as fake, engine(kind="vllm-omni", url=fake.url, chunk_s=0.2) as made:
        with pytest.raises(EngineStalled, match=f"127.0.0.1:{fake.port}"):
            say(made)
        assert fake.dropped.wait(PATIENCE_S)


def test_a_connection_that_is_reset_before_any_answer_is_tried_again() -> None:
    async def resets(request: Request, reply: Reply) -> None:
        fake.handler = vllm_omni
        reply.reset()

    with running(speaking(resets)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        assert np.array_equal(int16(say(made)), int16(tone(TEXT)))
        assert len(fake.spoken) == 2


def test_a_cancel_drops_the_request_at_once() -> None:
    async def endless(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(delta(bytes(4800)))
        await reply.until_dropped()
        fake.dropped.set()

    with running(speaking(endless)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        reader = Reader(opened(made, TEXT))
        assert reader.heard.wait(PATIENCE_S)
        reader.stream.cancel()
        assert reader.ends()
        assert reader.error is None
        assert fake.dropped.wait(PATIENCE_S)


def test_an_answer_that_is_not_read_to_its_end_is_dropped_with_the_stream() -> None:
    async def endless(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(delta(bytes(4800)))
        await reply.until_dropped()
        fake.dropped.set()

    with running(speaking(endless)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        chunks = opened(made, TEXT).chunks()
        next(chunks)
        chunks.close()  # type: ignore[attr-defined]
        assert fake.dropped.wait(PATIENCE_S)


# --- at the start ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/v1/voices", 200, {"data": [{"name": "Cherry", "language": "en"}, {"name": "Ethan"}]}),
        ("/v1/audio/voices", 200, {"voices": [{"id": "cherry", "name": "Cherry"}, {"id": "Ethan"}]}),
        ("/v1/audio/voices", 200, ["Cherry", "Ethan", "Cherry", "", 7]),
        (
            "/v1/audio/voices",
            200,
            {"voices": ["Cherry"], "uploaded_voices": [{"name": "Ethan", "consent": "x"}]},
        ),
    ],
)
def test_a_list_of_voices_is_read_in_any_shape(path: str, status: int, body: Any) -> None:
    async def lists(request: Request, reply: Reply) -> None:
        await reply.json(*((status, body) if request.path == path else (404, {})))

    with running(lists) as fake, engine(url=fake.url) as made:
        assert made.info.voices == ("Cherry", "Ethan")


@pytest.mark.parametrize("body", [b"", b"<html>", b"7", b"{}", b'{"voices": "all"}'])
def test_a_server_without_a_list_of_voices_needs_the_option(body: bytes) -> None:
    async def lists(request: Request, reply: Reply) -> None:
        await reply.whole(200, body)

    with running(lists) as fake:
        with pytest.raises(EngineUnavailable, match="option voices"):
            UpstreamEngine(url=fake.url).load()
        with engine(url=fake.url, voices={"Cherry": "alloy"}) as made:
            assert made.info.voices == ("Cherry",)


def test_a_server_of_another_model_is_said_at_the_start() -> None:
    with running(vllm_omni) as fake:
        with pytest.raises(EngineUnavailable, match=f"serves {CUSTOM_VOICE}, and not qwen-base"):
            UpstreamEngine(kind="vllm-omni", url=fake.url, model="qwen-base").load()


def test_a_key_that_is_refused_is_said_at_the_start_and_not_quoted() -> None:
    async def locked(request: Request, reply: Reply) -> None:
        await reply.json(401, error("Incorrect API key provided", 401))

    with running(locked) as fake:
        with pytest.raises(EngineUnavailable, match="key_env") as raised:
            UpstreamEngine(url=fake.url, key="sk-wrong", voices={"Cherry": "alloy"}).load()
        assert "sk-wrong" not in raised.value.message
        assert fake.requests[0].headers["authorization"] == "Bearer sk-wrong"


def test_the_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        assert len(say(made))
