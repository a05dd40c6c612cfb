from __future__ import annotations

from pathlib import Path

from saystream.engines.kokoro.parts import PARTS_FOLDER, VERSION, VERSION_FILE, folder_of_parts


def test_parts_of_this_version_are_found_and_others_are_not(tmp_path: Path) -> None:
    assert folder_of_parts(tmp_path) is None
    parts = tmp_path / PARTS_FOLDER
    parts.mkdir()
    (parts / VERSION_FILE).write_text("of another time")
    assert folder_of_parts(tmp_path) is None
    (parts / VERSION_FILE).write_text(VERSION)
    assert folder_of_parts(tmp_path) == parts
