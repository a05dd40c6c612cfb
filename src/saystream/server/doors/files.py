"""Audio files behind links: kept in a folder or in a bucket, given out in whole or in part, removed when expired."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import IO, TYPE_CHECKING

import obstore
import structlog
from obstore.store import LocalStore, from_url
from starlette.responses import Response, StreamingResponse

from saystream.errors import ConfigurationError, NoSuchFile, StoreUnavailable
from saystream.server.access.links import LinkSigner, base_url, read_secret
from saystream.server.web.openapi import BINARY, Answer, Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from obstore import ObjectMeta
    from obstore.store import ObjectStore
    from starlette.requests import Request

    from saystream.config import FileSettings, Settings

__all__ = ["OPERATION", "PATH", "AudioFiles", "Link", "byte_range"]

PATH = "/files/{date}/{name}"

OPERATION = Operation(
    name="read_file",
    summary="An audio file",
    description="A link as the generation door gives it. It needs no key, and works until it expires.",
    parameters=(
        Parameter("date", "path", "The day it was made.", {"type": "string"}),
        Parameter("name", "path", "The id of its request, and `.wav`.", {"type": "string"}),
        Parameter("expires", "query", "Unix seconds.", {"type": "string"}),
        Parameter("signature", "query", "Over the path and `expires`.", {"type": "string"}),
        Parameter("Range", "header", "One range of bytes.", {"type": "string"}, required=False),
    ),
    answers={
        200: Answer("The file.", {"audio/wav": BINARY}),
        206: Answer("The range.", {"audio/wav": BINARY}, headers={"content-range": "Which bytes these are."}),
        416: Answer(
            "Nothing of the file is in the range.", {}, headers={"content-range": "The file's size."}
        ),
    },
    refusals=(403, 404, 503),
    needs_key=False,
)
"""What the OpenAPI document says of it."""

_NAME = re.compile(r"\d{8}/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.wav")
"""What we write: the day, and the id of the request. Nothing else in the store is read or removed."""

_READ_BYTES = 1 << 20
_KEPT_AFTER_END_S = 60.0
"""A download that began in time may end."""
_QUOTA_REFILL = 0.9
"""Where the quota is reached, files are removed down to this part of it: not one by one with each new one."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a file will be, once it is stored."""

    path: str
    """In the store."""
    url: str
    expires_at: int
    """Unix seconds."""


