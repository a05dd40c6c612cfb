"""Takes files out of the archives of packages: only the files wanted, and never to the paths that the archives name."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import IO, NoReturn

from saystream.models.manifest import FileEntry
from saystream.models.staging import SourceFailed

__all__ = ["join_pieces", "unpack"]

_BLOCK_BYTES = 1 << 20

_MAX_RATIO = 8
"""Bytes in an archive, for each of its own, beyond the files wanted: text shrinks to a quarter…"""
_MARGIN_BYTES = 1 << 20
"""…and the padding of a tar to nothing."""

_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError),
    *(RuntimeError, ValueError, OverflowError, struct.error),  # encrypted, or full of impossible numbers
)


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
    unpacked_bytes = sum(entry.size or 0 for entry in wanted.values())
    with _broken_archives_refused():
        for name, read in _members(archives, unpacked_bytes):
            if (path := places.pop(name, None)) is not None:
                candidate = work / "candidate"
                try:
                    _copy(read(), candidate, wanted[path].size)
                    deliver(path, wanted[path], candidate)
                except SourceFailed as failure:
                    failures.append(failure)
    if failures:
        raise failures[0]
    if places:
        raise SourceFailed(f"it has no {next(iter(places))}")


def join_pieces(archives: Iterable[Path], pattern: str, work: Path, *, size: int) -> Path:
    """One file of ``size`` bytes from all pieces whose names match, in the order of the last number in each name.

    Raises SourceFailed if there are none, if one in the sequence is missing, or if they are longer.
    """
    pieces: dict[int, Path] = {}
    left = size
    with _broken_archives_refused():
        for name, read in _members(archives, size):
            if fnmatchcase(name, pattern):
                number = int((re.findall(r"\d{1,9}", name) or ["0"])[-1])
                if number in pieces:
                    raise SourceFailed(f"piece {number} is there twice")
                pieces[number] = work / f"piece-{number}"
                left -= _copy(read(), pieces[number], left)
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


def _members(archives: Iterable[Path], wanted_bytes: int) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """Regular files in archives: those of a tar by their path below its top folder. Read each before the next."""
    for archive in archives:
        if zipfile.is_zipfile(archive):
            yield from _in_zip(archive)
        else:
            yield from _in_tar(archive, wanted_bytes + _MAX_RATIO * archive.stat().st_size + _MARGIN_BYTES)


@contextmanager
def _broken_archives_refused() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise SourceFailed(f"an archive is not complete ({type(error).__name__})") from error


def _in_zip(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if member.header_offset < 0:
                raise zipfile.BadZipFile("a file begins before its archive")
            if member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                yield member.filename, partial(opened.open, member)


def _in_tar(archive: Path, max_bytes: int) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    with (
        gzip.open(archive) as unzipped,
        tarfile.open(fileobj=_Bounded(unzipped, max_bytes), mode="r:") as opened,
    ):
        for member in opened:
            if member.isreg() and not member.issparse():
                yield member.name.partition("/")[2], partial(_content, opened, member)


def _content(opened: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = opened.extractfile(member)
    assert content is not None  # it is a regular file
    return content


class _Bounded(io.RawIOBase):
    """A compressed file that gives no more than ``max_bytes``: a small one may hold terabytes.

    Raises SourceFailed beyond that.
    """

    def __init__(self, content: gzip.GzipFile, max_bytes: int) -> None:
        self._content = content
        self._max_bytes = max_bytes

    def read(self, size: int = -1, /) -> bytes:
        left = self._max_bytes - self._content.tell()
        given = self._content.read(left + 1 if size < 0 else min(size, left + 1))
        if len(given) > left:
            self._refuse()
        return given

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence != os.SEEK_SET or offset > self._max_bytes:
            self._refuse()
        return self._content.seek(offset)

    def tell(self) -> int:
        return self._content.tell()

    def _refuse(self) -> NoReturn:
        raise SourceFailed(f"an archive holds more than {self._max_bytes} bytes")


def _copy(content: IO[bytes], into: Path, max_bytes: int | None) -> int:
    """Returns how many bytes it had. Raises SourceFailed beyond ``max_bytes``."""
    num_bytes = 0
    with content, into.open("wb") as file:
        while block := content.read(_BLOCK_BYTES):
            num_bytes += len(block)
            if max_bytes is not None and num_bytes > max_bytes:
                raise SourceFailed(f"a file in an archive does not end after its {max_bytes} bytes")
            file.write(block)
    return num_bytes
