"""The same weights in other programs for Kokoro, beside saystream: first audio and sound for each second.

    python benchmarks/kokoro_peers.py [--rounds 3] [--programs NAME…] [--environments FOLDER]

Writes ``benchmarks/results/kokoro_peers.json``. Each program is asked for the same text, alone and by two listeners at
once, in turns within a round, so that all see the same machine. saystream is heard over the WebSocket, ``fastkokoro``
and ``kokoro-pi`` over HTTP, ``kokoro-onnx`` in its own process. ``kokoro-pi`` is given the export after its own
rewriting in floats: its 8-bit form needs a file that only its authors publish.

Needs the weights (``saystream models pull kokoro``); the programs are installed into environments of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import httpx
import numpy as np

from saystream.bench import Load, ServerProcess, run_load
from saystream.models import ModelStore

RESULTS = Path(__file__).parent / "results" / "kokoro_peers.json"
TEXT = (
    "The old lighthouse stood at the end of the pier, where the wind never rested. Every evening, the keeper climbed"
    " two hundred steps to light the lamp. He counted ships as they passed, and wrote their names in a thick book."
    " Nobody had asked him to do it, but he liked the sound of the names."
)
VOICE = "af_heart"
SAMPLE_RATE = 24000
LISTENERS = (1, 2)
PACKAGES = {
    "kokoro-onnx": ("kokoro-onnx==0.6.1",),
    "fastkokoro": ("fastkokoro[cpu]==0.7.0",),
    "kokoro-pi": ("kokoro-pi==1.2.0",),
}
PORTS = {"fastkokoro": 8880, "kokoro-pi": 8571}
START_TIMEOUT_S = 240.0

LIBRARY_PROGRAM = """
import asyncio, json, sys, time
from kokoro_onnx import Kokoro
model, voices, voice, text = sys.argv[1:]
kokoro = Kokoro(model, voices)

async def speak():
    start_s, first_s, samples = time.perf_counter(), None, 0
    async for sound, _ in kokoro.create_stream(text, voice=voice):
        first_s = first_s or time.perf_counter() - start_s
        samples += len(sound)
    return first_s, time.perf_counter() - start_s, samples / 24000

async def all_at_once(listeners):
    return await asyncio.gather(*(speak() for _ in range(listeners)))

asyncio.run(speak())
print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(asyncio.run(all_at_once(int(line)))), flush=True)
"""

FLOAT_MODEL_PROGRAM = """
import json, shutil, sys
from pathlib import Path
import onnx
from kokoro_pi import graph, paths
model, folder = sys.argv[1], Path(sys.argv[2])
fused, _ = graph.optimise(onnx.load(model))
for node in fused.graph.node:
    node.input[:] = ["tokens" if name == "input_ids" else name for name in node.input]
for each in fused.graph.input:
    each.name = "tokens" if each.name == "input_ids" else each.name
onnx.save(fused, str(folder / "kokoro-fused.onnx"))
shutil.copy(paths.prebuilt_library(), folder / paths.LIBRARY)
variant = {"backend": "float-fused", "model": "kokoro-fused.onnx", "custom_ops": [paths.LIBRARY]}
(folder / "models.json").write_text(json.dumps({"variant": "float", "variants": {"float": variant}}))
"""
"""The name of the first input is that of the export for which kokoro-pi was written."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one listener got."""

    first_s: float
    total_s: float
    sound_s: float


class Speaker(Protocol):
    """A program that speaks ``TEXT``."""

    async def speak(self, listeners: int) -> Sequence[Heard]: ...


@dataclass(slots=True)
class Saystream:
    url: str

    async def speak(self, listeners: int) -> Sequence[Heard]:
        """Those who were let in: a machine that keeps one listener in sound refuses the second."""
        timings = await run_load(Load(url=self.url, text=TEXT, sessions=listeners))
        return [
            Heard(
                timing.first_delta_s - timing.first_append_s,
                timing.last_delta_s - timing.first_append_s,
                timing.audio_s,
            )
            for timing in timings
            if timing.error is None and timing.first_delta_s is not None
        ]


@dataclass(slots=True)
class HttpServer:
    url: str
    body: dict[str, Any]

    async def speak(self, listeners: int) -> Sequence[Heard]:
        async with httpx.AsyncClient(timeout=120) as http:
            return await asyncio.gather(*(self._listen(http) for _ in range(listeners)))

    async def _listen(self, http: httpx.AsyncClient) -> Heard:
        start_s, first_s, num_bytes = time.perf_counter(), 0.0, 0
        async with http.stream("POST", self.url, json=self.body) as answer:
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                first_s = first_s or time.perf_counter() - start_s
                num_bytes += len(piece)
        return Heard(first_s, time.perf_counter() - start_s, num_bytes / 2 / SAMPLE_RATE)


@dataclass(slots=True)
class Library:
    process: asyncio.subprocess.Process

    async def speak(self, listeners: int) -> Sequence[Heard]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{listeners}\n".encode())
        return [Heard(*figures) for figures in json.loads(await self.line())]

    async def line(self) -> str:
        assert self.process.stdout is not None
        if not (line := await self.process.stdout.readline()):
            raise RuntimeError("kokoro-onnx ended")
        return line.decode()


def environment(folder: Path, name: str) -> Path:
    """The ``bin`` folder of an environment in which the program is installed."""
    place = folder / name
    if not (place / "installed").exists():
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([place / "bin" / "pip", "install", "--quiet", *PACKAGES[name]], check=True)
        (place / "installed").touch()
    return place / "bin"


