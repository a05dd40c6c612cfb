from __future__ import annotations

from pathlib import Path

import pytest

from saystream.engines.kokoro.cut.make import make_parts
from saystream.engines.kokoro.parts import folder_of_parts

from .tiny_model import write_tiny_kokoro


@pytest.fixture(scope="session")
def tiny_kokoro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Kokoro that hums."""
    return write_tiny_kokoro(tmp_path_factory.mktemp("tiny") / "kokoro")


@pytest.fixture(scope="session")
def parted_kokoro(kokoro_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kokoro's real weights with the parts, which are made where ``saystream models pull`` has not."""
    if folder_of_parts(kokoro_folder) is not None:
        return kokoro_folder
    folder = tmp_path_factory.mktemp("parted")
    for name in ("model.onnx", "voices"):
        (folder / name).symlink_to(kokoro_folder / name)
    make_parts(folder)
    return folder
