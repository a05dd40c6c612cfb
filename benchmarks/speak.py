"""The realtime door's figures: latency, load, memory. Writes ``benchmarks/results/speak.json``.

    python benchmarks/speak.py

Takes about four minutes. Sessions, server and engines share one machine, so its load average stands beside the figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saystream.bench import Load, ServerProcess, run_load, summarise
from saystream.client import connect

RESULTS = Path(__file__).parent / "results" / "speak.json"
TEXT = (
    "The old lighthouse stood at the end of the pier, where the wind never rested. Every evening, the keeper climbed"
    " two hundred steps to light the lamp. He counted ships as they passed, and wrote their names in a thick book."
    " Nobody had asked him to do it, but he liked the sound of the names."
)
IDLE_CONNECTIONS = 400


def measured(name: str, load: Load, server: ServerProcess, rounds: int = 1) -> dict[str, Any]:
    asyncio.run(run_load(replace(load, sessions=1, ramp_s=0.0, tokens_per_second=None)))
    before = server.usage()
    timings = [timing for _ in range(rounds) for timing in asyncio.run(run_load(load))]
    after = server.usage()
    figures = asdict(summarise(timings, num_characters=len(load.text)))
    span_s = max(timing.last_delta_s for timing in timings) - min(timing.first_append_s for timing in timings)
    figures["gateway_cores"] = round((after.gateway_cpu_s - before.gateway_cpu_s) / span_s, 3)
    figures["gateway_memory_mb"] = round(after.gateway_memory_bytes / 1e6, 1)
    figures["load_average"] = round(os.getloadavg()[0], 2)
    print(name, json.dumps(figures), flush=True)
    return figures


async def idle_bytes(server: ServerProcess) -> float:
    """Gateway memory for each connection that is open and says nothing."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(connect(server.url, model="qwen3-tts-flash-realtime"))
        before = server.usage().gateway_memory_bytes
        for _ in range(IDLE_CONNECTIONS):
            await stack.enter_async_context(connect(server.url, model="qwen3-tts-flash-realtime"))
        return (server.usage().gateway_memory_bytes - before) / IDLE_CONNECTIONS


def memory_growth(server: ServerProcess) -> dict[str, float]:
    """Gateway memory after 200 and after 2,000 short sessions."""
    load = Load(url=server.url, text="One short sentence is enough here.")
    memory_mb: dict[str, float] = {}
    for number in range(1, 2001):
        asyncio.run(run_load(load))
        if number in (200, 2000):
            memory_mb[f"after {number} sessions, MB"] = round(server.usage().gateway_memory_bytes / 1e6, 2)
    return memory_mb


def main() -> None:
    results: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
        "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    with ServerProcess(["--engine", "tone"], os.environ) as server:
        load = Load(url=server.url, text=TEXT)
        results["tone, 1 session"] = measured("tone, 1 session", load, server, rounds=200)
        crowd = replace(load, sessions=500, ramp_s=5.0)
        results["tone, 500 sessions, text at once"] = measured("tone, 500 at once", crowd, server)
        results["tone, 500 sessions, 20 tokens/s"] = measured(
            "tone, 500 dripped", replace(crowd, tokens_per_second=20.0), server
        )
    with ServerProcess(["--engine", "tone"], os.environ) as server:
        results["idle connection, bytes"] = round(asyncio.run(idle_bytes(server)))
        results["memory growth"] = memory_growth(server)
    with ServerProcess(["--engine", "hibari"], os.environ) as server:
        load = Load(url=server.url, text=TEXT)
        results["hibari, 1 session"] = measured("hibari, 1 session", load, server, rounds=50)
        results["hibari, 40 sessions, 20 tokens/s"] = measured(
            "hibari, 40 dripped", replace(load, sessions=40, tokens_per_second=20.0, ramp_s=2.0), server
        )
        results["hibari, 40 sessions, text at once"] = measured(
            "hibari, 40 at once", replace(load, sessions=40, ramp_s=2.0), server
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
