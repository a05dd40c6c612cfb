"""Kokoro over the WebSocket, as listeners hear it. Writes ``benchmarks/results/kokoro_live.json``.

    python benchmarks/kokoro_live.py [first] [listeners] [cancel]

first      first audio and gaps of one session, with text at once and at 20 tokens a second, and CPU time for a second
           of sound: in windows, and in whole passes of the same weights, in turns
listeners  1, 2 and more listeners who come at random within ten seconds and each hear a minute of speech, until some
           are refused: how many are never left without sound
cancel     how long sound still comes after a cancel

Needs the weights (``saystream models pull kokoro``). Takes about fifteen minutes. Listeners, server and engine share a
machine, so its load average stands beside the figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saystream.bench import Load, ServerProcess, run_load
from saystream.bench.load import SessionTiming
from saystream.bench.report import percentile
from saystream.client import connect
from saystream.models import ModelStore
from saystream.protocol.realtime.events import AudioDelta

RESULTS = Path(__file__).parent / "results" / "kokoro_live.json"
TEXT = (
    "The old lighthouse stood at the end of the pier, where the wind never rested. Every evening, the keeper climbed"
    " two hundred steps to light the lamp. He counted ships as they passed, and wrote their names in a thick book."
    " Nobody had asked him to do it, but he liked the sound of the names."
)
"""14 s of speech."""
SESSIONS = 8
"""Of each kind, one after another."""
TOKENS_PER_S = 20.0
MINUTE = " ".join([TEXT] * 4)
COME_WITHIN_S = 10.0
MOST_LISTENERS = 16
IN_TIME_MS = 100.0
CANCELS = 20


def server_of(stack: ExitStack, folder: Path | None = None) -> ServerProcess:
    """With the weights of ``folder``, by default those that were pulled."""
    options = {} if folder is None else {"SAYSTREAM_ENGINES": json.dumps({"kokoro": {"folder": str(folder)}})}
    return stack.enter_context(ServerProcess(["--engine", "kokoro"], {**os.environ, **options}))


def without_parts(stack: ExitStack) -> Path:
    """The weights as they were published, which are spoken in whole passes."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    for name in ("model.onnx", "voices"):
        (folder / name).symlink_to(ModelStore().path("kokoro") / name)
    return folder


def first() -> dict[str, Any]:
    ways = {"text at once": None, "20 tokens/s": TOKENS_PER_S}
    timings: dict[tuple[str, str], list[SessionTiming]] = {}
    cpu_s: dict[tuple[str, str], float] = {}
    with ExitStack() as stack:
        servers = {"windows": server_of(stack), "whole passes": server_of(stack, without_parts(stack))}
        for number in range(SESSIONS + 1):
            for way, rate in ways.items():
                for name, server in servers.items():
                    before = server.usage()
                    (timing,) = asyncio.run(run_load(Load(url=server.url, text=TEXT, tokens_per_second=rate)))
                    after = server.usage()
                    if number:  # the first of each warms up
                        timings.setdefault((name, way), []).append(timing)
                        used_s = after.gateway_cpu_s - before.gateway_cpu_s
                        used_s += after.engines_cpu_s - before.engines_cpu_s
                        cpu_s[name, way] = cpu_s.get((name, way), 0.0) + used_s
    return {
        f"{name}, {way}": {
            **heard(sessions),
            "cpu_s_per_s": round(cpu_s[name, way] / sum(each.audio_s for each in sessions), 3),
        }
        for (name, way), sessions in timings.items()
    }


def listeners() -> dict[str, Any]:
    figures: dict[str, Any] = {}
    chance = random.Random(1)
    with ExitStack() as stack:
        server = server_of(stack)
        minute = Load(url=server.url, text=MINUTE)
        asyncio.run(run_load(replace(minute, text=TEXT)))
        for count in range(1, MOST_LISTENERS + 1):
            delays_s = [0.0, *(chance.uniform(0, COME_WITHIN_S) for _ in range(count - 1))]
            sessions = asyncio.run(_come(minute, delays_s))
            figures[f"{count} listeners"] = heard(sessions)
            print(count, figures[f"{count} listeners"], flush=True)
            if figures[f"{count} listeners"]["refused"]:
                break
    return figures


async def _come(load: Load, delays_s: list[float]) -> list[SessionTiming]:
    async def later(delay_s: float) -> SessionTiming:
        await asyncio.sleep(delay_s)
        (timing,) = await run_load(load)
        if timing.first_delta_s is not None:
            played_s = timing.first_delta_s + timing.audio_s - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, played_s))
        return timing

    return await asyncio.gather(*(later(delay_s) for delay_s in delays_s))


def heard(timings: list[SessionTiming]) -> dict[str, Any]:
    served = [each for each in timings if each.error is None and each.first_delta_s is not None]
    firsts_ms = [((each.first_delta_s or 0) - each.first_append_s) * 1000 for each in served]
    gaps_ms = [max(each.lags_ms) for each in served]
    return {
        "sessions": len(served),
        "refused": len(timings) - len(served),
        "first_audio_ms": {f"p{p}": round(percentile(firsts_ms, p)) for p in (50, 95, 100)},
        "c100_percent": round(100 * sum(gap <= IN_TIME_MS for gap in gaps_ms) / max(1, len(served)), 1),
        "largest_gap_ms": round(max(gaps_ms, default=0.0)),
        "real_time_factor_p50": round(
            percentile([(each.last_delta_s - each.first_append_s) / each.audio_s for each in served], 50), 2
        ),
        "load_average": round(os.getloadavg()[0], 2),
    }


def cancel() -> dict[str, Any]:
    with ExitStack() as stack:
        server = server_of(stack)
        after_ms = asyncio.run(_cancelled(server.url))
    return {f"last_sound_after_ms_p{p}": round(percentile(after_ms, p), 1) for p in (50, 99, 100)}


async def _cancelled(url: str) -> list[float]:
    """How long after a cancel the last sound came, and 0 if none did."""
    loop = asyncio.get_running_loop()
    found: list[float] = []
    for _ in range(CANCELS):
        async with connect(url, model="qwen3-tts-flash-realtime") as session:
            await session.update(voice="Cherry", language_type="English", sample_rate=24000)
            await session.append(TEXT)
            await session.commit()
            cancelled_s: float | None = None
            last_s = 0.0
            async for event in session:
                if isinstance(event, AudioDelta):
                    last_s = loop.time()
                    if cancelled_s is None:
                        cancelled_s = loop.time()
                        await session.cancel()
                        await session.finish()
            found.append(max(0.0, last_s - (cancelled_s or last_s)) * 1000)
    return found


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"first": first, "listeners": listeners, "cancel": cancel}


def main() -> None:
    for name in sys.argv[1:] or PARTS:
        before = os.getloadavg()[0]
        figures = PARTS[name]()
        results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        results[name] = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
            "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
            "load_average_before": round(before, 2),
            **figures,
        }
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        print(name, json.dumps(results[name]), flush=True)


if __name__ == "__main__":
    main()
