"""What several commands need: settings from flags, errors in one line that a person can act on, and tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from saystream import __version__
from saystream.config import Settings
from saystream.errors import ConfigurationError, SaystreamError

__all__ = ["circumstances", "errors_in_one_line", "print_rows", "settings_with"]


def settings_with(**flags: Any) -> Settings:
    """The settings in force, with the given flags; ``None`` means that a flag was not given.

    Raises ConfigurationError that names the wrong setting.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"setting {field}: {first['msg']}", param=field) from None


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Known errors become one line on stderr and exit code 1; anything else is a bug and keeps its traceback."""
    try:
        yield
    except SaystreamError as error:
        typer.echo(f"error: {error.message}", err=True)
        raise typer.Exit(1) from None


def circumstances(load_before: float) -> dict[str, Any]:
    """On what machine, with what and when something was measured; ``load_before`` is the load average at the start."""
    return {
        "load_average": [round(load_before, 2), round(os.getloadavg()[0], 2)],
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "saystream": __version__,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """A table whose columns are the keys of the first row."""
    table = Table(*(rows[0] if rows else ()), box=None)
    if rows:
        table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))  # [server] is no colour
    Console().print(table)
