from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from saystream.errors import ScoringUnavailable
from saystream.quality.scorer import Score, Scorer, scorer_python

# Speaks the protocol of the worker; what it answers stands in the name of the file that it is asked about.
PROGRAM = """
import json, sys
print(json.dumps({"versions": {"listener": "1.0"}}), flush=True)
for line in sys.stdin:
    question = json.loads(line)
    if question["wav"].endswith("end.wav"):
        sys.exit(3)
    if question["wav"].endswith("fail.wav"):
        print(json.dumps({"error": "no such sound"}), flush=True)
    else:
        print(json.dumps({"transcript": "|".join(question["expected"]), "errors": 0, "length": 4}), flush=True)
"""


@pytest.fixture
def interpreter(tmp_path: Path) -> Callable[[str], Path]:
    """A program in the place of the interpreter with the scoring programs."""

    def make(program: str) -> Path:
        script = tmp_path / "program.py"
        script.write_text(program, encoding="utf-8")
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}"\n', encoding="utf-8")
        python.chmod(0o755)
        return python

    return make


def test_a_question_is_answered(interpreter: Callable[[str], Path], tmp_path: Path) -> None:
    with Scorer(interpreter(PROGRAM), tmp_path) as scorer:
        score = scorer.score(tmp_path / "a.wav", language="en", expected=["one", "two"], scores=["words"])

        assert scorer.versions == {"listener": "1.0"}
    assert score == Score(transcript="one|two", errors=0, length=4)


def test_a_question_that_fails_leaves_the_next_one_answered(
    interpreter: Callable[[str], Path], tmp_path: Path
) -> None:
    with Scorer(interpreter(PROGRAM), tmp_path) as scorer:
        with pytest.raises(ScoringUnavailable, match=r"failed on fail\.wav: no such sound"):
            scorer.score(tmp_path / "fail.wav", language="en")

        assert scorer.score(tmp_path / "a.wav", language="en").length == 4


def test_programs_that_end_are_reported_with_their_code(
    interpreter: Callable[[str], Path], tmp_path: Path
) -> None:
    with Scorer(interpreter(PROGRAM), tmp_path) as scorer:
        with pytest.raises(ScoringUnavailable, match="ended with code"):
            scorer.score(tmp_path / "end.wav", language="en")
        with pytest.raises(ScoringUnavailable):
            scorer.score(tmp_path / "a.wav", language="en")


def test_programs_that_do_not_start_are_reported(interpreter: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(ScoringUnavailable, match="ended with code"):
        with Scorer(interpreter("raise SystemExit(1)"), tmp_path):
            pass


def test_an_environment_that_is_missing_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ScoringUnavailable, match="scripts/setup --foreign"):
        scorer_python(tmp_path / "python")


def test_an_interpreter_that_is_given_is_taken(tmp_path: Path) -> None:
    assert scorer_python(Path(sys.executable)) == Path(sys.executable)
