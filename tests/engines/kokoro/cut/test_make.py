from __future__ import annotations

from pathlib import Path

import pytest

from saystream.engines.kokoro.cut.make import make_parts
from saystream.engines.kokoro.parts import CONSTANTS, MODELS, PARTS_FOLDER, folder_of_parts
from saystream.errors import EngineUnavailable


def test_an_export_that_cannot_be_cut_leaves_its_folder_as_it_was(tiny_kokoro: Path) -> None:
    before = sorted(tiny_kokoro.iterdir())
    with pytest.raises(EngineUnavailable, match="another export"):
        make_parts(tiny_kokoro)
    assert sorted(tiny_kokoro.iterdir()) == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"missing: No such file or directory"):
        make_parts(tmp_path / "missing")


@pytest.mark.slow
def test_the_parts_are_whole_and_are_not_made_twice(parted_kokoro: Path) -> None:
    parts = parted_kokoro / PARTS_FOLDER
    assert folder_of_parts(parted_kokoro) == parts
    files = {file.name: file.stat() for file in parts.iterdir() if file.is_file()}
    assert set(files) >= {*(f"{name}.onnx" for name in MODELS), CONSTANTS, "version"}
    make_parts(parted_kokoro)
    assert {name: (parts / name).stat().st_mtime_ns for name in files} == {
        name: stat.st_mtime_ns for name, stat in files.items()
    }
