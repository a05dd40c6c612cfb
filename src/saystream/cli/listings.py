"""``saystream voices``, ``catalog`` and ``engines``: what there is to choose from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from saystream import catalog
from saystream.cli.shared import errors_in_one_line, print_rows, settings_with
from saystream.config import LogSettings, Settings
from saystream.dsp.tempo import TEMPO_LIBRARY
from saystream.engines.pool import EnginePool
from saystream.engines.registry import engine_names
from saystream.engines.routing import Choice, Router
from saystream.errors import EngineUnavailable
from saystream.server.logs import configure

__all__ = ["catalog_models", "engines", "voices"]

_SHOWN_LANGUAGES = 16

_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]


def voices(
    model: Annotated[str | None, typer.Option(help="Only those that this model takes.")] = None,
    as_json: _Json = False,
) -> None:
    """List the system voices."""
    with errors_in_one_line():
        listed = catalog.load().voices(model) if model else catalog.load().system_voices
    rows = [
        {
            "voice": voice.name,
            "name": voice.chinese_name,
            "sex": voice.sex,
            "age": voice.age,
            "character": voice.character,
            "dialect": voice.dialect or "",
        }
        for voice in listed
    ]
    _print(rows, as_json)


def catalog_models(as_json: _Json = False) -> None:
    """List the models that clients may ask for, and what they are."""
    rows = [
        {"model": model.name, "door": model.door, "what": model.summary} for model in catalog.load().models
    ]
    _print(rows, as_json)


def engines(as_json: _Json = False) -> None:
    """Start every installed engine, say what it can do or why it cannot, and which one speaks what.

    Also names the library that changes speed and pitch.
    """
    with errors_in_one_line():
        settings = settings_with()
        configure(LogSettings(level="error"))
        rows, choices = asyncio.run(_examine(settings, engine_names()))
    if as_json:
        languages = [asdict(choice) for choice in choices]
        typer.echo(json.dumps({"engines": rows, "languages": languages, "tempo": TEMPO_LIBRARY}))
        return
    _print(rows, as_json=False)
    console = Console()
    console.print(f"\nengine = {settings.engine}:")
    for choice in choices:
        spoken = f"{choice.engine} ({choice.quality})" if choice.engine else "nobody"
        console.print(f"  {choice.language_type}: {spoken}", highlight=False)
    console.print(f"\nspeed and pitch: {TEMPO_LIBRARY}", highlight=False)


async def _examine(
    settings: Settings, installed: Sequence[str]
) -> tuple[list[dict[str, Any]], tuple[Choice, ...]]:
    pool = EnginePool(settings.pool, settings.engines)
    try:
        await pool.start(installed)
        rows = [_engine_row(pool, name) for name in installed]
        order = settings.engine_order if settings.engine == "auto" else (settings.engine,)
        return rows, Router(order, pool.engines()).describe()
    finally:
        await pool.aclose()


def _engine_row(pool: EnginePool, name: str) -> dict[str, Any]:
    try:
        about = pool.engine(name)
    except EngineUnavailable as error:
        return {"engine": name, "speech": "", "rate": "", "voices": "", "languages": error.message}
    languages = " ".join(about.languages[:_SHOWN_LANGUAGES])
    more = len(about.languages) - _SHOWN_LANGUAGES
    return {
        "engine": name,
        "speech": about.quality,
        "rate": about.sample_rate,
        "voices": len(about.voices),
        "languages": "any" if languages == "*" else languages + (f" and {more} more" if more > 0 else ""),
    }


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        print_rows(rows)
