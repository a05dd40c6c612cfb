from __future__ import annotations

import asyncio
import csv
import io
import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from saystream.cli import app
from saystream.config import Settings
from saystream.server.accounting.usage_reports import COLUMNS
from saystream.storage import open_store
from saystream.storage.schema import usage as table
from server.accounting.test_usage import MIDNIGHT, row

ROWS = [
    row(1, created_at=MIDNIGHT, workspace="=1+1"),
    row(2, created_at=MIDNIGHT + timedelta(hours=23), outcome="cancelled", characters=1_000_000),
    row(
        3, created_at=MIDNIGHT + timedelta(days=1), key_id=None, outcome="failed", error_code="engine_crashed"
    ),
]


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    return CliRunner(env={"SAYSTREAM_DATA_DIR": str(tmp_path), "COLUMNS": "110"})


@pytest.fixture
def used(tmp_path: Path) -> None:
    async def fill() -> None:
        async with open_store(Settings(data_dir=tmp_path)) as engine, engine.begin() as connection:
            await connection.execute(insert(table), [asdict(each) for each in ROWS])

    asyncio.run(fill())


@pytest.mark.usefixtures("used")
def test_days_and_their_total_are_shown(runner: CliRunner) -> None:
    result = runner.invoke(app, ["usage"])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0][:4] == ["Day", "Spoken", "Cancelled", "Failed"]
    assert lines[1] == ["2030-01-01", "2", "1", "0", "1,000,012", "0", "0:00:03", "80", "ms"]
    assert lines[2] == ["2030-01-02", "1", "0", "1", "12", "0", "0:00:02", "80", "ms"]
    assert lines[3][:2] == ["Total", "3"]


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize(
    ("options", "groups"),
    [
        ([], {"2030-01-01": 2, "2030-01-02": 1}),
        (["--by", "key"], {"anonymous": 1, "key_0123456789ab": 2}),
        (["--by", "none", "--key", "anonymous"], {"": 1}),
        (["--since", "2030-01-02"], {"2030-01-02": 1}),
        (["--until", "2030-01-01"], {"2030-01-01": 2}),
        (["--since", "2030-01-01T12:00", "--until", "2030-01-02T01:00+01:00"], {"2030-01-01": 1}),
    ],
)
def test_json_has_the_groups_and_the_total(
    runner: CliRunner, options: list[str], groups: dict[str, int]
) -> None:
    shown = json.loads(runner.invoke(app, ["usage", "--json", *options]).stdout)
    assert {group["group"]: group["responses"] for group in shown["groups"]} == groups
    assert shown["total"]["responses"] == sum(groups.values())


@pytest.mark.usefixtures("used")
def test_rows_are_exported_and_nothing_in_them_is_a_formula(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(app, ["usage", "--csv", str(tmp_path / "rows.csv"), "--until", "2030-01-01"])
    assert (result.stdout, result.stderr) == ("", "Wrote 2 rows.\n")
    written = (tmp_path / "rows.csv").read_text()
    first, second = csv.DictReader(io.StringIO(written))
    assert tuple(first) == COLUMNS
    assert first["workspace"] == "'=1+1" and second["workspace"] == ""
    assert first["created_at"] == "2030-01-01T00:00:00.000+00:00"
    assert runner.invoke(app, ["usage", "--csv", "-", "--until", "2030-01-01"]).stdout.splitlines() == (
        written.splitlines()
    )


def test_no_usage_is_said(runner: CliRunner) -> None:
    assert runner.invoke(app, ["usage"]).stdout == "No usage.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "yesterday"], "Invalid value for since: 'yesterday'."),
        (["--until", "2030-13-01"], "Invalid value for until: '2030-13-01'."),
        (["--until", "9999-12-31"], "Invalid value for until: '9999-12-31'."),
        (["--csv", "/dev/null/rows.csv"], "cannot write /dev/null/rows.csv: Not a directory"),
        (["--data-dir", "/dev/null/x"], "cannot open the database"),
    ],
)
def test_a_known_mistake_is_one_line(runner: CliRunner, arguments: list[str], message: str) -> None:
    result = runner.invoke(app, ["usage", *arguments])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {message}") and result.stderr.count("\n") == 1
