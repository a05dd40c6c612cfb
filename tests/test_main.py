from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from saystream import __version__


def run(*arguments: str, missing: str | None = None, folder: Path) -> subprocess.CompletedProcess[str]:
    """The program, in a Python that lacks one module, which its child processes lack too."""
    if missing is not None:
        error = f"ModuleNotFoundError(\"No module named '{missing}'\", name='{missing}')"
        (folder / f"{missing}.py").write_text(f"raise {error}")
    return subprocess.run(
        [sys.executable, "-m", "saystream", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "400"},
    )


def test_it_runs_the_command_line(tmp_path: Path) -> None:
    assert run("--version", folder=tmp_path).stdout == f"saystream {__version__}\n"


@pytest.mark.parametrize("missing", ["av", "lameenc", "typer"])
def test_without_a_package_it_needs_it_says_in_one_line_what_to_install(missing: str, tmp_path: Path) -> None:
    ran = run("engines", missing=missing, folder=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr == (
        f"saystream: the module '{missing}' is not installed. "
        "Install all that the command line needs with: pip install 'saystream[server]'\n"
    )


def test_without_the_library_of_espeak_only_its_engine_is_missing(tmp_path: Path) -> None:
    ran = run("engines", missing="espeakng_loader", folder=tmp_path)
    rows = {line.split()[0]: line for line in ran.stdout.splitlines() if line.strip()}
    assert "needs the module 'espeakng_loader'" in rows["espeak"]
    assert "pip install 'saystream[server]'" in rows["espeak"]
    assert "any" in rows["tone"]
    assert "hibari (native, 21 voices)" in rows["English:"]
    assert "nobody" in rows["German:"]
    spoken = run(
        *("say", "--engine", "tone", "--output", "spoken.wav", "One sentence."),
        missing="espeakng_loader",
        folder=tmp_path,
    )
    assert (spoken.returncode, (tmp_path / "spoken.wav").stat().st_size > 10_000) == (0, True), spoken.stderr


def test_without_libsonic_speech_is_still_hurried(tmp_path: Path) -> None:
    sizes = {}
    for missing in (None, "libsonic"):
        spoken = run(
            *("say", "--engine", "tone", "--rate", "1.5", "--output", f"{missing}.wav", "One sentence."),
            missing=missing,
            folder=tmp_path,
        )
        assert spoken.returncode == 0, spoken.stderr
        sizes[missing] = (tmp_path / f"{missing}.wav").stat().st_size
    assert sizes["libsonic"] == pytest.approx(sizes[None], rel=0.05)
