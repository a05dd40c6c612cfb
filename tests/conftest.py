"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from foreign import REPOSITORY, Recogniser, foreign_python


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of protocol documents and recorded traffic, which is not part of the repository."""
    folder = Path(os.environ.get("SAYSTREAM_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "protocol").is_dir():
        pytest.skip("the protocol documents are not here: SAYSTREAM_SHARED names no folder that has them")
    return folder


@pytest.fixture(scope="session")
def dashscope_python() -> Callable[[str], Path]:
    """``dashscope_python("2.0.2")`` is an interpreter that has that official SDK, and nothing of ours."""
    return lambda version: foreign_python(f"dashscope-{version}")


@pytest.fixture
def recogniser(tmp_path: Path) -> Recogniser:
    return Recogniser(python=foreign_python("asr"), workspace=tmp_path)
