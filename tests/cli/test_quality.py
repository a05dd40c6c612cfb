from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saystream.cli import app

# Answers as the worker does: all is heard right, each voice a little different from the one before.
PROGRAM = """
import json, math, sys
print(json.dumps({"versions": {"listener": "1.0"}}), flush=True)
for number, line in enumerate(sys.stdin):
    question = json.loads(line)
    answer = {
        "words": {"transcript": question["expected"][0], "errors": 0, "length": 5},
        "mos": {"mos": 3.5},
        "speaker": {"speaker": [math.cos(number / 10), math.sin(number / 10)]},
        "pitch": {"pitch_hz": 200.0, "pitch_spread": 6.0},
        "loudness": {"loudness_lufs": -24.0},
    }
    given = {name: value for score in question["scores"] for name, value in answer[score].items()}
    print(json.dumps(given), flush=True)
"""


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    return CliRunner(env={"SAYSTREAM_DATA_DIR": str(tmp_path), "COLUMNS": "110"})


@pytest.fixture
def scorers(tmp_path: Path) -> list[str]:
    """The options that put a program of ours in the place of the scoring programs."""
    script, python = tmp_path / "program.py", tmp_path / "python"
    script.write_text(PROGRAM, encoding="utf-8")
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}"\n', encoding="utf-8")
    python.chmod(0o755)
    return ["--python", str(python), "--whisper", str(tmp_path)]


def test_what_is_not_installed_is_named_with_the_command_that_gets_it(
    runner: CliRunner, tmp_path: Path
) -> None:
    result = runner.invoke(app, ["quality", "--python", str(tmp_path / "absent")])

    assert result.exit_code == 1
    assert "scripts/setup --foreign" in result.stderr


def test_a_recogniser_that_was_not_fetched_is_named_with_the_command_that_gets_it(
    runner: CliRunner, scorers: list[str]
) -> None:
    result = runner.invoke(app, ["quality", *scorers[:2]])

    assert result.exit_code == 1
    assert "saystream models pull whisper-small" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--language", "Klingon", "Chinese"),
        ("--voice", "Nobody", "saystream voices"),
        ("--score", "beauty", "words"),
    ],
)
def test_what_there_is_not_is_refused_before_anything_starts(
    runner: CliRunner, option: str, value: str, allowed: str
) -> None:
    result = runner.invoke(app, ["quality", option, value])

    assert result.exit_code == 1
    assert allowed in result.stderr


def test_a_server_is_started_and_every_sentence_is_scored(
    runner: CliRunner, scorers: list[str], tmp_path: Path
) -> None:
    asked = ["--engine", "tone", "--language", "English", "--language", "French", "--sentences", "2"]
    options = ["--voice", "Cherry", "--voice", "Kai", "--direct", "--keep", str(tmp_path / "kept")]
    result = runner.invoke(app, ["quality", *asked, *options, *scorers, "-o", str(tmp_path / "out.json")])

    assert result.exit_code == 0, result.stderr
    assert "DNSMOS" in result.stdout
    assert "2 voices" in result.stdout
    kept = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert [(row["language"], row["voice"], row["path"]) for row in kept["rows"]] == [
        (language, voice, path)
        for language in ("en", "fr")
        for voice in ("Cherry", "Kai")
        for path in ("wire", "direct")
    ]
    assert all((row["error_percent"], row["exact"], row["mos"]) == (0.0, 2, 3.5) for row in kept["rows"])
    assert kept["scored_with"] == {"listener": "1.0"}
    assert kept["voices"]["closest"] == ["Cherry", "Kai"]
    assert len(list((tmp_path / "kept").iterdir())) == 16


def test_only_the_scores_that_are_asked_for_are_shown(runner: CliRunner, scorers: list[str]) -> None:
    asked = ["--engine", "tone", "--language", "English", "--sentences", "1", "--score", "pitch"]
    result = runner.invoke(app, ["quality", *asked, *scorers])

    assert result.exit_code == 0, result.stderr
    assert "pitch Hz" in result.stdout
    assert "DNSMOS" not in result.stdout


def test_json_for_a_program_is_the_only_thing_printed(runner: CliRunner, scorers: list[str]) -> None:
    asked = ["--engine", "tone", "--language", "English", "--sentences", "1", "--score", "mos", "--json"]
    result = runner.invoke(app, ["quality", *asked, *scorers])

    (row,) = json.loads(result.stdout)["rows"]
    assert (row["mos"], row["error_percent"]) == (3.5, None)
