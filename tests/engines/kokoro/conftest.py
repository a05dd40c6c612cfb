from __future__ import annotations

from pathlib import Path

import pytest

from .tiny_model import write_tiny_kokoro


@pytest.fixture(scope="session")
def tiny_kokoro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Kokoro that hums."""
    return write_tiny_kokoro(tmp_path_factory.mktemp("tiny") / "kokoro")
