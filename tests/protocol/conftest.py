"""Fixtures of the protocol tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def captures_dir() -> Path:
    """Recorded traffic of the official SDK, which is not in the repository: skips without it."""
    root = Path(os.environ.get("SAYSTREAM_SHARED", REPOSITORY.parent / "shared"))
    captures = root / "protocol" / "captures"
    if not captures.is_dir():
        pytest.skip("no recorded traffic: SAYSTREAM_SHARED does not name a folder that has it")
    return captures
