from __future__ import annotations

import stat
from pathlib import Path

import pytest

from saystream.storage.private import close_to_others, make_private_folder


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("before", "after"), [(0o644, 0o600), (0o777, 0o700), (0o600, 0o600), (0o440, 0o400)]
)
def test_only_the_rights_of_the_owner_stay(tmp_path: Path, before: int, after: int) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(before)
    close_to_others(path)
    assert mode_of(path) == after


def test_a_folder_that_was_there_before_is_closed_like_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old").chmod(0o755)
    for name in ("old", "new"):
        make_private_folder(tmp_path / name)
        assert mode_of(tmp_path / name) == 0o700


def test_a_file_in_the_way_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        make_private_folder(tmp_path / "file")
