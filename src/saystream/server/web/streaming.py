"""An HTTP answer that is sent while it is being made."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import structlog
from starlette.responses import Response

from saystream.errors import PeerStalled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.types import Receive, Scope, Send

__all__ = ["StreamedAnswer"]

_log = structlog.get_logger(__name__)


class StreamedAnswer(Response):
    """Sends ``chunks`` in chunked transfer as they come.

    The status is sent with the first chunk. An error raised before that becomes an error answer; a later one cuts the
    connection, so that nobody takes half a file for a whole one. If the peer leaves, or reads nothing for
    ``stall_timeout_s``, ``chunks`` is closed at once, and with it the engine stream behind it.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        stall_timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(None, headers=headers, media_type=media_type)
        del self.headers["content-length"]
        self._chunks = chunks
        self._stall_timeout_s = stall_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writer = asyncio.create_task(self._write(send))
        watcher = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({writer, watcher}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone = not writer.done()
            writer.cancel()
            watcher.cancel()
            await asyncio.wait({writer, watcher})
        if gone:
            _log.info("peer gone")
        else:
            writer.result()

    async def _write(self, send: Send) -> None:
        async with aclosing(self._chunks):
            first = await anext(self._chunks, b"")
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            await self._send(send, first, more=True)
            async for chunk in self._chunks:
                await self._send(send, chunk, more=True)
            await self._send(send, b"", more=False)

    async def _send(self, send: Send, chunk: bytes, *, more: bool) -> None:
        try:
            async with asyncio.timeout(self._stall_timeout_s):
                await send({"type": "http.response.body", "body": chunk, "more_body": more})
        except TimeoutError:
            raise PeerStalled("the client stopped reading") from None


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
