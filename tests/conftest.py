"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from foreign import Recogniser, foreign_python


@pytest.fixture(scope="session")
def dashscope_python() -> Callable[[str], Path]:
    """``dashscope_python("2.0.2")`` is an interpreter that has that official SDK, and nothing of ours."""
    return lambda version: foreign_python(f"dashscope-{version}")


@pytest.fixture
def recogniser(tmp_path: Path) -> Recogniser:
    return Recogniser(python=foreign_python("asr"), workspace=tmp_path)
