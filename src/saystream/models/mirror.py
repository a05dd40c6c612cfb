"""A folder or an address that holds models as a store does: on another machine, or on a USB stick."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec

from saystream.models.download import download
from saystream.models.manifest import FileEntry
from saystream.models.record import RECORD_NAME, Record, read_record
from saystream.models.staging import SourceFailed, SourceUnreachable, Staging

__all__ = ["FolderFetcher", "UrlFetcher", "mirror_fetcher"]


class FolderFetcher:
    """Copies from ``<place>/<model>/``."""

    def __init__(self, place: Path, model: str) -> None:
        self._folder = place / model

    def __str__(self) -> str:
        return f"folder {self._folder}"

    def listing(self) -> dict[str, FileEntry]:
        """The files recorded there. Raises SourceFailed."""
        record = read_record(self._folder)
        if record is None:
            raise SourceFailed(f"it has no {RECORD_NAME}")
        return record.entries()

    def fetch(self, wanted: dict[str, FileEntry], staging: Staging) -> None:
        """Raises SourceFailed if files are missing or wrong, after the others have been copied."""
        if not self._folder.is_dir():
            raise SourceFailed("there is no such folder")
        staging.need(sum(entry.size or 0 for entry in wanted.values()))
        staging.each(partial(self._copy, path, entry, staging) for path, entry in wanted.items())

    def _copy(self, path: str, entry: FileEntry, staging: Staging) -> None:
        original, copy = self._folder / path, staging.part(path, "copy")
        if not original.is_file():
            raise SourceFailed(f"it has no {path}")
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

    def listing(self) -> dict[str, FileEntry]:
        """The files recorded there. Raises SourceFailed."""
        try:
            answer = self._client.get(f"{self._address}/{RECORD_NAME}")
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=Record).entries()
        except httpx.TransportError as error:
            raise SourceUnreachable(f"it does not answer ({type(error).__name__})") from error
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise SourceFailed(f"it has no {RECORD_NAME}") from error

    def fetch(self, wanted: dict[str, FileEntry], staging: Staging) -> None:
        """Raises SourceFailed if files are missing or wrong, after the others have been fetched."""
        staging.each(partial(self._fetch_one, path, entry, staging) for path, entry in wanted.items())

    def _fetch_one(self, path: str, entry: FileEntry, staging: Staging) -> None:
        url = f"{self._address}/{quote(path)}"
        # Without a checksum nothing tells two versions apart, so a part from another day is not resumed.
        version = entry.sha256 or "unknown"
        if entry.sha256 is None:
            staging.part(path, version).unlink(missing_ok=True)
        download(self._client, url, staging, path=path, entry=entry, version=version, source=str(self))


def mirror_fetcher(place: str, model: str, client: httpx.Client) -> FolderFetcher | UrlFetcher:
    """``place`` is an ``http`` address or a folder."""
    if place.startswith(("http://", "https://")):
        return UrlFetcher(place, model, client)
    return FolderFetcher(Path(place).expanduser(), model)
