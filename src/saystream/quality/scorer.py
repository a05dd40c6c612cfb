"""Starts the scoring programs in their own environment and asks them. The other end is ``worker.py``."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from saystream.errors import ScoringUnavailable

__all__ = ["SCORES", "Score", "Scorer", "scorer_python"]

SCORES = ("words", "mos", "speaker", "pitch", "loudness")
"""The scores that can be asked for; ``worker.py`` explains them."""

_WORKER = Path(__file__).with_name("worker.py")
_ENVIRONMENT = Path(".venvs/quality/bin/python")
_START_TIMEOUT_S = 120.0
_ANSWER_TIMEOUT_S = 120.0
"""The first answer loads Whisper; after that a sentence takes a few seconds."""


class Score(msgspec.Struct, frozen=True):
    """Of one recording; ``None`` if it was not asked for or does not exist."""

    transcript: str | None = None
    errors: int | None = None
    length: int | None = None
    """Of the text, in characters or words; ``errors`` of them were heard differently."""
    mos: float | None = None
    """DNSMOS overall, 1 to 5."""
    speaker: tuple[float, ...] | None = None
    """The embedding of the speaker, of length 1."""
    pitch_hz: float | None = None
    pitch_spread: float | None = None
    """Semitones from the 10th to the 90th percentile."""
    loudness_lufs: float | None = None


def scorer_python(given: Path | None = None) -> Path:
    """The interpreter that has the scoring programs: ``given``, else the one made by ``scripts/setup --foreign``.

    Raises ScoringUnavailable with the command that makes one.
    """
    repository = Path(__file__).parents[3]
    candidates = [given] if given else [folder / _ENVIRONMENT for folder in (Path.cwd(), repository)]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise ScoringUnavailable(
        "The programs that score speech are not installed. They need an environment of their own, apart from"
        " saystream's. In a copy of the repository, this makes it: scripts/setup --foreign"
    )


class Scorer:
    """The scoring programs, while the ``with`` block lasts. One question at a time."""

    def __init__(self, python: Path, whisper: Path, *, threads: int = 1) -> None:
        """``whisper`` is the folder of the model ``whisper-small``."""
        self._command = [str(python), str(_WORKER), str(whisper), "--threads", str(threads)]
        self.versions: dict[str, str] = {}
        """Of the scoring programs; known inside the block."""

    def __enter__(self) -> Self:
        # They would use every core even for tiny matrix products; --threads says how many they may use.
        environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        try:
            self.versions = self._answer(_START_TIMEOUT_S)["versions"]
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def score(
        self, wav: Path, *, language: str, expected: Sequence[str] = (), scores: Sequence[str] = SCORES
    ) -> Score:
        """Scores of a mono 16-bit WAV file. ``expected`` are the spellings of what it should say.

        Raises ScoringUnavailable when the programs fail.
        """
        question = {"wav": str(wav), "language": language, "expected": list(expected), "scores": list(scores)}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        answer = self._answer(_ANSWER_TIMEOUT_S)
        if "error" in answer:
            raise ScoringUnavailable(
                f"The programs that score speech failed on {wav.name}: {answer['error']}"
            )
        return msgspec.convert(answer, Score)

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        # A question is answered with one line: whatever can be read is its beginning.
        if not select.select([self._process.stdout], [], [], timeout_s)[0]:
            raise ScoringUnavailable(f"The programs that score speech gave no answer within {timeout_s:g} s.")
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self) -> ScoringUnavailable:
        self._process.wait()  # its end of the pipes is closed
        return ScoringUnavailable(
            f"The programs that score speech ended with code {self._process.returncode}; their output is above."
        )

    def _stop(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:  # what was left to write is lost
                    pass
        self._process.wait()
