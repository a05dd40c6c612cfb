"""The engine in a process of its own, behind the doors of a server: what a listener hears, and is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.live import Live, audio_of, live_server

from .fake_server import FakeServer, Reply, Request, delta, error, failed_event, pcm, running, tone, vllm_omni
from .test_speech import answering, int16, speaking

TEXT = "Hello."
"""One segment."""


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with running(vllm_omni) as made:
        yield made


@asynccontextmanager
async def served(fake: FakeServer, tmp_path: Path, **options: Any) -> AsyncIterator[Live]:
    upstream = {"kind": "vllm-omni", "url": fake.url, "voices": {"Cherry": "vivian"}, **options}
    async with live_server(tmp_path, engine="upstream", engines={"upstream": upstream}) as live:
        yield live


async def test_a_listener_hears_what_the_server_behind_says(fake: FakeServer, tmp_path: Path) -> None:
    async with served(fake, tmp_path) as live:
        events = await live.say(TEXT, voice="Cherry", language_type="English")
        assert audio_of(events) == int16(tone(TEXT)).tobytes()
        async with httpx.AsyncClient(trust_env=False) as client:
            body = {"model": "tts-1", "input": TEXT, "voice": "alloy", "response_format": "pcm"}
            answer = await client.post(f"http://127.0.0.1:{live.port}/v1/audio/speech", json=body)
        assert answer.content == int16(tone(TEXT)).tobytes()


@pytest.mark.parametrize(
    ("status", "said", "code", "told", "close_code"),
    [
        (400, "Invalid language", "engine_failed", "HTTP 400: Invalid language", None),
        (401, "Unauthorized", "engine_unavailable", "key_env", 1011),
        (429, "Too many", "server_overloaded", "are busy", 1013),
    ],
)
async def test_a_listener_is_told_what_the_server_behind_refuses(
    fake: FakeServer, tmp_path: Path, status: int, said: str, code: str, told: str, close_code: int | None
) -> None:
    async with served(fake, tmp_path) as live:
        fake.handler = answering(status, error(said, status))
        async with live.peer() as peer:
            await peer.append(TEXT)
            await peer.finish()
            events, closed_with = await peer.until("response.done"), None
            if close_code is not None:
                _, closed_with, _ = await peer.until_closed()
        (body,) = [event["error"] for event in events if event["type"] == "error"]
        assert (body["type"], body["code"]) == ("server_error", code)
        assert told in body["message"]
        assert events[-1]["response"]["status"] == "failed"
        assert closed_with == close_code


async def test_what_was_heard_before_a_failure_ends_with_a_typed_error(
    fake: FakeServer, tmp_path: Path
) -> None:
    async def breaks(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(delta(pcm("Hel")))
        await reply.chunk(failed_event(partial_audio=True, action="discard"))
        await reply.end()

    async with served(fake, tmp_path) as live:
        fake.handler = speaking(breaks)
        async with live.peer() as peer:
            await peer.append(TEXT)
            await peer.finish()
            events = await peer.until("response.done")
        assert audio_of(events)
        assert events[-1]["response"]["status"] == "failed"
        assert (
            "Engine core died"
            in next(event for event in events if event["type"] == "error")["error"]["message"]
        )


async def test_a_listener_who_goes_away_frees_the_server_behind(fake: FakeServer, tmp_path: Path) -> None:
    async def endless(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(delta(pcm("Hello.")))
        await reply.until_dropped()
        fake.dropped.set()

    async with served(fake, tmp_path) as live:
        fake.handler = speaking(endless)
        async with live.peer() as peer:
            await peer.append(TEXT)
            await peer.commit()
            await peer.until("response.audio.delta")
            await peer.cancel()
            assert await asyncio.to_thread(fake.dropped.wait, 10)
            assert (await peer.until("response.done"))[-1]["response"]["status"] == "cancelled"


async def test_many_at_once_are_heard_whole(fake: FakeServer, tmp_path: Path) -> None:
    async with served(fake, tmp_path, concurrency=8) as live:
        heard = await asyncio.gather(
            *(live.say(TEXT, voice="Cherry", language_type="English") for _ in range(30))
        )
        assert {audio_of(events) for events in heard} == {int16(tone(TEXT)).tobytes()}
        assert fake.most_active <= 8
