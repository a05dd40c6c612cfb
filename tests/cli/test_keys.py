from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saystream.cli.keys import app


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    return CliRunner(env={"SAYSTREAM_DATA_DIR": str(tmp_path), "COLUMNS": "80"})


def test_create_prints_the_key_alone_on_stdout(runner: CliRunner) -> None:
    result = runner.invoke(app, ["create", "Ann"])
    assert result.exit_code == 0
    assert re.fullmatch(r"sk-[A-Za-z0-9_-]{43}\n", result.stdout)
    assert re.fullmatch(
        r"Created key key_[0-9a-f]{12} for Ann. Store it now: it is never shown again.\n", result.stderr
    )


def test_a_key_is_made_listed_and_revoked_through_json(runner: CliRunner) -> None:
    made = json.loads(runner.invoke(app, ["create", "客服", "--json"]).stdout)
    secret = made.pop("key")
    assert made["label"] == "客服" and made["revoked_at"] is None and made["workspace"] is None
    assert set(made["limits"].values()) == {None}
    assert secret.startswith(made["hint"])

    assert json.loads(runner.invoke(app, ["list", "--json"]).stdout) == [made]

    revoked = json.loads(runner.invoke(app, ["revoke", made["id"], "--json"]).stdout)
    assert revoked["revoked_at"] is not None
    assert json.loads(runner.invoke(app, ["list", "--json"]).stdout) == [revoked]


def test_list_shows_a_table_without_secrets(runner: CliRunner) -> None:
    secret = runner.invoke(app, ["create", "Ann [red]of[/red] sales"]).stdout.strip()
    result = runner.invoke(app, ["list"])
    assert result.exit_code == 0
    assert "Ann [red]of[/red] sales" in result.stdout
    assert f"{secret[:7]}…" in result.stdout
    assert secret not in result.stdout

    key_id = re.search(r"key_[0-9a-f]{12}", result.stdout)
    assert key_id is not None
    assert (
        runner.invoke(app, ["revoke", key_id[0]]).stdout
        == f"Revoked {key_id[0]} (Ann [red]of[/red] sales).\n"
    )


def test_an_empty_list_says_how_to_make_a_key(runner: CliRunner) -> None:
    assert runner.invoke(app, ["list"]).stdout == "No keys. Create one with `saystream keys create NAME`.\n"


def test_the_data_directory_can_be_named(runner: CliRunner, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "elsewhere")
    runner.invoke(app, ["create", "Ann", "--data-dir", elsewhere])
    assert json.loads(runner.invoke(app, ["list", "--json"]).stdout) == []
    assert len(json.loads(runner.invoke(app, ["list", "--json", "--data-dir", elsewhere]).stdout)) == 1


def test_limits_are_chosen_changed_and_taken_away(runner: CliRunner) -> None:
    options = (
        "--requests-per-minute 60 --characters-per-minute 6000 --models qwen3-tts-flash,qwen3-tts-flash-realtime"
        " --sessions 2 --monthly-characters 1000000 --workspace sales"
    ).split()
    made = json.loads(runner.invoke(app, ["create", "Ann", "--json", *options]).stdout)
    assert made["limits"] == {
        "requests_per_minute": 60,
        "characters_per_minute": 6000,
        "models": ["qwen3-tts-flash", "qwen3-tts-flash-realtime"],
        "max_sessions": 2,
        "monthly_characters": 1_000_000,
    }
    assert made["workspace"] == "sales"

    changed = runner.invoke(
        app,
        ["limit", made["id"], "--sessions", "none", "--requests-per-minute", "5", "--workspace", "none"],
    )
    assert changed.stdout == (
        f"{made['id']} (Ann): 5 requests a minute, 6000 characters a minute, 1000000 characters a month,"
        " only qwen3-tts-flash and qwen3-tts-flash-realtime.\n"
    )
    listed = runner.invoke(app, ["list"], env={"COLUMNS": "160"}).stdout
    assert "Limits" in listed and "1000000 characters a month" in listed and "at once" not in listed
    limits = json.loads(runner.invoke(app, ["limit", made["id"], "--json"]).stdout)["limits"]
    assert limits == {**made["limits"], "max_sessions": None, "requests_per_minute": 5}


def test_a_key_without_limits_says_so(runner: CliRunner) -> None:
    made = json.loads(runner.invoke(app, ["create", "Ann", "--json"]).stdout)
    assert runner.invoke(app, ["limit", made["id"]]).stdout == f"{made['id']} (Ann): no limits.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["create", "Ann", "--sessions", "many"],
            "Invalid value for max_sessions: 'many'. Supported: a whole",
        ),
        (["create", "Ann", "--sessions", "0"], "Invalid value for max_sessions: '0'."),
        (["create", "Ann", "--models", "qwen3-tts-flsh"], "Invalid value for models: 'qwen3-tts-flsh'."),
        (["limit", "key_000000000000", "--sessions", "1"], "no key has the id 'key_000000000000'"),
        (["revoke", "key_000000000000"], "no key has the id 'key_000000000000'; `saystream keys list` shows"),
        (["revoke", "sk-" + "x" * 43], "that is not a key id"),
        (["create", ""], "Invalid value for label"),
        (["list", "--data-dir", "/dev/null/x"], "cannot open the database"),
    ],
)
def test_a_known_mistake_is_one_line_and_exit_code_1(
    runner: CliRunner, arguments: list[str], message: str
) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1
    assert "sk-x" not in result.stderr


def test_a_setting_that_cannot_work_is_one_line(runner: CliRunner) -> None:
    result = runner.invoke(app, ["list"], env={"SAYSTREAM_PORT": "many"})
    assert result.exit_code == 1
    assert result.stderr.startswith("error: setting port: ")