class AudioFiles:
    """The files of one server, or of several that share a store.

    The store is used from threads: the asynchronous interface of obstore 0.12 may end the process with SIGABRT when
    the interpreter stops right after a call.
    """

    def __init__(
        self,
        store: ObjectStore,
        signer: LinkSigner,
        settings: FileSettings,
        *,
        public_url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` gives Unix seconds."""
        self._store = store
        self._signer = signer
        self._settings = settings
        self._public_url = public_url
        self._clock = clock
        self._total_bytes = 0
        """As of the last sweep, and what this process stored since."""
        self._full = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[AudioFiles]:
        """The files that ``settings`` name; expired ones are removed for as long as it is open.

        Raises ConfigurationError where the store cannot be opened.
        """
        own = settings.files
        secret = read_secret(settings.data_dir) if own.secret is None else own.secret.encode()
        files = cls(_open_store(settings), LinkSigner(secret), own, public_url=settings.public_url)
        sweeper = asyncio.create_task(files._sweep_for_ever())
        try:
            yield files
        finally:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper

    # --- writing ---------------------------------------------------------------------------------------------------

    def link(self, request: Request, file_id: str) -> Link:
        """Where the file of ``file_id``, a UUID, will be for the client that sends ``request``.

        Raises InvalidRequest for a ``Host`` that is no host name.
        """
        now_s = self._clock()
        path = f"{datetime.fromtimestamp(now_s, UTC):%Y%m%d}/{file_id}.wav"
        expires_at = int(now_s + self._settings.url_ttl_s)
        query = self._signer.query(path, expires_at)
        return Link(path, f"{base_url(request, self._public_url)}/files/{path}?{query}", expires_at)

    async def put(self, link: Link, file: IO[bytes], num_bytes: int) -> None:
        """Store ``file`` under its link: all of it or nothing. Raises StoreUnavailable."""
        try:
            # In one piece: a file is a few megabytes at most, and pieces cost a third of the time of a short answer.
            await asyncio.to_thread(obstore.put, self._store, link.path, file, use_multipart=False)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StoreUnavailable(f"the audio file cannot be stored ({type(error).__name__})") from error
        self._total_bytes += num_bytes
        if self._total_bytes > self._settings.max_total_bytes:
            self._full.set()

    # --- reading ---------------------------------------------------------------------------------------------------

    async def serve(self, request: Request) -> Response:
        """Answers GET and HEAD of a link, of all or of one range of bytes.

        Raises NoSuchFile for what is no file of ours, AccessDenied for a link that is changed or has expired.
        """
        path = f"{request.path_params['date']}/{request.path_params['name']}"
        if not _NAME.fullmatch(path):
            raise NoSuchFile("nothing answers at this path")
        self._signer.check(path, request.query_params, now_s=self._clock())
        meta = await self._meta(path)
        size = meta["size"]
        headers = _headers(meta, self._settings.url_ttl_s)
        wanted = (
            byte_range(request.headers.get("range", ""), size) if _may_be_part(request, headers) else None
        )
        if wanted == (0, 0):
            headers["content-range"] = f"bytes */{size}"
            return Response(status_code=416, headers=headers)
        start, end = wanted or (0, size)
        headers["content-length"] = str(end - start)
        if wanted is not None:
            headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        status = 200 if wanted is None else 206
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers, media_type="audio/wav")
        return StreamingResponse(
            self._read(path, start, end), status_code=status, headers=headers, media_type="audio/wav"
        )

    async def _meta(self, path: str) -> ObjectMeta:
        try:
            return await asyncio.to_thread(obstore.head, self._store, path)
        except FileNotFoundError:
            raise NoSuchFile("the file was removed") from None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StoreUnavailable(f"the audio file cannot be read ({type(error).__name__})") from error

    async def _read(self, path: str, start: int, end: int) -> AsyncIterator[bytes]:
        for piece in range(start, end, _READ_BYTES):
            until = min(end, piece + _READ_BYTES)
            yield bytes(await asyncio.to_thread(obstore.get_range, self._store, path, start=piece, end=until))

    # --- removing --------------------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Remove what has expired, and, where the rest is over the quota, the oldest of it."""
        kept, removed = await asyncio.to_thread(self._list)
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
            await asyncio.to_thread(obstore.delete, self._store, removed)
            _log.info("files removed", files=len(removed), left_bytes=total_bytes)

    def _list(self) -> tuple[list[ObjectMeta], list[str]]:
        """What is within its time, and the paths of what is not."""
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


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and end (exclusive) of what a ``Range`` header asks of a file of ``size`` bytes.

    ``None`` for all of it: without a header, and for several ranges or another unit, which may be ignored (RFC 9110,
    14.2). ``(0, 0)`` where nothing of the file is in the range.
    """
    match = _RANGE.fullmatch(header.strip().replace(" ", ""))
    if match is None or match[1] == match[2] == "":
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
        if match[2] and int(match[2]) < start:
            return None
    return (start, end) if start < end else (0, 0)


def _may_be_part(request: Request, headers: dict[str, str]) -> bool:
    """Whether the client has a part of this very file, or does not say."""
    return request.headers.get("if-range", headers["etag"]) in (headers["etag"], headers["last-modified"])


def _headers(meta: ObjectMeta, ttl_s: float) -> dict[str, str]:
    tag = (meta["e_tag"] or "").strip('"')
    return {
        "accept-ranges": "bytes",
        "etag": f'"{tag}"',
        "last-modified": format_datetime(meta["last_modified"].astimezone(UTC), usegmt=True),
        "cache-control": f"private, max-age={int(ttl_s)}",
    }


def _ours(batch: Iterable[ObjectMeta]) -> list[ObjectMeta]:
    return [meta for meta in batch if _NAME.fullmatch(meta["path"])]


def _open_store(settings: Settings) -> ObjectStore:
    url = settings.files.url
    try:
        if url is None:
            folder = settings.data_dir / "files"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return LocalStore(folder, automatic_cleanup=True)
        return from_url(url)
    except (obstore.exceptions.BaseError, OSError, ValueError) as error:
        where = "data_dir" if url is None else "files.url"
        # Not chained, nor quoted: the message may hold the URL, and the URL a password.
        raise ConfigurationError(
            f"the store of audio files cannot be opened ({type(error).__name__}): check {where}", param=where
        ) from None
