"""Archives of packages and records of models, from anyone: only what is wanted is taken, or SourceFailed is raised."""

from __future__ import annotations

import atexit
import gzip
import hashlib
import io
import shutil
import tempfile
import zipfile
from pathlib import Path

from fuzzing.reading import Reader
from saystream.models.archives import join_pieces, unpack
from saystream.models.manifest import FileEntry
from saystream.models.mirror import _entries
from saystream.models.staging import SourceFailed, check_path

MAX_BYTES = 2048
DICTIONARY = "archives"

_WANTED = {"a": FileEntry(size=40), "b/c": FileEntry(size=8)}
_MEMORY = Path("/dev/shm")
_work = Path(tempfile.mkdtemp(prefix="saystream-fuzzing-", dir=_MEMORY if _MEMORY.is_dir() else None))
atexit.register(shutil.rmtree, _work, ignore_errors=True)


def one(data: bytes) -> None:
    reader = Reader(data)
    kind = reader.byte() % 4
    if kind == 3:
        _record(reader.rest())
        return
    archive = _work / "archive"
    archive.write_bytes(_archive(kind, reader.rest()))
    _unpack(archive, _work)
    _join(archive, _work)
    (_work / "candidate").unlink(missing_ok=True)
    (_work / "joined").unlink(missing_ok=True)
    for piece in _work.glob("piece-*"):
        piece.unlink()
    assert [path.name for path in _work.iterdir()] == ["archive"]


def _archive(kind: int, content: bytes) -> bytes:
    """As it is, or as the content of an archive whose checksums are right."""
    if kind == 0:
        return content
    if kind == 1:
        return gzip.compress(content, 1, mtime=0)
    file = io.BytesIO()
    name, _, rest = content.partition(b"\0")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr(zipfile.ZipInfo(name.decode("latin-1") or "a"), rest)
    return file.getvalue()


def _unpack(archive: Path, work: Path) -> None:
    def deliver(path: str, entry: FileEntry, candidate: Path) -> None:
        assert _WANTED[path] is entry
        assert candidate.stat().st_size <= (entry.size or 0)

    try:
        unpack([archive], "{path}", _WANTED, work, deliver)
    except SourceFailed:
        return


def _join(archive: Path, work: Path) -> None:
    try:
        joined = join_pieces([archive], "a*", work, size=64)
    except SourceFailed:
        return
    assert joined.stat().st_size <= 64


def _record(content: bytes) -> None:
    try:
        entries = _entries(content, hashlib.sha256(content).hexdigest())
        for path in entries:
            check_path(path)
            assert not Path(path).is_absolute()
            assert ".." not in Path(path).parts
    except SourceFailed:
        return
