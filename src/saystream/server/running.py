"""How programs of the same user find the server that runs on this machine: by a file in its data folder.

Only the user can read or write the file, so that no other user's program can take the place of the server.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

import msgspec
import structlog

from saystream import __version__
from saystream.protocol.json import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from saystream.config import Settings

__all__ = ["announced", "running_server"]

_log = structlog.get_logger(__name__)

_FILE = "server.json"

_SOUND = {
    "engine",
    "engine_order",
    "engines",
    "inline_pauses",
    "markup",
    "max_realtime_factor",
    "models_dir",
    "segmenter",
    "usual_language",
}
"""The settings on which it depends how a text is spoken."""

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class _Announcement(msgspec.Struct, frozen=True):
    url: str
    pid: int
    sound: str
    """Equal if a text is spoken in the same way."""


@contextlib.contextmanager
def announced(settings: Settings, port: int) -> Iterator[None]:
    """While the block lasts, ``running_server`` finds this process, which listens on ``port``."""
    host = _ANY_ADDRESS.get(settings.host, settings.host)
    url = f"ws://{f'[{host}]' if ':' in host else host}:{port}"
    file = settings.data_dir / _FILE
    try:
        _write(file, msgspec.json.encode(_Announcement(url, os.getpid(), _sound(settings))))
    except OSError as error:
        _log.warning("not found by saystream say", reason=error.strerror)
    try:
        yield
    finally:
        if (now := _read(file)) is not None and now.pid == os.getpid():
            file.unlink(missing_ok=True)


def running_server(settings: Settings) -> str | None:
    """The address of a server that runs on this machine and would speak a text as these settings say."""
    found = _read(settings.data_dir / _FILE)
    return found.url if found is not None and found.sound == _sound(settings) and _lives(found.pid) else None


def _sound(settings: Settings) -> str:
    chosen = settings.model_dump_json(include=_SOUND)
    return hashlib.sha256(f"{__version__} {chosen}".encode()).hexdigest()


def _write(file: Path, announcement: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.touch(0o600)
    draft.write_bytes(announcement)
    draft.replace(file)


def _read(file: Path) -> _Announcement | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Announcement)
    except (OSError, *NOT_JSON):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's, so not the one that wrote the file
        return False
    return True
