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
    """Sends ``chunks`` as they come, in chunked transfer unless ``headers`` give their length.

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
    ) -> None:
        """``over`` is called once, when the answer has ended, however that was: even if ``chunks`` was never begun."""
        super().__init__(None, status_code, headers=headers, media_type=media_type)
        if headers is None or "content-length" not in headers:
            del self.headers["content-length"]
        self._chunks = chunks
        self._over = over
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
        async with aclosing(self._chunks):
            first = await anext(self._chunks, b"")
            self._started = True
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            await _send_body(send, first)
            async for chunk in self._chunks:
                await _send_body(send, chunk)
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_body(send: Send, chunk: bytes) -> None:
    # In pieces: a peer that reads slowly must not look like one that has stopped.
    for start in range(0, max(1, len(chunk)), _PIECE_BYTES):
        piece = chunk[start : start + _PIECE_BYTES]
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
