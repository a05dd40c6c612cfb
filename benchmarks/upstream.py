"""What a server behind another costs: first audio through each kind of upstream, less that of the server itself. Writes
``benchmarks/results/upstream.json``.

    python benchmarks/upstream.py

The server behind is ours, with the engine tone at ten times the speed of speech, so each 100 ms of sound take 10 ms
everywhere. All servers share one machine and take turns round by round: a load from elsewhere falls on all alike.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saystream.bench import Load, ServerProcess, run_load, summarise
from saystream.bench.load import SessionTiming

RESULTS = Path(__file__).parent / "results" / "upstream.json"
TEXT = (
    "The old lighthouse stood at the end of the pier, where the wind never rested. Every evening, the keeper climbed"
    " two hundred steps to light the lamp. He counted ships as they passed, and wrote their names in a thick book."
)
PACE = {"SAYSTREAM_ENGINES__TONE__REAL_TIME_FACTOR": "0.1"}
SENTENCE = "The old lighthouse stood at the end of the pier."
ROUNDS = 60
CROWD = 16
CROWD_ROUNDS = 2


def relays(url: str) -> dict[str, dict[str, str]]:
    """The options of the engine for each way to a server of ours."""
    speech = {
        "URL": url.replace("ws:", "http:"),
        "MODEL": "tts-1",
        "VOICES": '{"Cherry": "Cherry"}',
        "CONCURRENCY": "64",
    }
    realtime = {"KIND": "dashscope", "URL": url, "MODEL": "qwen3-tts-flash-realtime", "CONCURRENCY": "64"}
    return {
        "realtime endpoint": realtime,
        "speech, bare samples": speech,
        "speech, events": {**speech, "STREAM_FORMAT": "sse"},
    }


def environment(options: Mapping[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        **{f"SAYSTREAM_ENGINES__UPSTREAM__{name}": value for name, value in options.items()},
    }


def figures(timings: list[SessionTiming], text: str, load_average: float) -> dict[str, Any]:
    report = asdict(summarise(timings, num_characters=len(text)))
    kept = ("sessions", "failed", "first_audio_ms", "c100_percent")
    errors = sorted({timing.error for timing in timings if timing.error is not None})
    return {**{name: report[name] for name in kept}, "errors": errors, "load_average": round(load_average, 2)}


def measured(servers: Mapping[str, ServerProcess], load: Load, rounds: int) -> dict[str, Any]:
    timings: dict[str, list[SessionTiming]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            timings[name] += asyncio.run(run_load(replace(load, url=server.url)))
    results = {name: figures(timings[name], load.text, os.getloadavg()[0]) for name in servers}
    direct_ms = results["direct"]["first_audio_ms"]["p50"]
    for name, result in results.items():
        result["more_than_direct_ms"] = round(result["first_audio_ms"]["p50"] - direct_ms, 2)
        print(load.sessions, name, json.dumps(result), flush=True)
    return results


def main() -> None:
    with ExitStack() as stack:
        direct = stack.enter_context(ServerProcess(["--engine", "tone"], {**os.environ, **PACE}))
        servers = {"direct": direct}
        for name, options in relays(direct.url).items():
            relay = ServerProcess(["--engine", "upstream"], environment(options))
            servers[name] = stack.enter_context(relay)
        load = Load(url="", text=SENTENCE)
        measured(servers, load, 3)  # everything is loaded, and its first connections made
        results: dict[str, Any] = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
            "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "1 session": measured(servers, load, ROUNDS),
            f"{CROWD} sessions": measured(
                servers, replace(load, text=TEXT, sessions=CROWD, ramp_s=4.0), CROWD_ROUNDS
            ),
        }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
