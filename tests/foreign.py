"""Programs of others that tests drive, each in an environment of its own (``scripts/setup --foreign``)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


def foreign_python(environment: str) -> Path:
    """The interpreter of an environment of ``scripts/setup --foreign``; without it the test is skipped."""
    python = REPOSITORY / ".venvs" / environment / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment {environment}: run scripts/setup --foreign")
    return python


@dataclass(frozen=True)
class Hearing:
    """What the recogniser heard in some files."""

    transcripts: list[str]
    word_error_rate: float
    """0 to 1, over all files together."""
    differences: list[list[str]]
    """Pairs of normalised texts, expected and heard, that are not equal."""


@dataclass(frozen=True)
class Recogniser:
    """English speech recognition in a process of its own."""

    python: Path
    workspace: Path

    def hear(self, wavs: Sequence[Path], expected: Sequence[str]) -> Hearing:
        """Transcribe mono 16-bit WAV files and compare each with the text that it should say."""
        texts = self.workspace / "expected.json"
        texts.write_text(json.dumps(list(expected)), "utf-8")
        script = Path(__file__).parent / "environments" / "transcribe.py"
        command: list[str | Path] = [self.python, script, "--expected", texts, *wavs]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert run.returncode == 0, run.stderr
        return Hearing(**json.loads(run.stdout))
