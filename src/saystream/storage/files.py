"""Audio files, kept in a folder or a bucket and removed when they are old or too many."""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, ParamSpec, TypeVar

import obstore
import structlog
from obstore.store import LocalStore, from_url

from saystream.errors import ConfigurationError, NoSuchFile, StoreUnavailable
from saystream.storage.deadline import in_time
from saystream.storage.private import make_private_folder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator

    from obstore import ObjectMeta
    from obstore.store import ObjectStore

    from saystream.config import FileSettings, Settings

__all__ = ["FileStore", "StoredFile"]

_NAME = re.compile(r"\d{8}/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(?:wav|pcm|mp3|opus)")
"""The paths that we write: the day and the request id. Nothing else in the store is read or removed, except…"""

_PART = re.compile(rf"{_NAME.pattern}#\d+")
"""…what a folder keeps of a file whose writer was killed. A bucket takes a file in one request, and keeps no parts."""

_RECORDING = re.compile(r"voices/[0-9a-f]{32}\.flac")
"""Recordings of voices. They do not expire: whoever keeps one removes it."""

_RECORDING_PART = re.compile(rf"{_RECORDING.pattern}#\d+")

_PART_KEPT_S = 3600.0
"""Another server may be writing it; nobody takes this long."""

_READ_BYTES = 1 << 20

_ANSWER_WITHIN_S = 20.0
"""For one piece or one file, a few megabytes at most. A disk or a bucket that takes longer is taken to hang."""

_THREADS = 16
"""More than one disk can use, few enough to lose to a store that hangs."""

_KEPT_AFTER_END_S = 60.0
"""A download that began in time may finish."""
_QUOTA_REFILL = 0.9
"""When the quota is reached, files are removed down to this share of it, not one for each new file."""

_log = structlog.get_logger(__name__)

_Taken = ParamSpec("_Taken")
_Given = TypeVar("_Given")


@dataclass(frozen=True, slots=True)
class StoredFile:
    size: int
    """Bytes."""
    tag: str
    """Differs for different content; may be empty."""
    modified_at: datetime
    """UTC."""


