"""Pauses written into plain text, at every door that has no SSML: measured in the samples of a real server."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest

from server.live import Peer, audio_of, live_server

SAMPLE_RATE = 24000
TEXT = 'One is here.<break time="1.5s"/>Two if a < b.[pause:400ms]Three.'
SPOKEN = "One is here.Two if a < b.Three."


def long_gaps(pcm: bytes) -> list[float]:
    """The silences of at least 350 ms between sounds, in ms. Between sentences there are 300."""
    loud = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2")) > 60)
    gaps = np.diff(loud) * 1000 / SAMPLE_RATE
    return [float(gap) for gap in gaps if gap >= 350]


async def appended(peer: Peer, text: str, size: int) -> tuple[list[float], int]:
    """The long gaps in its speech, and what is billed for it."""
    for start in range(0, len(text), size):
        await peer.append(text[start : start + size])
    await peer.finish()
    events = await peer.until("session.finished")
    done = next(event for event in events if event["type"] == "response.done")
    return long_gaps(audio_of(events)), done["response"]["usage"]["characters"]


@pytest.mark.parametrize("mode", ["server_commit", "commit"])
async def test_pauses_in_plain_text_are_heard_and_not_billed(tmp_path: Path, mode: str) -> None:
    exact = [pytest.approx(1500, abs=20), pytest.approx(400, abs=20)]
    async with live_server(tmp_path, engine="tone", inline_pauses=True) as server:
        for size in (len(TEXT), 3):
            async with server.peer("qwen3-tts-flash-realtime") as peer:
                await peer.update(mode=mode)
                gaps, characters = await appended(peer, TEXT, size)
                assert gaps == exact
                assert characters == len(SPOKEN)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            speech = {"model": "tts-1", "input": TEXT, "voice": "alloy", "response_format": "pcm"}
            answer = await client.post("/v1/audio/speech", json=speech)
            assert long_gaps(answer.content) == exact
            body = {"model": "qwen3-tts-flash", "input": {"text": TEXT, "voice": "Cherry"}}
            path = "/api/v1/services/aigc/multimodal-generation/generation"
            generated = (await client.post(path, json=body)).json()
            assert generated["usage"]["characters"] == len(SPOKEN)
            only = {**speech, "input": "[pause:1s]"}
            assert len((await client.post("/v1/audio/speech", json=only)).content) == SAMPLE_RATE * 2


async def test_without_the_setting_a_tag_is_left_out_or_text(tmp_path: Path) -> None:
    async with live_server(tmp_path, engine="tone") as server:
        async with server.peer("qwen3-tts-flash-realtime") as peer:
            left_out = await appended(peer, TEXT, len(TEXT))
        async with server.peer("qwen3-tts-flash-realtime") as peer:
            await peer.update(markup="read")
            text = await appended(peer, TEXT, len(TEXT))
    assert left_out == ([], len("One is here.\nTwo if a < b. Three."))
    assert text == ([], len(TEXT))
