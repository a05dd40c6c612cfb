from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saystream.bench import ServerProcess
from saystream.conformance import check_engine
from saystream.engines.upstream import UpstreamEngine
from saystream.errors import ConfigurationError, EngineUnavailable, InvalidValue

from .fake_server import Handler, Reply, Request, openai, running, sglang_omni, tone, vllm_omni
from .harness import TEXT, Reader, engine, opened, say
from .test_speech import OPENAI, int16

NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("kind", "handler", "options"),
    [("vllm-omni", vllm_omni, {}), ("sglang-omni", sglang_omni, {}), ("openai", openai, OPENAI)],
)
def test_each_kind_of_speech_server_makes_an_engine_that_conforms(
    kind: str, handler: Handler, options: dict[str, Any]
) -> None:
    with running(handler) as fake:
        made = UpstreamEngine(kind=kind, url=fake.url, **options)
        assert check_engine(made, deterministic=True) == []
        made.close()


def test_a_realtime_endpoint_makes_an_engine_that_conforms(tone_server: ServerProcess) -> None:
    voices = {"Cherry": "Cherry", "Ethan": "Ethan"}  # all 49 of them would be 49 times the same
    made = UpstreamEngine(
        kind="dashscope", model="qwen3-tts-flash-realtime", url=tone_server.url, voices=voices
    )
    # The server cuts its text by the clock too, and the tone rounds each segment: not the same each time.
    assert check_engine(made) == []
    made.close()


def test_what_is_not_configured_is_what_the_kind_and_the_model_tell() -> None:
    with running(vllm_omni) as fake:
        with engine(kind="vllm-omni", url=fake.url) as made:
            assert tuple(made.info.languages) == ("zh", "en", "de", "it", "pt", "es", "ja", "ko", "fr", "ru")
            assert made.info.instructions
            assert made.info.normalizes_text
            assert not made.info.incremental_text
            assert made.info.concurrency == 16
        servers = [{"url": fake.url, "concurrency": 3}, {"url": fake.url, "concurrency": 4}]
        with engine(kind="vllm-omni", servers=servers, languages=["zh"], instructions=False) as made:
            assert made.info.languages == {"zh": "native"}
            assert not made.info.instructions
            assert made.info.concurrency == 7
            say(made, instructions="Whisper.")
            assert "instructions" not in fake.spoken[0]


def test_voices_that_are_configured_are_the_only_ones() -> None:
    voices = {"Cherry": "vivian", "Ethan": {"name": "ryan"}}
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url, voices=voices) as made:
        assert made.info.voices == ("Cherry", "Ethan")
        say(made, voice="Ethan")
        assert fake.spoken[0]["voice"] == "ryan"
        with pytest.raises(InvalidValue):
            opened(made, "Hello.", voice="ryan")


def test_a_recording_that_cannot_be_read_is_said_before_any_server_is_asked(tmp_path: Path) -> None:
    missing = tmp_path / "nobody.wav"
    with pytest.raises(ConfigurationError, match=f"'Anna'.*{missing}: No such file"):
        UpstreamEngine(
            url=NOWHERE, voices={"Anna": {"ref_audio": str(missing), "x_vector_only": True}}
        ).load()
    big = tmp_path / "big.wav"
    with big.open("wb") as file:
        file.truncate(11 << 20)
    with pytest.raises(ConfigurationError, match="at most"):
        UpstreamEngine(url=NOWHERE, voices={"Anna": {"ref_audio": str(big), "ref_text": "a"}}).load()


def test_without_any_server_the_start_fails_and_names_each() -> None:
    servers = [{"url": NOWHERE}, {"url": "http://127.0.0.1:2"}]
    with pytest.raises(
        EngineUnavailable, match=r"127.0.0.1:1 cannot be reached.*127.0.0.1:2 cannot be reached"
    ):
        UpstreamEngine(servers=servers, voices={"Cherry": "alloy"}).load()
    assert not [thread for thread in threading.enumerate() if thread.name == "upstream-loop"]


def test_one_server_that_answers_is_enough() -> None:
    with running(vllm_omni) as fake:
        servers = [{"url": NOWHERE}, {"url": fake.url}]
        with engine(kind="vllm-omni", servers=servers) as made:
            for _ in range(3):
                assert np.array_equal(int16(say(made)), int16(tone(TEXT)))


def test_one_server_that_lists_its_voices_is_enough() -> None:
    async def no_list(request: Request, reply: Reply) -> None:
        if request.path == "/v1/audio/voices":
            reply.reset()
        else:
            await vllm_omni(request, reply)

    with running(no_list) as first, running(vllm_omni) as second:
        with engine(kind="vllm-omni", servers=[{"url": first.url}, {"url": second.url}]) as made:
            assert made.info.voices == ("Vivian", "Ryan", "Ono Anna")


def test_a_start_may_wait_for_a_server_that_is_still_loading() -> None:
    async def loading(request: Request, reply: Reply) -> None:
        fake.handler = vllm_omni
        await reply.json(503, {"detail": "loading"})

    with running(loading) as fake:
        with pytest.raises(EngineUnavailable, match="loading"):
            # What a busy server says is told as it is.
            UpstreamEngine(kind="vllm-omni", url=fake.url).load()
        fake.handler = loading
        with engine(kind="vllm-omni", url=fake.url, wait_s=30) as made:
            assert made.info.voices


def test_streams_at_once_are_shared_among_the_servers() -> None:
    everybody = threading.Barrier(4)

    async def together(request: Request, reply: Reply) -> None:
        if request.path == "/v1/audio/speech":
            await asyncio.to_thread(everybody.wait, 10)
        await vllm_omni(request, reply)

    with running(together) as first, running(together) as second:
        servers = [{"url": first.url, "concurrency": 2}, {"url": second.url, "concurrency": 2}]
        with engine(kind="vllm-omni", servers=servers) as made:
            readers = [Reader(opened(made, TEXT)) for _ in range(4)]
            assert all(reader.ends() for reader in readers)
            assert not any(reader.error for reader in readers)
        assert (first.most_active, second.most_active) == (2, 2)
