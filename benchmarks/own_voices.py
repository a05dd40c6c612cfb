"""Whether voices of one's own are kept well. Writes ``benchmarks/results/own_voices.json``.

    python benchmarks/own_voices.py                # all of it; needs Debian's package postgresql
    python benchmarks/own_voices.py --parts many   # how long a page and a look-up take among 10,000 voices
    python benchmarks/own_voices.py --parts two    # two servers on one PostgreSQL make, use and delete voices at once
    python benchmarks/own_voices.py --parts kill   # a server is killed while it makes voices

The servers have the tone engine: what counts here is the store.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from chaos_faults import running_cluster
from sqlalchemy import func, insert, select

from postgres import postgres_programs
from saystream.bench import ServerProcess
from saystream.cli.shared import circumstances
from saystream.client.voices import Voices
from saystream.config import Settings
from saystream.engines.base import Recording
from saystream.errors import ConnectionFailed, RemoteError
from saystream.storage import open_store, serving_store
from saystream.storage.files import FileStore
from saystream.storage.schema import voice_recordings, voice_renditions, voices
from saystream.voices.custom.archive import pack
from saystream.voices.custom.recording import decoded, encoded
from saystream.voices.custom.store import OwnVoiceStore
from saystream.voices.custom.voice import OwnVoice

RESULTS = Path(__file__).parent / "results" / "own_voices.json"
MODEL = "qwen3-tts-vc-2026-01-22"
DESIGN_MODEL = "qwen3-tts-vd-2026-01-26"
CUSTOMIZATION = "/api/v1/services/audio/tts/customization"
NUM_VOICES = 10_000
LOOK_UPS = 1000
CLIENTS = 6
ROUNDS = 20
KILLS = 20
AT_ONCE = 8
"""Voices that are being made when the server is killed."""


def voice(name: str, **facts: Any) -> OwnVoice:
    now = datetime.now(UTC)
    return OwnVoice(
        **{
            "name": name,
            "workspace": "",
            "family": "qwen-voice-enrollment",
            "origin": "cloned",
            "target_model": MODEL,
            "created_at": now,
            "modified_at": now,
            **facts,
        }
    )


def recorded() -> bytes:
    """Ten seconds of a hum, as it is kept."""
    rate = 24_000
    moments = np.arange(10 * rate) / rate
    hum = np.sum([np.sin(2 * np.pi * 120 * each * moments) / each for each in range(1, 12)], axis=0)
    return encoded(Recording((0.1 * hum).astype(np.float32), rate))


@asynccontextmanager
async def databases(folder: Path) -> AsyncIterator[dict[str, str | None]]:
    """The URL of a new database of each kind; ``None`` is SQLite in the data folder."""
    programs = postgres_programs()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed (Debian: postgresql)")
    with running_cluster(programs) as cluster:
        yield {"sqlite": None, "postgresql": cluster.new_database()}


def environment(folder: Path, url: str | None, files: Path | None = None) -> dict[str, str]:
    """Of a server. Servers with the same ``files`` share their recordings."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("SAYSTREAM_")}
    given |= {"SAYSTREAM_DATA_DIR": str(folder), "SAYSTREAM_OWN_VOICES__MAX_PER_WORKSPACE": "1000000"}
    if url is not None:
        given["SAYSTREAM_DATABASE_URL"] = url
    if files is not None:
        given["SAYSTREAM_FILES__URL"] = f"file://{files}"
    return given


def http_url(server: ServerProcess) -> str:
    return server.url.replace("ws:", "http:", 1)


# --- many ----------------------------------------------------------------------------------------------------------


async def many() -> dict[str, Any]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        async with databases(Path(folder)) as urls:
            for kind, url in urls.items():
                found[kind] = await _among_many(Path(folder) / kind, url)
    return found