class FileStore:
    """The files of one server, or of several that share a store.

    The store is used from threads, because the asynchronous interface of obstore 0.12 may end the process with SIGABRT
    when the interpreter stops right after a call. They are its own: if it hangs, nothing else waits for one of them.
    """

    def __init__(
        self, store: ObjectStore, settings: FileSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        """``clock`` gives Unix seconds."""
        self._store = store
        self._settings = settings
        self._clock = clock
        self._total_bytes = 0
        """As of the last sweep, plus what this process has stored since."""
        self._full = asyncio.Event()
        self._threads = ThreadPoolExecutor(_THREADS, "files")

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[FileStore]:
        """The store that ``settings`` name; while it is open, expired files are removed.

        Raises ConfigurationError if the store cannot be opened.
        """
        files = cls(_open_store(settings), settings.files)
        sweeper = asyncio.create_task(files._sweep_for_ever())
        try:
            yield files
        finally:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper
            files._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(
        self, call: Callable[_Taken, _Given], *arguments: _Taken.args, **options: _Taken.kwargs
    ) -> _Given:
        """What ``call`` returns, or raises. Raises StoreUnavailable if that takes too long; it may happen later."""
        work = self._in_thread(partial(call, *arguments, **options))
        return await in_time(work, what="the store of audio files", within_s=_ANSWER_WITHIN_S)

    async def _in_thread(self, call: Callable[[], _Given]) -> _Given:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    # --- writing ---------------------------------------------------------------------------------------------------

    def new_path(self, file_id: str, extension: str = "wav") -> str:
        """Where to store the file with ``file_id``, a UUID, today; ``extension`` is wav, pcm, mp3 or opus."""
        return f"{datetime.fromtimestamp(self._clock(), UTC):%Y%m%d}/{file_id}.{extension}"

    async def put(self, path: str, file: IO[bytes], num_bytes: int) -> None:
        """Store ``file`` at a path from ``new_path``, all or nothing. Raises StoreUnavailable."""
        try:
            # In one piece: a file has at most a few megabytes, and pieces would cost a third of a short answer's time.
            await self._ask(obstore.put, self._store, path, file, use_multipart=False)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StoreUnavailable(f"the audio file cannot be stored ({type(error).__name__})") from error
        self._total_bytes += num_bytes
        if self._total_bytes > self._settings.max_total_bytes:
            self._full.set()

    # --- reading ---------------------------------------------------------------------------------------------------

    def holds(self, path: str) -> bool:
        """Whether ``path`` may hold one of our files. The other methods take no other path."""
        return _NAME.fullmatch(path) is not None

    async def describe(self, path: str) -> StoredFile:
        """Describe the file at ``path``. Raises NoSuchFile or StoreUnavailable."""
        with _reading():
            meta = await self._ask(obstore.head, self._store, path)
        tag = (meta["e_tag"] or "").strip('"')
        return StoredFile(meta["size"], tag, meta["last_modified"].astimezone(UTC))

    async def read(self, path: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start`` up to ``end``, in pieces. Raises NoSuchFile or StoreUnavailable."""
        for piece in range(start, end, _READ_BYTES):
            until = min(end, piece + _READ_BYTES)
            with _reading():
                read = await self._ask(obstore.get_range, self._store, path, start=piece, end=until)
            yield bytes(read)

    # --- recordings ------------------------------------------------------------------------------------------------

    async def keep_recording(self, recording_id: str, content: bytes) -> None:
        """Store a recording under an id of 32 hexadecimal digits, all or nothing. Raises StoreUnavailable."""
        path = _recording_path(recording_id)
        try:
            await self._ask(obstore.put, self._store, path, content, use_multipart=False)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StoreUnavailable(f"the recording cannot be stored ({type(error).__name__})") from error

    async def recording(self, recording_id: str) -> bytes:
        """A recording that was kept. Raises NoSuchFile or StoreUnavailable."""
        with _reading():
            return await self._ask(self._read_whole, _recording_path(recording_id))

    def _read_whole(self, path: str) -> bytes:
        return bytes(obstore.get(self._store, path).bytes())

    async def remove_recording(self, recording_id: str) -> None:
        """Remove a recording; does nothing if there is none. Raises StoreUnavailable."""
        try:
            await self._ask(obstore.delete, self._store, _recording_path(recording_id))
        except FileNotFoundError:
            return
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StoreUnavailable(f"the recording cannot be removed ({type(error).__name__})") from error

    # --- removing --------------------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Remove expired files and, if the rest exceeds the quota, the oldest of the rest."""
        kept, removed = await self._in_thread(self._list)
        total_bytes = sum(meta["size"] for meta in kept)
        if total_bytes > self._settings.max_total_bytes:
            kept.sort(key=lambda meta: meta["last_modified"])
            for meta in kept:
                if total_bytes <= self._settings.max_total_bytes * _QUOTA_REFILL:
                    break
                total_bytes -= meta["size"]
                removed.append(meta["path"])
            _log.warning("files are over their quota", max_bytes=self._settings.max_total_bytes)
        self._total_bytes = total_bytes
        if removed:
            await self._in_thread(partial(obstore.delete, self._store, removed))
            _log.info("files removed", files=len(removed), left_bytes=total_bytes)
        if isinstance(self._store, LocalStore) and (parts := await self._in_thread(self._remove_parts)):
            _log.info("parts of files removed", files=parts)

    def _remove_parts(self) -> int:
        """Removes what writers that were killed have left in the folder; returns how many files that were."""
        assert isinstance(self._store, LocalStore) and self._store.prefix is not None
        folder, oldest = Path(self._store.prefix), self._clock() - _PART_KEPT_S
        removed = 0
        for path in folder.glob("*/*#*"):
            with suppress(FileNotFoundError):  # its writer has just finished it
                name = path.relative_to(folder).as_posix()
                is_part = _PART.fullmatch(name) or _RECORDING_PART.fullmatch(name)
                if is_part and path.stat().st_mtime < oldest:
                    path.unlink()
                    removed += 1
        return removed

    def _list(self) -> tuple[list[ObjectMeta], list[str]]:
        """The files that have not expired, and the paths of those that have."""
        oldest = self._clock() - self._settings.url_ttl_s - _KEPT_AFTER_END_S
        kept, expired = [], []
        for batch in obstore.list(self._store):
            for meta in _ours(batch):
                if meta["last_modified"].timestamp() < oldest:
                    expired.append(meta["path"])
                else:
                    kept.append(meta)
        return kept, expired

    async def _sweep_for_ever(self) -> None:
        while True:
            self._full.clear()
            try:
                await self.sweep()
            except (obstore.exceptions.BaseError, OSError) as error:
                _log.warning("files cannot be swept", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.sweep_interval_s):
                    await self._full.wait()


def _recording_path(recording_id: str) -> str:
    path = f"voices/{recording_id}.flac"
    if _RECORDING.fullmatch(path) is None:
        raise ValueError("the id of a recording is 32 hexadecimal digits")
    return path


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NoSuchFile("the file was removed") from None
    except (obstore.exceptions.BaseError, OSError) as error:
        raise StoreUnavailable(f"the audio file cannot be read ({type(error).__name__})") from error


def _ours(batch: Iterable[ObjectMeta]) -> list[ObjectMeta]:
    return [meta for meta in batch if _NAME.fullmatch(meta["path"])]


def _open_store(settings: Settings) -> ObjectStore:
    url = settings.files.url
    try:
        if url is None:
            folder = settings.data_dir / "files"
            make_private_folder(folder)
            return LocalStore(folder, automatic_cleanup=True)
        return from_url(url)
    except (obstore.exceptions.BaseError, OSError, ValueError) as error:
        where = "data_dir" if url is None else "files.url"
        # Neither chained nor quoted: the message may hold the URL, and the URL a password.
        raise ConfigurationError(
            f"the audio file store cannot be opened ({type(error).__name__}): check {where}", param=where
        ) from None
