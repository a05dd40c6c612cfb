"""The base install is the client alone: what a server needs is never imported by it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SERVER_ONLY = ("numpy", "pydantic", "starlette", "uvicorn", "sqlalchemy", "av", "typer", "rich", "structlog")


@pytest.mark.parametrize(
    "module", ["saystream.client", "saystream.sdk", "saystream.sdk.audio.qwen_tts_realtime"]
)
def test_importing_it_brings_in_nothing_of_a_server(module: str) -> None:
    script = f"import sys, {module}; print(*sorted(name for name in {SERVER_ONLY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
