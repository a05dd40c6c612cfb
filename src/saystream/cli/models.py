"""``saystream models``: weights on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from saystream.cli.shared import errors_in_one_line, print_rows, settings_with
from saystream.config import Settings
from saystream.engines.registry import load_engine_class
from saystream.errors import EngineUnavailable, ModelMissing, ModelUnknown
from saystream.models import ModelStore, PullWatcher

__all__ = ["app"]

app = typer.Typer(name="models", help="Download, check and remove weights for engines.", no_args_is_help=True)

_Names = Annotated[list[str], typer.Argument(help="Names, as in `saystream models list`.")]
_MB = 1e6
_SHOWN_LANGUAGES = 10
_COLUMNS = ("model", "here", "MB", "engine", "languages", "licence", "what")


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models, and which of them are on this machine."""
    with errors_in_one_line():
        store = _store(settings_with())
        listed = [model.name for model in store.manifest]
        others = [name for name in store.pulled() if name not in listed]
        rows = [_row(store, name) for name in (*listed, *others)]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    print_rows([_short(row) for row in rows])
    console = Console()
    for example, summary in store.manifest.families.items():
        console.print(f"And {summary}, such as {example}.", highlight=False)
    console.print(f"Folder: {store.folder}", highlight=False, soft_wrap=True)


@app.command()
def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names, as in `saystream models list`. Without names: the default models."),
    ] = None,
    only_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            help="Use only this folder or address, which holds models as the models folder does.",
        ),
    ] = None,
    digest: Annotated[
        str | None,
        typer.Option(
            metavar="SHA256",
            help="What `saystream models verify` shows for the model on the machine that --from names: with it, the"
            " model hub is not asked for checksums that saystream does not have. For one model.",
        ),
    ] = None,
) -> None:
    """Download models, and check every file against its known checksum. Files that are here already are not downloaded
    again; an interrupted download continues."""

    def pull_one(name: str) -> None:
        with _Bars() as bars:
            folder = store.pull(
                name,
                mirror=only_from or settings.models_mirror,
                only_mirror=only_from is not None,
                digest=digest,
                watcher=bars,
            )
        _prepare(store.manifest.model(name).engine, folder)
        typer.echo(f"{name} is in {folder}", err=True)

    with errors_in_one_line():
        settings = settings_with()
        store = _store(settings)
    _each(names or store.manifest.default_set, pull_one)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names. Default: all models on this machine.")
    ] = None,
) -> None:
    """Compare every file of the models with its checksum, and remove wrong files."""

    def verify_one(name: str) -> None:
        record = store.verify(name)
        typer.echo(f"{name} is intact: {len(record.files)} files, digest {store.digest(name)}")

    with errors_in_one_line():
        store = _store(settings_with())
    _each(names or store.pulled(), verify_one)


@app.command()
def rm(names: _Names) -> None:
    """Remove models from this machine."""
    with errors_in_one_line():
        store = _store(settings_with())
    _each(names, store.remove)


def _prepare(engine: str | None, folder: Path) -> None:
    """What the engine makes of new weights. Where it cannot, it speaks with them as they are, and says so here."""
    if engine is None:
        return
    try:
        load_engine_class(engine).prepare(folder)
    except EngineUnavailable as fault:
        typer.echo(fault.message, err=True)


def _each(names: Iterable[str], act: Callable[[str], None]) -> None:
    """A failure of one model does not affect the others; the exit code reports it."""
    failed = False
    for name in names:
        try:
            with errors_in_one_line():
                act(name)
        except typer.Exit:
            failed = True
    if failed:
        raise typer.Exit(1)


def _store(settings: Settings) -> ModelStore:
    return ModelStore(settings.models_dir)


def _row(store: ModelStore, name: str) -> dict[str, Any]:
    try:
        model = store.manifest.model(name)
    except ModelUnknown:
        # From another version of saystream: it can only be removed.
        return dict.fromkeys(_COLUMNS, "") | {"model": name, "here": "of no use"}
    record = store.record(name)
    size = sum(file.size for file in record.files.values()) if record else model.size
    cells = (
        name,
        _state(store, name),
        round(size / _MB) if size else "?",
        model.engine or "",
        " ".join(model.languages),
        model.licence,
        model.summary,
    )
    return dict(zip(_COLUMNS, cells, strict=True))


def _state(store: ModelStore, name: str) -> str:
    try:
        store.path(name)
    except ModelMissing:
        return "damaged" if store.record(name) else ""
    return "here"


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """The part that fits a terminal; the rest is in the JSON."""
    languages = row["languages"].split()
    more = f" and {len(languages) - _SHOWN_LANGUAGES} more" if len(languages) > _SHOWN_LANGUAGES else ""
    shown = {**row, "languages": " ".join(languages[:_SHOWN_LANGUAGES]) + more}
    del shown["what"]
    return shown


class _Bars(PullWatcher):
    """On a terminal a bar for each download; elsewhere one line when it begins."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._on_terminal = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not self._on_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begins(self, name: str, size: int | None) -> None:
        if not self._on_terminal:
            typer.echo(f"Fetching {name} …", err=True)
        self._tasks[name] = self._progress.add_task(name, total=size)

    def reached(self, name: str, size: int) -> None:
        self._progress.update(self._tasks[name], completed=size)

    def ends(self, name: str) -> None:
        self._progress.remove_task(self._tasks.pop(name))

    def says(self, sentence: str) -> None:
        self._progress.console.print(sentence, highlight=False, markup=False, soft_wrap=True)