async def _among_many(folder: Path, url: str | None) -> dict[str, Any]:
    settings = Settings(data_dir=folder, database_url=url)
    async with open_store(settings) as engine, engine.begin() as connection:
        await connection.execute(insert(voices), [_row(number) for number in range(NUM_VOICES)])
        await connection.execute(
            insert(voice_renditions),
            [
                {
                    "voice_id": f"{number:032x}",
                    "engine": name,
                    "recipe": {"base": "heart"},
                    "material": os.urandom(1024),
                }
                for number in range(NUM_VOICES)
                for name in ("kokoro", "hibari", "piper")
            ],
        )
    async with serving_store(settings) as opened, FileStore.open(settings) as files:
        store = OwnVoiceStore(opened, files, settings.own_voices)
        pages = random.Random(1).choices(range(NUM_VOICES // 10), k=200)
        names = [f"voice-{number}" for number in random.Random(2).choices(range(NUM_VOICES), k=LOOK_UPS)]

        async def look_up(name: str) -> None:
            found = await store.find("", name)
            assert found is not None and len(found.renditions) == 3

        page_ms = await _timed(lambda page: store.list("", page_index=page, page_size=10), pages)
        look_up_ms = await _timed(look_up, names)
    with ServerProcess(["--engine", "tone"], environment(folder, url)) as server:
        async with httpx.AsyncClient(base_url=http_url(server), timeout=60, trust_env=False) as client:

            async def ask(page: int) -> None:
                wanted = {"action": "list", "page_index": page, "page_size": 10}
                answer = await client.post(
                    CUSTOMIZATION, json={"model": "qwen-voice-enrollment", "input": wanted}
                )
                assert len(answer.json()["output"]["voice_list"]) == 10

            http_page_ms = await _timed(ask, pages)
    return {"page": page_ms, "page_over_http": http_page_ms, "look_up": look_up_ms}


def _row(number: int) -> dict[str, Any]:
    made = voice(
        f"voice-{number}", id=f"{number:032x}", created_at=datetime.now(UTC) - timedelta(seconds=number)
    )
    return {column.name: getattr(made, column.name, None) for column in voices.c}


async def _timed(ask: Callable[[Any], Awaitable[Any]], asked: list[Any]) -> dict[str, float]:
    """Milliseconds; the first ten make the connections."""
    times = []
    for each in [*asked[:10], *asked]:
        began = time.perf_counter()
        await ask(each)
        times.append((time.perf_counter() - began) * 1000)
    ordered = sorted(times[10:])
    return {
        "median_ms": round(statistics.median(ordered), 2),
        "p95_ms": round(ordered[len(ordered) * 95 // 100], 2),
    }


# --- two -----------------------------------------------------------------------------------------------------------


async def two() -> dict[str, Any]:
    """Each client makes voices at one server, uses them at the other, and has half of them deleted at both at once."""
    counts: Counter[str] = Counter()
    kept: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "files"
        files.mkdir()
        async with databases(Path(folder)) as urls:
            given = [environment(Path(folder) / name, urls["postgresql"], files) for name in "ab"]
            with (
                ServerProcess(["--engine", "tone"], given[0]) as first,
                ServerProcess(["--engine", "tone"], given[1]) as second,
            ):
                servers = [http_url(server) for server in (first, second)]
                await asyncio.gather(*(_client(number, servers, kept, counts) for number in range(CLIENTS)))
                for url in servers:
                    async with Voices(url) as there:
                        counts["lost"] += len(kept - {each.name for each in await there.list()})
                        counts["not_deleted"] += len({each.name for each in await there.list()} - kept)
            settings = Settings(data_dir=Path(folder) / "a", database_url=urls["postgresql"])
            async with open_store(settings) as engine, engine.connect() as connection:
                rows = (
                    await connection.execute(select(func.count()).select_from(voice_recordings))
                ).scalar_one()
        counts["recordings_kept"] = sum(1 for path in (files / "voices").iterdir())
        counts["recordings_too_many"] = counts["recordings_kept"] - sum(
            name.startswith("clone") for name in kept
        )
        counts["rows_of_recordings"] = rows
    return {"clients": CLIENTS, "kept": len(kept), **counts}


async def _client(number: int, servers: list[str], kept: set[str], counts: Counter[str]) -> None:
    chance = random.Random(number)
    file = recorded()
    async with Voices(servers[number % 2]) as here, Voices(servers[1 - number % 2]) as there:
        for turn in range(ROUNDS):
            if turn % 4 == 0:
                made = await here.restore(pack(voice(f"clone-{number}-{turn}"), file))
                name = made.name
            else:
                designed = await here.design(
                    "a calm old man",
                    target_model=DESIGN_MODEL,
                    preview_text="This is how the voice sounds.",
                )
                name = designed.name
            counts["made"] += 1
            if not await there.say(name, "Hello there.", response_format="pcm"):
                counts["silent"] += 1
            counts["used"] += 1
            if chance.random() < 0.5:
                kept.add(name)
                continue
            ended = await asyncio.gather(_deleted(here, name), _deleted(there, name))
            counts["deleted"] += sum(ended)
            counts["deleted_not_once"] += sum(ended) != 1
            with suppress(RemoteError):
                await here.show(name)
                counts["seen_after_its_end"] += 1


async def _deleted(server: Voices, name: str) -> bool:
    try:
        await server.delete(name)
    except RemoteError:
        return False
    return True


# --- kill ----------------------------------------------------------------------------------------------------------


async def kill() -> dict[str, Any]:
    """At any moment of the making of voices; then the database and the files are looked at."""
    counts: Counter[str] = Counter(kills=KILLS)
    chance = random.Random(3)
    file = recorded()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(data_dir=folder, database_url=None)
        given = environment(folder, None)
        with ServerProcess(["--engine", "tone"], given) as server:
            took_s = await _made(http_url(server), "first", file, counts)
        for number in range(KILLS):
            with ServerProcess(["--engine", "tone"], given) as server:
                making = asyncio.create_task(_made(http_url(server), f"kill-{number}", file, counts))
                await asyncio.sleep(chance.uniform(0.2, 1.0) * took_s)
                engines = psutil.Process(server.pid).children(recursive=True)
                os.kill(server.pid, signal.SIGKILL)
                await making
            psutil.wait_procs(engines, timeout=30)
        async with serving_store(settings) as opened, FileStore.open(settings) as files:
            later = OwnVoiceStore(
                opened,
                files,
                settings.own_voices,
                utc_now=lambda: datetime.now(UTC) + timedelta(hours=2),
            )
            counts["files_before_the_sweep"] = _num_files(folder)
            await later.sweep()
            counts["files"] = _num_files(folder)
            listed, counts["voices"] = await later.list("", page_size=1_000_000)
            for each in listed:
                found, kept = await later.find("", each.name), await later.recording(each)
                whole = found is not None and kept is not None and "tone" in found.renditions
                counts["half"] += not (whole and kept and len(decoded(kept).samples) == 240_000)
        counts["files_too_many"] = counts["files"] - counts["voices"]
    return dict(counts)


async def _made(url: str, prefix: str, file: bytes, counts: Counter[str]) -> float:
    """How long it took to make voices, side by side."""

    async def make(number: int) -> None:
        async with Voices(url, timeout_s=60) as there:
            try:
                await there.restore(pack(voice(f"{prefix}-{number}"), file))
                counts["told_that_they_are_made"] += 1
            except (ConnectionFailed, RemoteError):
                counts["told_nothing"] += 1

    began = time.perf_counter()
    await asyncio.gather(*map(make, range(AT_ONCE)))
    return time.perf_counter() - began


def _num_files(folder: Path) -> int:
    return sum(1 for path in (folder / "files" / "voices").iterdir())


PARTS: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {"many": many, "two": two, "kill": kill}


async def main(parts: list[str]) -> None:
    load = os.getloadavg()[0]
    measured = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in parts:
        measured[name] = await PARTS[name]()
        print(name, json.dumps(measured[name], indent=1))
    measured["circumstances"] = circumstances(load)
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=[*PARTS], default=[*PARTS])
    asyncio.run(main(parser.parse_args().parts))
