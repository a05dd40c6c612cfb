"""The files of one model on their way into the store: nothing leaves here unchecked."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from saystream.errors import StorageFull, quote
from saystream.models.manifest import FileEntry
from saystream.models.progress import PullWatcher

__all__ = [
    "FileRecord",
    "SourceFailed",
    "SourceUnreachable",
    "Staging",
    "Stopped",
    "check_path",
    "is_full",
    "measure",
    "megabytes",
    "out_of_room",
]

_PARALLEL_FILES = 4
_BLOCK_BYTES = 1 << 20
_MARGIN_BYTES = 64 << 20
"""Left free on the disk beyond what a model needs."""

_MAX_NAME_BYTES = 240
"""Of a file or a folder; file systems take 255."""
_MAX_FOLDERS = 16

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class SourceFailed(Exception):
    """A source did not deliver what it should; the next one is tried."""


class SourceUnreachable(SourceFailed):
    """A source does not answer: asking it for another file is pointless."""


class Stopped(Exception):
    """Another thread of the same pull has failed."""


class FileRecord(msgspec.Struct, frozen=True):
    """A file as it was when it was fetched."""

    size: int
    """Bytes."""
    sha256: str
    source: str
    """Where it came from, in words."""


@dataclass(frozen=True, slots=True)
class _Measured:
    size: int
    sha256: str


class Staging:
    """A folder inside the store in which the files of a model are collected.

    ``parts/`` holds unfinished downloads, which a later pull resumes; ``files/`` holds checked files.
    """

    def __init__(self, folder: Path, watcher: PullWatcher) -> None:
        self.watcher = watcher
        self.stopped = threading.Event()
        """Set when the pull ends early: downloads stop at their next block."""
        self.delivered: dict[str, FileRecord] = {}
        self._folder = folder
        self.files = folder / "files"
        self._parts = folder / "parts"
        for inner in (self.files, self._parts):
            inner.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("work-*"):
            shutil.rmtree(left, ignore_errors=True)

    def missing(self, wanted: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
        """Those that are not here yet."""
        return {path: entry for path, entry in wanted.items() if path not in self.delivered}

    def keep_checked(self, wanted: Mapping[str, FileEntry]) -> None:
        """Take the files that an interrupted pull left in ``files/``, if their checksum is known and correct."""
        for path, entry in self.missing(wanted).items():
            here = self.files / path
            if here.is_file():
                found = measure(here)
                if _difference(found, here, entry) is None:
                    self.delivered[path] = FileRecord(found.size, found.sha256, "an interrupted pull")
                else:
                    here.unlink()

    def part(self, path: str, version: str) -> Path:
        """Where a download of ``path`` is collected; ``version`` separates contents that must not be mixed."""
        name = hashlib.sha256(f"{path} {version}".encode()).hexdigest()[:16]
        return self._parts / name

    def deliver(self, path: str, entry: FileEntry, candidate: Path, source: str) -> None:
        """Check ``candidate`` and make it the file ``path``. If it is wrong, or cannot be checked because its checksum
        is not known, removes it and raises SourceFailed."""
        check_path(path)
        found = measure(candidate)
        if (wrong := _difference(found, candidate, entry)) is not None:
            candidate.unlink()
            raise SourceFailed(f"{path} {wrong}")
        _sync(candidate)
        target = self.files / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(candidate, target)
        self.delivered[path] = FileRecord(found.size, found.sha256, source)

    def each(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Run the jobs, a few at once. One that fails does not affect the others.

        Raises the first error when all are done, but SourceUnreachable and errors of this machine at once.
        """
        with self._threads() as threads:
            begun = [threads.submit(self._unless_stopped, job) for job in jobs]
            pending, failures = set(begun), list[BaseException]()
            while pending:
                _, pending = wait(pending, return_when=FIRST_EXCEPTION)
                failures = [error for job in begun if job.done() and (error := job.exception()) is not None]
                for error in failures:
                    if not isinstance(error, SourceFailed) or isinstance(error, SourceUnreachable):
                        raise error
            if failures:
                raise failures[0]

    def _unless_stopped(self, job: Callable[[], None]) -> None:
        if not self.stopped.is_set():
            job()

    @contextmanager
    def _threads(self) -> Iterator[ThreadPoolExecutor]:
        threads = ThreadPoolExecutor(_PARALLEL_FILES, thread_name_prefix="pull")
        try:
            yield threads
        except BaseException:
            self.stopped.set()
            raise
        finally:
            threads.shutdown(cancel_futures=True)
            self.stopped.clear()

    @contextmanager
    def work_folder(self) -> Iterator[Path]:
        """A temporary folder that nothing else uses, not even leftovers of a killed pull."""
        folder = Path(tempfile.mkdtemp(prefix="work-", dir=self._folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def need(self, num_bytes: int) -> None:
        """Raises StorageFull if this much does not fit."""
        if shutil.disk_usage(self._folder).free < num_bytes + _MARGIN_BYTES:
            raise out_of_room(self._folder, num_bytes)

    def prune(self) -> None:
        """Remove files from ``files/`` that are not part of the model: they are from an interrupted pull of another
        version."""
        for file in [file for file in self.files.rglob("*") if file.is_file()]:
            if file.relative_to(self.files).as_posix() not in self.delivered:
                file.unlink()

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def remove_if_empty(self) -> None:
        """Leave nothing behind if the pull got nothing."""
        for folder in (self.files, self._parts, self._folder):
            with contextlib.suppress(OSError):
                folder.rmdir()


def check_path(path: str) -> None:
    """Raises SourceFailed for a path that cannot be that of a file in a model's folder."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts:
        raise SourceFailed(f"{path!a} would be outside the model's folder")
    sensible = parts and path == "/".join(parts) and path.isprintable() and "\\" not in path
    if (
        not sensible
        or len(parts) > _MAX_FOLDERS
        or max(len(os.fsencode(part)) for part in parts) > _MAX_NAME_BYTES
    ):
        raise SourceFailed(f"{quote(ascii(path))} is no path of a file")


def _difference(found: _Measured, candidate: Path, entry: FileEntry) -> str | None:
    if not entry.is_known:
        return "has no known checksum"
    if found.size != entry.size:
        return f"has {found.size} bytes instead of {entry.size}"
    if entry.sha256 is not None and found.sha256 != entry.sha256:
        return f"has the SHA-256 {found.sha256[:12]}… instead of {entry.sha256[:12]}…"
    if entry.git_blob is not None and (blob := _git_blob(candidate, found.size)) != entry.git_blob:
        return f"has git's SHA-1 {blob[:12]}… instead of {entry.git_blob[:12]}…"
    return None


def _git_blob(file: Path, size: int) -> str:
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with file.open("rb") as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def measure(file: Path) -> _Measured:
    """Size and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return _Measured(size, digest.hexdigest())


def out_of_room(folder: Path, num_bytes: int | None = None) -> StorageFull:
    """The error for a full disk; ``num_bytes`` were needed."""
    free = shutil.disk_usage(folder).free
    needed = f"{megabytes(num_bytes)} more are needed, and " if num_bytes else ""
    return StorageFull(
        f"There is no room in {folder}: {needed}{megabytes(free)} are free."
        " Make room, or name another place with the setting models_dir."
    )


def is_full(error: OSError) -> bool:
    """Whether the disk was too full to write."""
    return error.errno in _FULL


def megabytes(num_bytes: int) -> str:
    """For people."""
    return f"{num_bytes / 1e6:.{0 if num_bytes >= 10e6 else 1}f} MB"


def _sync(file: Path) -> None:
    """To the disk: a file that was renamed into place must survive a power cut with its content."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
