"""What all doors have in common, over sockets: one room, and one way to say that it is full or about to be left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from saystream.server.app import DOORS
from server.live import PATIENCE_S, Live, live_server, until

GENERATION = "/api/v1/services/aigc/multimodal-generation/generation"
SPEECH = "/v1/audio/speech"
LONG = "A long sentence to be spoken slowly. " * 10
TAKEN = "all 3 sessions of this server are taken"
STOPS = "the server is shutting down and accepts no new sessions"

BODIES: dict[str, dict[str, Any]] = {
    GENERATION: {"model": "qwen3-tts-flash", "input": {"text": LONG, "voice": "Cherry"}},
    SPEECH: {"model": "tts-1", "input": LONG, "voice": "alloy", "response_format": "pcm"},
}


@asynccontextmanager
async def client_of(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{live.port}", timeout=PATIENCE_S, trust_env=False
    ) as client:
        yield client


@asynccontextmanager
async def full(tmp_path: Path) -> AsyncIterator[tuple[Live, httpx.AsyncClient, list[Any]]]:
    """A server with three places, each taken at another door, and the answers that are being spoken."""
    slow = {"engines": {"tone": {"real_time_factor": 1.0}}, "files": {"finish_abandoned": False}}
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(live_server(tmp_path, limits={"max_sessions": 3}, **slow))
        client = await stack.enter_async_context(client_of(live))
        await stack.enter_async_context(live.peer())
        asked = [asyncio.create_task(client.post(path, json=body)) for path, body in BODIES.items()]
        try:
            await until(lambda: live.room.num_taken == 3)
            yield live, client, asked
        finally:
            for each in asked:
                each.cancel()
            await asyncio.wait(asked)


async def refusals(live: Live, client: httpx.AsyncClient) -> list[tuple[int, str, str]]:
    """What each door answers to one more: status, code and message."""
    with pytest.raises(InvalidStatus) as caught:
        async with live.peer():
            pass
    handshake = caught.value.response
    generation = await client.post(GENERATION, json=BODIES[GENERATION])
    speech = await client.post(SPEECH, json=BODIES[SPEECH])
    bodies = [json.loads(handshake.body), generation.json(), speech.json()["error"]]
    statuses = [handshake.status_code, generation.status_code, speech.status_code]
    return [(status, body["code"], body["message"]) for status, body in zip(statuses, bodies, strict=True)]


async def test_the_doors_have_their_places_in_common(tmp_path: Path) -> None:
    async with full(tmp_path) as (live, client, asked):
        assert await refusals(live, client) == [
            (429, "Throttling.RateQuota", TAKEN),
            (429, "Throttling.RateQuota", TAKEN),
            (429, "rate_limit_exceeded", TAKEN),
        ]
        for each in asked:
            each.cancel()
        await until(lambda: live.room.num_taken == 1)
        async with live.peer(), live.peer():
            assert {status for status, *_ in await refusals(live, client)} == {429}
        await until(lambda: live.room.num_taken == 1)


async def test_a_drain_empties_all_doors(tmp_path: Path) -> None:
    async with full(tmp_path) as (live, client, asked):
        draining = asyncio.create_task(live.room.drain(0.5))
        await until(lambda: live.room.draining)
        assert await refusals(live, client) == [
            (503, "Throttling", STOPS),
            (503, "Throttling", STOPS),
            (503, "server_draining", STOPS),
        ]
        await draining
        assert live.room.guests == []
        generation = await asked[0]
        assert (generation.status_code, generation.json()["code"]) == (503, "Throttling")


def test_doors_that_speak_have_names_of_their_own_that_fit_the_usage_rows() -> None:
    names = [name for door in DOORS if (name := getattr(door, "name", None)) is not None]
    assert sorted(set(names)) == sorted(names)
    assert all(0 < len(name) <= 16 for name in names)
