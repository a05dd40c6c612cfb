"""Fixtures of the protocol tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def captures_dir(shared_dir: Path) -> Path:
    """Recorded traffic of the official SDK."""
    return shared_dir / "protocol" / "captures"
