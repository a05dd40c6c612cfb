"""Keeps files and folders from other users of the machine."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["close_to_others", "make_private_folder"]


def close_to_others(path: Path) -> None:
    """Takes from group and others every right to ``path``, which exists. Raises OSError if it is another user's."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        path.chmod(mode & 0o700)


def make_private_folder(path: Path) -> None:
    """Makes ``path`` a folder that only its owner may enter, also if it was there before. Raises OSError."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    close_to_others(path)
