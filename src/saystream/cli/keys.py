"""``saystream keys``: create, list, limit and revoke API keys in the database that the server reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from saystream.cli.shared import errors_in_one_line, settings_with

if TYPE_CHECKING:
    from saystream.server.access.keys import Key, KeyChanges, KeyStore

__all__ = ["app"]

app = typer.Typer(name="keys", help="Create, list, limit and revoke API keys.", no_args_is_help=True)

_Result = TypeVar("_Result")

_DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the server's database. Default: as in the settings."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as in `saystream keys list`.")]
_NO_LIMIT = "none"
_Requests = Annotated[
    str | None,
    typer.Option(
        "--requests-per-minute", metavar="N", help="Sessions and requests that may begin in a minute."
    ),
]
_Characters = Annotated[
    str | None,
    typer.Option(
        "--characters-per-minute", metavar="N", help="Billed characters that may be sent in a minute."
    ),
]
_Models = Annotated[
    str | None, typer.Option("--models", metavar="NAME,…", help="The only models that the key may use.")
]
_Sessions = Annotated[
    str | None, typer.Option("--sessions", metavar="N", help="Sessions and requests at once.")
]
_Monthly = Annotated[
    str | None,
    typer.Option(
        "--monthly-characters", metavar="N", help="Billed characters that may be sent in a month (UTC)."
    ),
]
_Workspace = Annotated[
    str | None, typer.Option("--workspace", metavar="NAME", help="The workspace that the key belongs to.")
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, such as a person or a program.")],
    requests_per_minute: _Requests = None,
    characters_per_minute: _Characters = None,
    models: _Models = None,
    sessions: _Sessions = None,
    monthly_characters: _Monthly = None,
    workspace: _Workspace = None,
    as_json: _Json = False,
    data_dir: _DataDir = None,
) -> None:
    """Create a key and print it. Only its hash is kept, so it is never shown again. Without options it has no
    limits."""
    with errors_in_one_line():
        chosen = _changes(
            requests_per_minute=requests_per_minute,
            characters_per_minute=characters_per_minute,
            models=models,
            max_sessions=sessions,
            monthly_characters=monthly_characters,
            workspace=workspace,
        )
        made = _with_store(data_dir, lambda store: store.create(name, **chosen))
    if as_json:
        typer.echo(json.dumps({**_as_json(made.key), "key": made.secret}, ensure_ascii=False))
        return
    # Only the key goes to stdout, so that KEY=$(saystream keys create NAME) works.
    typer.echo(
        f"Created key {made.key.id} for {made.key.label}. Store it now: it is never shown again.", err=True
    )
    typer.echo(made.secret)


@app.command("list")
def list_keys(as_json: _Json = False, data_dir: _DataDir = None) -> None:
    """List all keys, including revoked ones, without their secrets."""
    with errors_in_one_line():
        keys = _with_store(data_dir, lambda store: store.list())
    if as_json:
        typer.echo(json.dumps([_as_json(key) for key in keys], ensure_ascii=False))
    elif keys:
        Console().print(_table(keys))
    else:
        typer.echo("No keys. Create one with `saystream keys create NAME`.")


@app.command()
def limit(
    key_id: _KeyId,
    requests_per_minute: _Requests = None,
    characters_per_minute: _Characters = None,
    models: _Models = None,
    sessions: _Sessions = None,
    monthly_characters: _Monthly = None,
    workspace: _Workspace = None,
    as_json: _Json = False,
    data_dir: _DataDir = None,
) -> None:
    """Change the limits that you name and keep the others; `none` removes one. A running server applies the change
    within seconds."""
    with errors_in_one_line():
        changes = _changes(
            requests_per_minute=requests_per_minute,
            characters_per_minute=characters_per_minute,
            models=models,
            max_sessions=sessions,
            monthly_characters=monthly_characters,
            workspace=workspace,
        )
        key = _with_store(data_dir, lambda store: store.limit(key_id, **changes))
    if as_json:
        typer.echo(json.dumps(_as_json(key), ensure_ascii=False))
    else:
        typer.echo(f"{key.id} ({key.label}): {', '.join(_limits(key)) or 'no limits'}.")


@app.command()
def revoke(
    key_id: _KeyId,
    as_json: _Json = False,
    data_dir: _DataDir = None,
) -> None:
    """Revoke a key for good. A running server refuses it within seconds; open sessions continue."""
    with errors_in_one_line():
        key = _with_store(data_dir, lambda store: store.revoke(key_id))
    if as_json:
        typer.echo(json.dumps(_as_json(key), ensure_ascii=False))
    else:
        typer.echo(f"Revoked {key.id} ({key.label}).")


def _with_store(data_dir: Path | None, action: Callable[[KeyStore], Awaitable[_Result]]) -> _Result:
    # Imported here: `saystream --help` should not wait for the server's libraries.
    from saystream.server.access.keys import KeyStore
    from saystream.storage import open_store

    async def run() -> _Result:
        async with open_store(settings_with(data_dir=data_dir)) as engine:
            return await action(KeyStore(engine))

    return asyncio.run(run())


def _changes(**options: str | None) -> KeyChanges:
    """The changes that the given options make. Raises InvalidValue."""
    from saystream.errors import InvalidValue

    changes: dict[str, Any] = {}
    for name, option in options.items():
        if option is None:
            continue
        if option == _NO_LIMIT:
            changes[name] = None
        elif name == "workspace":
            changes[name] = option
        elif name == "models":
            changes[name] = [model.strip() for model in option.split(",")]
        elif option.isascii() and option.isdecimal():
            changes[name] = int(option)
        else:
            raise InvalidValue(name, option, f"a whole number, or '{_NO_LIMIT}'")
    return cast("KeyChanges", changes)


def _as_json(key: Key) -> dict[str, object]:
    limits = key.limits
    return {
        "id": key.id,
        "hint": key.hint,
        "label": key.label,
        "created_at": key.created_at.isoformat(timespec="seconds"),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(timespec="seconds"),
        "limits": {
            "requests_per_minute": limits.requests_per_minute,
            "characters_per_minute": limits.characters_per_minute,
            "models": None if limits.models is None else list(limits.models),
            "max_sessions": limits.max_sessions,
            "monthly_characters": limits.monthly_characters,
        },
        "workspace": key.workspace,
    }


def _limits(key: Key) -> list[str]:
    """Each limit in a few words."""
    limits = key.limits
    words = [
        (limits.requests_per_minute, "requests a minute"),
        (limits.characters_per_minute, "characters a minute"),
        (limits.max_sessions, "at once"),
        (limits.monthly_characters, "characters a month"),
    ]
    said = [f"{number} {what}" for number, what in words if number is not None]
    if limits.models is not None:
        said.append(f"only {' and '.join(limits.models)}")
    if key.workspace is not None:
        said.append(f"workspace {key.workspace}")
    return said


def _table(keys: tuple[Key, ...]) -> Table:
    limited = any(_limits(key) for key in keys)
    table = Table("Id", "Key", "Name", "Made", "Revoked", *(["Limits"] if limited else []), box=None)
    for column in table.columns:
        column.no_wrap = column.header not in ("Name", "Limits")
    for key in keys:
        made, revoked = (
            "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M")
            for moment in (key.created_at, key.revoked_at)
        )
        # Text: a label may hold what rich would read as markup.
        limits = [Text("\n".join(_limits(key)))] if limited else []
        table.add_row(key.id, f"{key.hint}…", Text(key.label), made, revoked, *limits)
    return table
