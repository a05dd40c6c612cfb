"""``saystream keys``: make, list and revoke API keys in the database that the server reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from saystream.cli.shared import errors_in_one_line, settings_with

if TYPE_CHECKING:
    from saystream.server.keys import Key, KeyStore

__all__ = ["app"]

app = typer.Typer(name="keys", help="Make, list and revoke API keys.", no_args_is_help=True)

_Result = TypeVar("_Result")

_DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the server keeps its database, if not where the settings say."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, such as a person or a program.")],
    as_json: _Json = False,
    data_dir: _DataDir = None,
) -> None:
    """Make a key and print it. It is shown this once: only a hash is kept."""
    with errors_in_one_line():
        made = _with_store(data_dir, lambda store: store.create(name))
    if as_json:
        typer.echo(json.dumps({**_as_json(made.key), "key": made.secret}, ensure_ascii=False))
        return
    # The key alone goes to stdout, so that KEY=$(saystream keys create NAME) works.
    typer.echo(
        f"Made key {made.key.id} for {made.key.label}. Keep it now: it is never shown again.", err=True
    )
    typer.echo(made.secret)


@app.command("list")
def list_keys(as_json: _Json = False, data_dir: _DataDir = None) -> None:
    """List every key, revoked ones too, without the secrets."""
    with errors_in_one_line():
        keys = _with_store(data_dir, lambda store: store.list())
    if as_json:
        typer.echo(json.dumps([_as_json(key) for key in keys], ensure_ascii=False))
    elif keys:
        Console().print(_table(keys))
    else:
        typer.echo("No keys. `saystream keys create NAME` makes one.")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id that `saystream keys list` shows.")],
    as_json: _Json = False,
    data_dir: _DataDir = None,
) -> None:
    """Revoke a key for good. A running server refuses it within seconds; open sessions go on."""
    with errors_in_one_line():
        key = _with_store(data_dir, lambda store: store.revoke(key_id))
    if as_json:
        typer.echo(json.dumps(_as_json(key), ensure_ascii=False))
    else:
        typer.echo(f"Revoked {key.id} ({key.label}).")


def _with_store(data_dir: Path | None, action: Callable[[KeyStore], Awaitable[_Result]]) -> _Result:
    # Imported here: `saystream --help` should not wait for the server's libraries.
    from saystream.server.keys import KeyStore
    from saystream.server.store import open_store

    async def run() -> _Result:
        async with open_store(settings_with(data_dir=data_dir)) as engine:
            return await action(KeyStore(engine))

    return asyncio.run(run())


def _as_json(key: Key) -> dict[str, str | None]:
    return {
        "id": key.id,
        "hint": key.hint,
        "label": key.label,
        "created_at": key.created_at.isoformat(timespec="seconds"),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(timespec="seconds"),
    }


def _table(keys: tuple[Key, ...]) -> Table:
    table = Table("Id", "Key", "Name", "Made", "Revoked", box=None)
    for column in table.columns:
        column.no_wrap = column.header != "Name"
    for key in keys:
        made, revoked = (
            "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M")
            for moment in (key.created_at, key.revoked_at)
        )
        # Text: a label may hold what rich would read as markup.
        table.add_row(key.id, f"{key.hint}…", Text(key.label), made, revoked)
    return table
