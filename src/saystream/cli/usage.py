"""``saystream usage``: what was spoken, for whom, from the database that the server writes."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from saystream.cli.shared import errors_in_one_line, settings_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncConnection

    from saystream.server.accounting.usage_reports import Selection, Totals

__all__ = ["By", "usage"]


class By(StrEnum):
    """What the totals are grouped by."""

    day = "day"
    key = "key"
    model = "model"
    none = "none"


def usage(
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="From this day or moment, in UTC.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Until the end of this day, or until this moment, in UTC."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only usage of this key; `anonymous` is usage without a key."),
    ] = None,
    by: Annotated[By, typer.Option(help="Group the totals by this.")] = By.day,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv_file: Annotated[
        str | None,
        typer.Option(
            "--csv", metavar="FILE", help="Write every row to this file instead; `-` is standard output."
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Folder of the server's database. Default: as in the settings."),
    ] = None,
) -> None:
    """Add up what was spoken. The latest responses of a running server appear within a second."""
    from saystream.server.accounting.usage_reports import Selection

    with errors_in_one_line():
        chosen = Selection(_moment("since", since), _moment("until", until, ends=True), key)
        if csv_file is not None:
            count = asyncio.run(_export(data_dir, chosen, csv_file))
            typer.echo(f"Wrote {count} rows.", err=True)
            return
        groups, total = asyncio.run(_totals(data_dir, chosen, by))
    if as_json:
        fields = {"by": by, "groups": [_as_json(group) for group in groups], "total": _as_json(total)}
        typer.echo(json.dumps(fields, ensure_ascii=False))
    elif total.responses == 0:
        typer.echo("No usage.")
    else:
        Console().print(_table(groups, total, by))


def _moment(option: str, given: str | None, *, ends: bool = False) -> datetime | None:
    """With ``ends``, a day means its end. Raises InvalidValue."""
    from saystream.errors import InvalidValue

    if given is None:
        return None
    try:
        if len(given) == len("2030-01-31"):
            midnight = datetime.combine(date.fromisoformat(given), datetime.min.time(), UTC)
            return midnight + timedelta(days=1) if ends else midnight
        moment = datetime.fromisoformat(given)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        allowed = "a day such as 2030-01-31, or a moment such as 2030-01-31T18:30"
        raise InvalidValue(option, given, allowed) from None


@asynccontextmanager
async def _connection(data_dir: Path | None) -> AsyncIterator[AsyncConnection]:
    # Imported here: `saystream --help` should not wait for the server's libraries.
    from sqlalchemy.exc import SQLAlchemyError

    from saystream.errors import StoreUnavailable
    from saystream.storage import open_store

    async with open_store(settings_with(data_dir=data_dir)) as engine:
        try:
            async with engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the database does not answer ({type(error).__name__})") from error


async def _totals(data_dir: Path | None, chosen: Selection, by: By) -> tuple[list[Totals], Totals]:
    from saystream.server.accounting.usage_reports import totals

    async with _connection(data_dir) as connection:
        groups = await totals(connection, chosen, by.value)
        (total,) = await totals(connection, chosen, "none")
    return groups, total


async def _export(data_dir: Path | None, chosen: Selection, path: str) -> int:
    from saystream.server.accounting.usage_reports import COLUMNS, usage_rows

    count = 0
    async with _connection(data_dir) as connection:
        with _opened(path) as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            async for row in usage_rows(connection, chosen):
                writer.writerow([_cell(value) for value in row.values()])
                count += 1
    return count


@contextmanager
def _opened(path: str) -> Iterator[TextIO]:
    """Raises ConfigurationError if it cannot be written."""
    from saystream.errors import ConfigurationError

    if path == "-":
        yield sys.stdout
        return
    try:
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}", param="csv") from None


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, float):
        return round(value, 1)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        return f"'{value}"  # clients name their workspaces, and a spreadsheet would run this
    return value


def _as_json(totals: Totals) -> dict[str, object]:
    fields = asdict(totals)
    if totals.label is None:
        del fields["label"]
    return fields


def _table(groups: list[Totals], total: Totals, by: By) -> Table:
    numbers = ("Spoken", "Cancelled", "Failed", "Characters", "Tokens", "Audio", "First")
    table = Table(by.capitalize() if by is not By.none else "", box=None, show_footer=by is not By.none)
    table.columns[0].footer = "Total"
    table.columns[0].min_width = len("2026-11-20")
    for title, cell in zip(numbers, _cells(total), strict=True):
        table.add_column(title, footer=cell, justify="right", no_wrap=True)
    for group in groups:
        # Text: a label may hold what rich would read as markup.
        name = group.group if group.label is None else f"{group.group} ({group.label})"
        table.add_row(Text(name), *_cells(group))
    return table


def _cells(totals: Totals) -> list[str]:
    first = totals.first_audio_ms
    return [
        f"{totals.responses:,}",
        f"{totals.cancelled:,}",
        f"{totals.failed:,}",
        f"{totals.characters:,}",
        f"{totals.text_tokens + totals.audio_tokens:,}",
        str(timedelta(seconds=round(totals.audio_s))),
        "" if first is None else f"{first:.0f} ms",
    ]
