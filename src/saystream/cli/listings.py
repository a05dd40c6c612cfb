"""``saystream voices``, ``models`` and ``engines``: what there is to choose from."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from saystream import catalog
from saystream.cli.shared import errors_in_one_line, settings_with
from saystream.engines.registry import engine_names, load_engine_class
from saystream.errors import SaystreamError

__all__ = ["engines", "models", "voices"]

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
        {"model": model.name, "door": model.path, "what": model.summary, "stands for": model.stands_for or ""}
        for model in catalog.load().models
    ]
    _print(rows, as_json)


def engines(as_json: _Json = False) -> None:
    """List the engines, whether they can run here, and which speaks what."""
    with errors_in_one_line():
        settings = settings_with()
    rows = []
    for name in engine_names():
        row = {"engine": name, "state": "ready", "languages": "", "voices": "", "quality": ""}
        try:
            about = load_engine_class(name)(**settings.engines.get(name, {})).info
        except SaystreamError as error:
            row["state"] = error.message
        else:
            row["languages"] = " ".join(about.languages)
            row["voices"] = str(len(about.voices))
            row["quality"] = about.quality
        rows.append(row)
    _print(rows, as_json)


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table(*(rows[0] if rows else ()), box=None)
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
