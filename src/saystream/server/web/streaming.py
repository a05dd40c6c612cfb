"""An HTTP answer that is sent while it is being made."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import structlog
from starlette.responses import Response

from saystream.errors import SaystreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from starlette.types import Receive, Scope, Send

__all__ = ["StreamedAnswer"]

_PIECE_BYTES = 64 * 1024

_log = structlog.get_logger(__name__)


class StreamedAnswer(Response):
    """Sends ``chunks`` as they come, in chunked transfer unless ``headers`` give their length. What is complete within
    ``held_s`` of its first chunk is sent whole instead, with its length.

    The status is sent with the first chunk. An error raised before that becomes an error answer; after a later one the
    answer is left without its end, so that nobody takes half a file for a whole one. If the peer leaves, ``chunks`` is
    closed at once, and with it the engine stream behind it.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        over: Callable[[], None] | None = None,
        held_s: float = 0.0,
        completed: Callable[[bytes], bytes] = bytes,
    ) -> None:
        """``over`` is called once, when the answer has ended, however that was: even if ``chunks`` was never begun.
        ``completed`` makes of all that is sent whole what is sent instead."""
        super().__init__(None, status_code, headers=headers, media_type=media_type)
        if headers is None or "content-length" not in headers:
            del self.headers["content-length"]
        self._chunks = chunks
        self._over = over
        self._held_s = held_s
        self._completed = completed
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writer = asyncio.create_task(self._write(send))
        watcher = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({writer, watcher}, return_when=asyncio.FIRST_COMPLETED)
            gone = not writer.done()
        finally:
            writer.cancel()
            watcher.cancel()
            try:
                await asyncio.wait({writer, watcher})
                await self._chunks.aclose()  # the writer may never have begun
            finally:
                if self._over is not None:
                    self._over()
        if gone:
            _log.info("peer gone")
        elif writer.cancelled():
            _log.info("answer cut off")
        elif (error := writer.exception()) is not None:
            if not (self._started and isinstance(error, SaystreamError)):
                raise error
            _log.error("request failed", code=error.code, error=error)

    async def _write(self, send: Send) -> None:
        pieces = _together_at_first(self._chunks, self._held_s)
        async with aclosing(self._chunks), aclosing(pieces):
            first, is_whole = await anext(pieces)
            self._started = True
            if is_whole:
                first = self._completed(first)
                self.headers["content-length"] = str(len(first))
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            await _send_body(send, first)
            async for piece, _ in pieces:
                await _send_body(send, piece)
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _together_at_first(
    chunks: AsyncGenerator[bytes, None], held_s: float
) -> AsyncGenerator[tuple[bytes, bool], None]:
    """``chunks``, those within ``held_s`` of the first one together, each with whether it is all there is."""
    parts = [await anext(chunks, b"")]
    loop = asyncio.get_running_loop()
    until_s = loop.time() + held_s
    coming: asyncio.Future[bytes | None] | None = None
    is_whole = False
    try:
        while held_s and not is_whole:
            # Waited for in a task: a generator whose wait is cancelled has ended.
            coming = asyncio.ensure_future(anext(chunks, None))
            await asyncio.wait({coming}, timeout=max(0.0, until_s - loop.time()))
            if not coming.done():
                break
            if (chunk := coming.result()) is None:
                is_whole = True
            else:
                parts.append(chunk)
        yield b"".join(parts), is_whole
        if coming is not None and not is_whole and (following := await coming) is not None:
            yield following, False
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait({coming})
            if not coming.cancelled():
                coming.exception()  # an error that nobody waits for any more
    async for chunk in chunks:
        yield chunk, False


async def _send_body(send: Send, chunk: bytes) -> None:
    # In pieces: a peer that reads slowly must not look like one that has stopped.
    for start in range(0, max(1, len(chunk)), _PIECE_BYTES):
        piece = chunk[start : start + _PIECE_BYTES]
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