def write_voices(weights: Path, folder: Path) -> Path:
    """All voices in one file, as the other programs take them."""
    styles = {
        file.stem: np.fromfile(file, np.float32).reshape(-1, 1, 256) for file in weights.glob("voices/*.bin")
    }
    path = folder / "voices.npz"
    np.savez(path, **styles)
    return path


@asynccontextmanager
async def started(
    *command: str | Path, environment: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | environment,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def answers(url: str) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    async with httpx.AsyncClient() as http:
        while time.monotonic() < deadline_s:
            try:
                if (await http.get(url)).is_success:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.2)
    raise RuntimeError(f"{url} does not answer")


async def kokoro_onnx(stack: AsyncExitStack, bin_folder: Path, model: Path, voices: Path) -> Speaker:
    process = await stack.enter_async_context(
        started(bin_folder / "python", "-c", LIBRARY_PROGRAM, model, voices, VOICE, TEXT, environment={})
    )
    library = Library(process)
    await library.line()
    return library


async def fastkokoro(stack: AsyncExitStack, bin_folder: Path, model: Path, voices: Path) -> Speaker:
    settings = {
        "FASTKOKORO_MODEL_PATH": str(model),
        "FASTKOKORO_VOICES_PATH": str(voices),
        "FASTKOKORO_CACHE_DIR": str(voices.parent / "fastkokoro"),
        "HF_HUB_OFFLINE": "1",
    }
    await stack.enter_async_context(started(bin_folder / "fastkokoro", environment=settings))
    url = f"http://127.0.0.1:{PORTS['fastkokoro']}"
    await answers(f"{url}/health")
    body = {"model": "kokoro", "input": TEXT, "voice": VOICE, "response_format": "pcm", "stream": True}
    return HttpServer(f"{url}/v1/audio/speech", body)


async def kokoro_pi(stack: AsyncExitStack, bin_folder: Path, model: Path, voices: Path) -> Speaker:
    folder = voices.parent / "kokoro-pi"
    folder.mkdir()
    command = [bin_folder / "python", "-c", FLOAT_MODEL_PROGRAM, model, folder]
    await asyncio.to_thread(subprocess.run, command, check=True)
    shutil.copy(voices, folder / "voices-v1.0.bin")
    port = str(PORTS["kokoro-pi"])
    cores = str(os.cpu_count())
    options = ("--models", folder, "--port", port, "--threads", cores)
    await stack.enter_async_context(started(bin_folder / "kokoro-pi", "serve", *options, environment={}))
    await answers(f"http://127.0.0.1:{port}/healthz")
    return HttpServer(f"http://127.0.0.1:{port}/v1/tts", {"text": TEXT, "voice": VOICE, "format": "s16le"})


PEERS = {"kokoro-onnx": kokoro_onnx, "fastkokoro": fastkokoro, "kokoro-pi": kokoro_pi}


async def measure(rounds: int, programs: Sequence[str], environments: Path, folder: Path) -> dict[str, Any]:
    weights = ModelStore().path("kokoro")
    voices = write_voices(weights, folder)
    found: dict[str, dict[int, list[dict[str, float]]]] = {}
    failures: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        speakers: dict[str, Speaker] = {
            "saystream": Saystream(stack.enter_context(ServerProcess(["--engine", "kokoro"], os.environ)).url)
        }
        for name in programs:
            start = PEERS[name]
            try:
                bin_folder = environment(environments, name)
                speakers[name] = await start(stack, bin_folder, weights / "model.onnx", voices)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                failures[name] = str(error)
        for name in speakers:
            found[name] = {listeners: [] for listeners in LISTENERS}
        for _ in range(rounds):
            for listeners in LISTENERS:
                for name, speaker in speakers.items():
                    found[name][listeners].append(summary(await speaker.speak(listeners)))
    return {"programs": figures(found), "not_run": failures}


def summary(heard: Sequence[Heard]) -> dict[str, float]:
    return {
        "served": len(heard),
        "first_audio_ms": max(each.first_s for each in heard) * 1000,
        "sound_s_per_s": sum(each.sound_s for each in heard) / max(each.total_s for each in heard),
    }


def figures(found: dict[str, dict[int, list[dict[str, float]]]]) -> dict[str, Any]:
    """Medians, and the medians of each round's ratio to saystream: how much later, how much less."""
    told: dict[str, Any] = {}
    for name, by_listeners in found.items():
        for listeners, rounds in by_listeners.items():
            ours = found["saystream"][listeners]
            told.setdefault(name, {})[f"{listeners} at once"] = {
                "served": median(each["served"] for each in rounds),
                "first_audio_ms": round(median(each["first_audio_ms"] for each in rounds)),
                "sound_s_per_s": round(median(each["sound_s_per_s"] for each in rounds), 2),
                "times_later": ratio(rounds, ours, "first_audio_ms"),
                "times_less": ratio(ours, rounds, "sound_s_per_s"),
            }
    return told


def ratio(ones: Sequence[dict[str, float]], others: Sequence[dict[str, float]], figure: str) -> float:
    return round(median(one[figure] / other[figure] for one, other in zip(ones, others, strict=True)), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--programs", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument(
        "--environments", type=Path, help="kept for the next run; by default a temporary folder"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environments = arguments.environments or Path(folder) / "environments"
        measured = asyncio.run(measure(arguments.rounds, arguments.programs, environments, Path(folder)))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 1),
        "rounds": arguments.rounds,
        **measured,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    json.dump(result, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
