"""``saystream voices``, ``models`` and ``engines``: what there is to choose from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from saystream import catalog
from saystream.cli.shared import errors_in_one_line, settings_with
from saystream.config import LogSettings, Settings
from saystream.dsp.tempo import TEMPO_LIBRARY
from saystream.engines.pool import EnginePool
from saystream.engines.registry import engine_names
from saystream.engines.routing import Choice, Router
from saystream.errors import EngineUnavailable
from saystream.server.logs import configure

__all__ = ["engines", "models", "voices"]

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


def models(as_json: _Json = False) -> None:
    """List the models and what they are."""
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
        names = engine_names()
        rows, choices = asyncio.run(_examine(settings, names))
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
    settings: Settings, names: Sequence[str]
) -> tuple[list[dict[str, Any]], tuple[Choice, ...]]:
    pool = EnginePool(settings.pool, settings.engines)
    try:
        await pool.start(names)
        rows = [_engine_row(pool, name) for name in names]
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
        return
    table = Table(*(rows[0] if rows else ()), box=None)
    if rows:
        table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))  # [server] is no colour
    Console().print(table)
