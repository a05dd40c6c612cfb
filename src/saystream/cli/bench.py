"""``saystream bench``."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from saystream.bench import Door, Load, ServerProcess, run_load, summarise, table
from saystream.cli.shared import circumstances, errors_in_one_line

__all__ = ["bench"]

_TEXT = (
    "The old lighthouse stood at the end of the pier, where the wind never rested. Every evening, the keeper climbed"
    " two hundred steps to light the lamp. He counted ships as they passed, and wrote their names in a thick book."
    " Nobody had asked him to do it, but he liked the sound of the names."
)


def bench(
    url: Annotated[
        str | None,
        typer.Option(help="The server to measure. Default: start one."),
    ] = None,
    engine: Annotated[str, typer.Option(help="Engine of the server that is started.")] = "tone",
    door: Annotated[
        Door, typer.Option(help="The protocol: that of Qwen-TTS or that of CosyVoice.")
    ] = Door.REALTIME,
    sessions: Annotated[int, typer.Option(min=1, help="Sessions at once.")] = 1,
    rounds: Annotated[
        int, typer.Option(min=1, help="Run all sessions this often, for steadier figures.")
    ] = 1,
    tokens_per_second: Annotated[
        float | None,
        typer.Option(help="Send the text bit by bit, like a language model, instead of at once."),
    ] = None,
    ramp: Annotated[float, typer.Option(help="Open the sessions over this many seconds.")] = 0.0,
    text: Annotated[str, typer.Option(help="What each session says.")] = _TEXT,
    language: Annotated[str, typer.Option(help="Language of the text.")] = "English",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write the JSON to a file.")
    ] = None,
) -> None:
    """Measure a server with real sessions, as a listener would hear it."""
    with errors_in_one_line():
        load = Load(
            url=url or "",
            text=text,
            door=door,
            sessions=sessions,
            tokens_per_second=tokens_per_second,
            ramp_s=ramp,
            language=language,
        )
        if url is not None:
            result = _measure(load, rounds, None)
        else:
            with ServerProcess(["--engine", engine], os.environ) as server:
                result = _measure(replace(load, url=server.url), rounds, server)
            result["engine"] = engine
    printed = json.dumps(result, indent=None if as_json else 2)
    if output is not None:
        output.write_text(printed + "\n", encoding="utf-8")
    if as_json:
        typer.echo(printed)
    else:
        Console().print(table(result))


def _measure(load: Load, rounds: int, server: ServerProcess | None) -> dict[str, Any]:
    asyncio.run(
        run_load(replace(load, sessions=1, ramp_s=0.0, tokens_per_second=None))
    )  # warms everything up
    before = server.usage() if server else None
    load_before, started_s = os.getloadavg()[0], time.monotonic()
    timings = [timing for _ in range(rounds) for timing in asyncio.run(run_load(load))]
    took_s = time.monotonic() - started_s
    report = summarise(timings, num_characters=len(load.text))
    result: dict[str, Any] = asdict(report)
    if server and before:
        after = server.usage()
        gateway_s, engines_s = (
            after.gateway_cpu_s - before.gateway_cpu_s,
            after.engines_cpu_s - before.engines_cpu_s,
        )
        result["cpu_s"] = {"gateway": round(gateway_s, 2), "engines": round(engines_s, 2)}
        result["cpu_s_per_audio_s"] = round((gateway_s + engines_s) / report.audio_s, 5)
        result["gateway_cores"] = round(gateway_s / took_s, 2)
    result["took_s"] = round(took_s, 1)
    result["door"] = str(load.door)
    result["tokens_per_second"] = load.tokens_per_second
    return result | circumstances(load_before)
