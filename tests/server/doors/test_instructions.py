"""What an engine is asked for beside the text: from every door to the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from saystream.engines.base import SynthesisRequest
from saystream.hosting.front import StreamHandle
from saystream.hosting.pool import EnginePool
from server.live import live_server

from .task_peer import task_peer

WORDS = "Whisper, and slowly."


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[SynthesisRequest]]:
    """What engines are asked for, in order."""
    heard: list[SynthesisRequest] = []
    real = EnginePool.open

    def listening(self: EnginePool, engine: str, request: SynthesisRequest, **more: object) -> StreamHandle:
        heard.append(request)
        return real(self, engine, request, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(EnginePool, "open", listening)
    yield heard


async def test_every_door_passes_instructions_to_the_engine(
    tmp_path: Path, requests: list[SynthesisRequest]
) -> None:
    async with live_server(tmp_path, engine="tone") as server:
        async with server.peer("qwen3-tts-instruct-flash-realtime") as peer:
            await peer.update(mode="commit", instructions=WORDS)
            await peer.append("Hello.")
            await peer.commit()
            await peer.until("response.done")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            body = {
                "model": "qwen3-tts-instruct-flash",
                "input": {"text": "Hello.", "voice": "Cherry", "instructions": WORDS},
            }
            path = "/api/v1/services/aigc/multimodal-generation/generation"
            assert (await client.post(path, json=body)).status_code == 200
            speech = {"model": "gpt-4o-mini-tts", "input": "Hello.", "voice": "alloy", "instructions": WORDS}
            assert (await client.post("/v1/audio/speech", json=speech)).status_code == 200
    assert [request.instructions for request in requests] == [WORDS] * 3


async def test_numbers_are_read_as_words_unless_a_session_forbids_it(
    tmp_path: Path, requests: list[SynthesisRequest]
) -> None:
    async with live_server(tmp_path, engine="tone") as server:
        for changes in ({}, {"enable_tn": False}):
            async with server.peer("qwen3-tts-flash-realtime") as peer:
                await peer.update(mode="commit", **changes)
                await peer.append("It is 5 km.")
                await peer.commit()
                await peer.until("response.done")
    assert [request.normalize_text for request in requests] == [True, False]


async def test_a_task_passes_its_seed_to_the_engine_and_0_is_none(
    tmp_path: Path, requests: list[SynthesisRequest]
) -> None:
    async with live_server(tmp_path, engine="tone") as server, task_peer(server) as peer:
        for number, seed in enumerate((7, 0)):
            await peer.begin(f"t{number}", seed=seed)
            await peer.say("Hello.", f"t{number}")
            await peer.finish(f"t{number}")
            await peer.until_end(f"t{number}")
    assert [request.seed for request in requests] == [7, None]


async def test_a_text_that_could_be_in_several_languages_is_in_one_that_the_listener_accepts(
    tmp_path: Path, requests: list[SynthesisRequest]
) -> None:
    async with live_server(tmp_path, engine="tone") as server:
        async with server.peer(language="pt-BR") as peer:
            await peer.update(mode="commit")
            await peer.append("Maria.")
            await peer.commit()
            await peer.until("response.done")
        headers = {"Accept-Language": "fr,en;q=0.5"}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", trust_env=False, headers=headers
        ) as client:
            spoken = {"text": "Maria.", "voice": "Cherry"}
            path = "/api/v1/services/aigc/multimodal-generation/generation"
            answer = await client.post(path, json={"model": "qwen3-tts-flash", "input": spoken})
            assert answer.status_code == 200
            answer = await client.post("/v1/audio/speech", json={"input": "Maria."})
            assert answer.status_code == 200
    assert [request.language for request in requests] == ["pt", "fr", "fr"]
