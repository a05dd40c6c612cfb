"""A folder or an address that holds models as a store does: on another machine, or on a USB stick."""

from __future__ import annotations

import hashlib
import shutil
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec

from saystream.models.download import download
from saystream.models.manifest import FileEntry
from saystream.models.record import RECORD_NAME, Record
from saystream.models.staging import SourceFailed, SourceUnreachable, Staging, check_path
from saystream.protocol.json import NOT_JSON

__all__ = ["FolderFetcher", "UrlFetcher", "mirror_fetcher"]

_MAX_RECORD_BYTES = 4 << 20
"""The record of a model with a thousand files has a tenth of it."""


class FolderFetcher:
    """Copies from ``<place>/<model>/``."""

    def __init__(self, place: Path, model: str) -> None:
        self._folder = place / model

    def __str__(self) -> str:
        return f"folder {self._folder}"

    def recorded(self, digest: str) -> dict[str, FileEntry]:
        """The files of its record, if that has the SHA-256 ``digest``. Raises SourceFailed."""
        try:
            with (self._folder / RECORD_NAME).open("rb") as file:
                return _entries(file.read(_MAX_RECORD_BYTES), digest)
        except OSError as error:
            raise SourceFailed(f"it has no {RECORD_NAME}") from error

    def fetch(self, wanted: dict[str, FileEntry], staging: Staging) -> None:
        """Raises SourceFailed if files are missing or wrong, after the others have been copied."""
        if not self._folder.is_dir():
            raise SourceFailed("there is no such folder")
        staging.need(sum(entry.size or 0 for entry in wanted.values()))
        staging.each(partial(self._copy, path, entry, staging) for path, entry in wanted.items())

    def _copy(self, path: str, entry: FileEntry, staging: Staging) -> None:
        original, copy = self._folder / path, staging.part(path, "copy")
        check_path(path)
        if not original.is_file():
            raise SourceFailed(f"it has no {path}")
        if (size := original.stat().st_size) != entry.size:
            raise SourceFailed(f"{path} has {size} bytes instead of {entry.size}")
        staging.watcher.begins(path, entry.size)
        try:
            shutil.copyfile(original, copy)
        finally:
            staging.watcher.ends(path)
        staging.deliver(path, entry, copy, str(self))


class UrlFetcher:
    """Downloads from ``<place>/<model>/``."""

    def __init__(self, place: str, model: str, client: httpx.Client) -> None:
        self._address = f"{place.rstrip('/')}/{quote(model)}"
        self._client = client

    def __str__(self) -> str:
        return self._address

    def recorded(self, digest: str) -> dict[str, FileEntry]:
        """The files of its record, if that has the SHA-256 ``digest``. Raises SourceFailed."""
        content = b""
        try:
            with self._client.stream("GET", f"{self._address}/{RECORD_NAME}") as answer:
                answer.raise_for_status()
                for block in answer.iter_raw():
                    content += block
                    if len(content) >= _MAX_RECORD_BYTES:
                        break
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise SourceFailed(f"{type(error).__name__}: {error}") from error
        except httpx.TransportError as error:
            raise SourceUnreachable(f"it does not answer ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            raise SourceFailed(f"it has no {RECORD_NAME}") from error
        return _entries(content, digest)

    def fetch(self, wanted: dict[str, FileEntry], staging: Staging) -> None:
        """Raises SourceFailed if files are missing or wrong, after the others have been fetched."""
        staging.each(partial(self._fetch_one, path, entry, staging) for path, entry in wanted.items())

    def _fetch_one(self, path: str, entry: FileEntry, staging: Staging) -> None:
        url = f"{self._address}/{quote(path)}"
        version = entry.sha256 or entry.git_blob or ""
        download(self._client, url, staging, path=path, entry=entry, version=version, source=str(self))


def _entries(record: bytes, digest: str) -> dict[str, FileEntry]:
    """What a record says its files must be. Raises SourceFailed unless its SHA-256 is ``digest``."""
    found = hashlib.sha256(record).hexdigest()
    if found != digest.lower():
        raise SourceFailed(f"its {RECORD_NAME} has the SHA-256 {found[:12]}… instead of {digest[:12]}…")
    try:
        return msgspec.json.decode(record, type=Record).entries()
    except NOT_JSON as error:
        raise SourceFailed(f"its {RECORD_NAME} cannot be read") from error


def mirror_fetcher(place: str, model: str, client: httpx.Client) -> FolderFetcher | UrlFetcher:
    """``place`` is an ``http`` address or a folder."""
    if place.startswith(("http://", "https://")):
        return UrlFetcher(place, model, client)
    return FolderFetcher(Path(place).expanduser(), model)
