"""The task door under many tasks, and beside the realtime door. Writes ``benchmarks/results/tasks.json``.

    python benchmarks/tasks.py

Takes about three minutes. 200 tasks go over one connection, one after another and interleaved, and over a pool of ten;
each audio must be that of the same text alone, and neither end may keep memory. Then both doors speak the same text
in turns. Client, server and engines share one machine, so its load average stands beside the figures.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from saystream.bench import Door, Load, ServerProcess, run_load
from saystream.client.tasks import TaskPool, TaskSettings

RESULTS = Path(__file__).parent / "results" / "tasks.json"
ENGINES = {"tone": 200, "hibari": 16}
"""How many interleaved tasks at once each may be given; more than that it refuses."""
MODEL = "cosyvoice-v3-flash"
SETTINGS: TaskSettings = {
    "voice": "longanyang",
    "format": "pcm",
    "sample_rate": 24000,
    "language_hints": ["en"],
}
TASKS = 200
TEXTS = [f"It was late. A boat came with fish{' fish' * number}." for number in range(20)]
"""Of different lengths, because ``tone`` does not know more of a text."""
WAYS = {
    "one connection, one after another": (1, False),
    "one connection, interleaved": (1, True),
    "pool of 10": (10, False),
}
"""Size of the pool, and whether its connections are shared."""

TEXT = (
    "The old lighthouse stood at the end of the pier, where the wind never rested. Every evening, the keeper climbed"
    " two hundred steps to light the lamp. He counted ships as they passed, and wrote their names in a thick book."
)
VOICES = {Door.REALTIME: "Ethan", Door.TASK: "loongluca_v3"}
"""They are made from the same sound and are changed alike, so they cost the same."""
ROUNDS = 30
PARALLEL_ROUNDS = 6
PARALLEL = 8


def uss() -> int:
    """Memory that only this process uses."""
    return int(psutil.Process().memory_full_info().uss)


async def hashes(pool: TaskPool, texts: list[str], at_once: int) -> list[str]:
    """Of the audio of each text."""
    turn = asyncio.Semaphore(at_once)

    async def one(text: str) -> str:
        digest = hashlib.sha256()
        async with turn, pool.speak(text, model=MODEL, **SETTINGS) as speech:
            async for audio in speech.audio():
                digest.update(audio)
        return digest.hexdigest()

    return await asyncio.gather(*map(one, texts))


async def many_tasks(server: ServerProcess, at_most: int) -> dict[str, Any]:
    """All tasks in each of the ways, after a few that warm it up."""
    async with TaskPool(server.url, size=1) as pool:
        alone = dict(zip(TEXTS, await hashes(pool, TEXTS, 1), strict=True))
    if len(set(alone.values())) != len(TEXTS):
        raise RuntimeError("texts that sound alike show no cross-talk")
    texts = [TEXTS[number % len(TEXTS)] for number in range(TASKS)]
    figures = {}
    for name, (size, shared) in WAYS.items():
        tasks_per_connection = at_most if shared else 1
        at_once = size * tasks_per_connection
        async with TaskPool(server.url, size=size, tasks_per_connection=tasks_per_connection) as pool:
            await hashes(pool, texts[: max(len(TEXTS), at_once)], at_once)
            server_before, client_before = server.usage().gateway_memory_bytes, uss()
            started_s = time.perf_counter()
            got = await hashes(pool, texts, at_once)
            took_s = time.perf_counter() - started_s
            server_after, client_after = server.usage().gateway_memory_bytes, uss()
        figures[name] = {
            "tasks": TASKS,
            "at once": at_once,
            "same audio as alone": sum(one == alone[text] for one, text in zip(got, texts, strict=True)),
            "seconds": round(took_s, 2),
            "server memory grown, kB": round((server_after - server_before) / 1000),
            "client memory grown, kB": round((client_after - client_before) / 1000),
        }
        print(name, json.dumps(figures[name]), flush=True)
    return figures


async def first_audio_ms(load: Load) -> float:
    (timing,) = await run_load(load)
    if timing.error or timing.first_delta_s is None:
        raise RuntimeError(f"{load.door}: {timing.error or 'no audio'}")
    return (timing.first_delta_s - timing.first_append_s) * 1000


async def audio_s_per_s(load: Load) -> float:
    """Sound made in a second of time while several sessions speak as fast as the server can."""
    timings = [timing for (timing,) in await asyncio.gather(*(run_load(load) for _ in range(PARALLEL)))]
    if errors := {timing.error for timing in timings if timing.error}:
        raise RuntimeError(f"{load.door}: {errors}")
    span_s = max(timing.last_delta_s for timing in timings) - min(timing.first_append_s for timing in timings)
    return sum(timing.audio_s for timing in timings) / span_s


async def paired(load: Load, rounds: int, measure: Callable[[Load], Any]) -> dict[str, float]:
    """Rounds of both doors in turns, so that other load on the machine meets both alike."""
    taken: dict[Door, list[float]] = {door: [] for door in Door}
    for number in range(rounds + 2):
        doors = list(Door) if number % 2 else list(reversed(Door))
        for door in doors:
            value = await measure(replace(load, door=door, voice=VOICES[door]))
            if number >= 2:  # the first rounds warm everything up
                taken[door].append(value)
    medians = {door: statistics.median(values) for door, values in taken.items()}
    ratios = [task / realtime for task, realtime in zip(taken[Door.TASK], taken[Door.REALTIME], strict=True)]
    return {
        **{f"{door} door": round(median, 2) for door, median in medians.items()},
        "task against realtime, median of pairs": round(statistics.median(ratios), 3),
    }


async def measured(server: ServerProcess, at_most: int) -> dict[str, Any]:
    load = Load(url=server.url, text=TEXT)
    figures = await many_tasks(server, at_most)
    figures["first audio, ms"] = await paired(load, ROUNDS, first_audio_ms)
    figures[f"sound of {PARALLEL} sessions, s each s"] = await paired(load, PARALLEL_ROUNDS, audio_s_per_s)
    figures["load_average"] = round(os.getloadavg()[0], 2)
    return figures


def main() -> None:
    results: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
        "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for engine, at_most in ENGINES.items():
        with ServerProcess(["--engine", engine], os.environ) as server:
            results[engine] = asyncio.run(measured(server, at_most))
        print(engine, json.dumps(results[engine]), flush=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
