"""``docs/reference/client.md`` says what the code does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from saystream.client import Limits, Timeouts

from .doubles import serving, spoken

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "client.md").read_text("utf-8")


def test_the_first_example_runs(tmp_path: Path) -> None:
    (example, *_) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with serving() as server:
        program = example.replace("ws://127.0.0.1:8321", server.base_url)
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-c", program],
            cwd=tmp_path,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "hello.wav").read_bytes() == spoken("Hello, world.")


@pytest.mark.parametrize("options", [Timeouts, Limits])
def test_every_option_stands_there_with_its_default(options: type[Timeouts] | type[Limits]) -> None:
    for option in fields(options):
        assert f"| `{option.name}` | {option.default:.10g} |" in PAGE
