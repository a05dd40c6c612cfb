"""How soon the HTTP doors speak, beside the WebSocket. Writes ``benchmarks/results/http_doors.json``.

    python benchmarks/http_doors.py

First audio is the time from the request (WebSocket: the commit) to the first audio that arrives. The JSON answer's
total is compared with what the same text takes in process: the engine, the chain and the encoder.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from saystream import catalog
from saystream.audio import AudioFormat
from saystream.bench import ServerProcess
from saystream.client import connect
from saystream.config import Settings
from saystream.speech.events import ResponseAudio, SpeechConfig
from saystream.speech.synthesizer import Synthesizer

RESULTS = Path(__file__).parent / "results" / "http_doors.json"
GENERATION = "/api/v1/services/aigc/multimodal-generation/generation"
TEXT = (
    "The old lighthouse stood at the end of the pier, where the wind never rested. Every evening, the keeper climbed"
    " two hundred steps to light the lamp. He counted ships as they passed, and wrote their names in a thick book."
    " Nobody had asked him to do it, but he liked the sound of the names. When the fog came, he rang the bell by hand."
    " In winter, the sea froze along the shore. In spring, the first boats came back."
)
ROUNDS = 60


def body(voice: str = "Cherry") -> dict[str, Any]:
    return {"model": "qwen3-tts-flash", "input": {"text": TEXT, "voice": voice, "language_type": "English"}}


async def first_delta_ms(url: str) -> float:
    async with connect(url, model="qwen3-tts-flash-realtime") as session:
        await session.update(voice="Cherry", mode="commit", language_type="English")
        await session.append(TEXT)
        started_s = time.perf_counter()
        await session.commit()
        await session.finish()
        first_ms = 0.0
        async for _ in session.audio():
            first_ms = first_ms or (time.perf_counter() - started_s) * 1000
        return first_ms


async def first_event_ms(http: httpx.AsyncClient) -> float:
    started_s = time.perf_counter()
    async with http.stream("POST", GENERATION, json=body(), headers={"X-DashScope-SSE": "enable"}) as answer:
        first_ms = 0.0
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                first_ms = first_ms or (time.perf_counter() - started_s) * 1000
        return first_ms


async def whole_answer_ms(http: httpx.AsyncClient) -> float:
    started_s = time.perf_counter()
    answer = await http.post(GENERATION, json=body())
    answer.raise_for_status()
    return (time.perf_counter() - started_s) * 1000


async def in_process_ms(synthesizer: Synthesizer) -> float:
    config = SpeechConfig(voice="Cherry", language_type="English", audio_format=AudioFormat("pcm", 24000))
    started_s = time.perf_counter()
    async for event in synthesizer.speak(config, TEXT):
        assert isinstance(event, ResponseAudio) or event is not None
    return (time.perf_counter() - started_s) * 1000


async def alternating(*measures: Callable[[], Awaitable[float]]) -> list[dict[str, float]]:
    """Rounds of all measures in turn, so that other load on the machine meets all of them alike."""
    taken: list[list[float]] = [[] for _ in measures]
    for number in range(ROUNDS + 3):
        for values, measure in zip(taken, measures, strict=True):
            value = await measure()
            if number >= 3:  # the first rounds warm everything up
                values.append(value)
    return [
        {"p50": round(statistics.median(values), 2), "p95": round(sorted(values)[int(len(values) * 0.95)], 2)}
        for values in taken
    ]


async def measure(engine: str, server: ServerProcess) -> dict[str, Any]:
    base_url = server.url.replace("ws://", "http://")
    async with httpx.AsyncClient(base_url=base_url, timeout=60) as http:
        websocket, sse = await alternating(lambda: first_delta_ms(server.url), lambda: first_event_ms(http))
        async with Synthesizer.running(Settings(engine=engine), catalog=catalog.load()) as synthesizer:
            alone, answer = await alternating(
                lambda: in_process_ms(synthesizer), lambda: whole_answer_ms(http)
            )
    figures = {
        "first audio, WebSocket, ms": websocket,
        "first audio, SSE, ms": sse,
        "whole text in process, ms": alone,
        "whole JSON answer, ms": answer,
        "JSON answer above the engine's time, percent": round(100 * (answer["p50"] / alone["p50"] - 1), 1),
        "load_average": round(os.getloadavg()[0], 2),
    }
    print(engine, json.dumps(figures), flush=True)
    return figures


def main() -> None:
    results: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
        "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for engine in ("tone", "hibari"):
        with ServerProcess(["--engine", engine], os.environ) as server:
            results[engine] = asyncio.run(measure(engine, server))
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
