"""Tiny sessions of the engine qwen3 that talk, stall, cancel and come again for half an hour: is its memory flat?

    python benchmarks/qwen3_soak.py [--minutes 30] [--sessions 16] [--result benchmarks/results/qwen3_soak.json]

The engine runs in a process of its own, as in service, with a tiny checkpoint of random weights on the CPU. Memory is
what that process and this one, which plays the gateway, hold beside pages of files. It is flat where the last third of
the time has no more than 2 % over the second one; the first is for everything to have been used once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from saystream.config import PoolSettings
from saystream.engines.base import Span, SynthesisRequest
from saystream.hosting.playback import Playback
from saystream.hosting.pool import EnginePool

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # they make checkpoints of random weights
from engines.qwen3.random_checkpoint import CORPUS, make_checkpoint

SAMPLE_EVERY_S = 10.0
TOLERANCE = 0.02
WORDS = " ".join(CORPUS).split(" ")


@dataclass
class Tally:
    """What happened, and how much memory there was."""

    streams: int = 0
    cancelled: int = 0
    faults: int = 0
    longest_wait_s: float = 0.0
    """Between two pieces of one stream whose text had ended: a stream that is forgotten would wait for ever."""
    audio_s: float = 0.0
    last_audio_s: float = 0.0
    longest_silence_s: float = 0.0
    """Of all streams together: the machine had no time for the engine."""
    samples: list[tuple[float, float, float]] = field(default_factory=list)
    """Seconds since the start, MiB of the engine's process, MiB of this one."""


async def talk(pool: EnginePool, chance: random.Random, tally: Tally, until_s: float) -> None:
    """One session after another until the time is over."""
    loop = asyncio.get_running_loop()
    voices = pool.engine("qwen3").voices
    while loop.time() < until_s:
        request = SynthesisRequest(chance.choice(voices), chance.choice(("en", "zh")))
        playback = Playback(loop.time() * 1000)
        # As of a session that spoke a moment ago: the pool holds none of those back while the engine is slow.
        playback.audio_sent(1.0, loop.time() * 1000)
        stream = pool.open("qwen3", request, playback=playback)
        cancel_at = chance.randint(1, 6) if chance.random() < 0.3 else None
        feeding = asyncio.create_task(feed(stream, chance))
        tally.streams += 1
        try:
            chunks, last_s = 0, loop.time()
            async for chunk in stream:
                now_s = loop.time()
                tally.longest_silence_s = max(tally.longest_silence_s, now_s - (tally.last_audio_s or now_s))
                tally.last_audio_s = now_s
                if feeding.done():
                    tally.longest_wait_s = max(tally.longest_wait_s, loop.time() - last_s)
                last_s = loop.time()
                tally.audio_s += chunk.duration_ms / 1000
                chunks += 1
                if chunks == cancel_at:
                    tally.cancelled += 1
                    break
        except Exception as error:
            tally.faults += 1
            print("fault:", type(error).__name__, error, flush=True)
        stream.cancel()
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def feed(stream: object, chance: random.Random) -> None:
    for _ in range(chance.randint(3, 25)):
        stream.push(Span(chance.choice(WORDS) + " "))  # type: ignore[attr-defined]
        if chance.random() < 0.3:
            await asyncio.sleep(chance.uniform(0, 0.5))
    stream.end_input()  # type: ignore[attr-defined]


async def watch(tally: Tally, until_s: float) -> None:
    loop, own = asyncio.get_running_loop(), psutil.Process()
    start = loop.time()
    while loop.time() < until_s:
        engine = sum(anonymous_mib(child.pid) for child in own.children())
        tally.samples.append((loop.time() - start, engine, anonymous_mib(own.pid)))
        await asyncio.sleep(SAMPLE_EVERY_S)


def anonymous_mib(pid: int) -> float:
    """Memory that is no page of a file: those come and go with what else the machine does."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (line,) = (line for line in rollup.splitlines() if line.startswith("Anonymous:"))
    return int(line.split()[1]) / 1024


async def soak(folder: Path, minutes: float, sessions: int) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    options = {"folder": str(folder), "slots": sessions, "threads": 1, "max_positions": 512}
    pool = EnginePool(
        PoolSettings(first_chunk_timeout_s=600, chunk_timeout_s=300), {"qwen3": options}, clock=loop.time
    )
    await pool.start(["qwen3"])
    tally = Tally()
    start = loop.time()
    until_s = start + minutes * 60
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch(tally, until_s))
            for number in range(sessions):
                tasks.create_task(talk(pool, random.Random(number), tally, until_s))
        restarts = pool.load()[0].restarts
    finally:
        await pool.aclose()
    return {"wall_s": round(loop.time() - start, 1), "restarts": restarts, **summary(tally)}


def summary(tally: Tally) -> dict[str, object]:
    thirds = [[], [], []]  # type: ignore[var-annotated]
    last = tally.samples[-1][0] + 1e-9
    for at, engine, gateway in tally.samples:
        thirds[int(3 * at / last) if at < last else 2].append((engine, gateway))
    engine, gateway = ([statistics.median(row[part] for row in third) for third in thirds] for part in (0, 1))
    flat = all(of[2] <= of[1] * (1 + TOLERANCE) for of in (engine, gateway))
    return {
        "streams": tally.streams,
        "cancelled": tally.cancelled,
        "faults": tally.faults,
        "longest_wait_s": round(tally.longest_wait_s, 2),
        "longest_silence_s": round(tally.longest_silence_s, 2),
        "audio_s": round(tally.audio_s, 1),
        "engine_mib_by_thirds": [round(value, 1) for value in engine],
        "gateway_mib_by_thirds": [round(value, 1) for value in gateway],
        "peak_engine_mib": round(max(row[1] for row in tally.samples), 1),
        "flat": flat,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--result", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "custom_voice"
        make_checkpoint(checkpoint, "custom_voice", mean_frames=12)
        result = asyncio.run(soak(checkpoint, arguments.minutes, arguments.sessions))
    result = {
        "minutes": arguments.minutes,
        "sessions": arguments.sessions,
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "cpus": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
        **result,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.result:
        arguments.result.write_text(text + "\n")


if __name__ == "__main__":
    main()
