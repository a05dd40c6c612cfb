"""Reads the body of a request, within limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from saystream.errors import BodyTimedOut, BodyTooLarge, UnsupportedMediaType, quote

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["read_body", "read_json_body"]


async def read_json_body(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """The body of a request that is declared as JSON, not parsed.

    Raises UnsupportedMediaType, BodyTooLarge before more than ``max_bytes`` were read, BodyTimedOut, or
    Starlette's ClientDisconnect.
    """
    _check_media_type(request.headers.get("content-type", ""))
    return await _read(request, max_bytes=max_bytes, timeout_s=timeout_s)


async def read_body(request: Request, *, media_type: str, max_bytes: int, timeout_s: float) -> bytes:
    """The body of a request that is declared as ``media_type``. Raises the same errors as ``read_json_body``."""
    said = request.headers.get("content-type", "")
    if said.partition(";")[0].strip().lower() != media_type:
        raise UnsupportedMediaType(
            f"The header Content-Type is '{quote(said)}'; send 'Content-Type: {media_type}'.",
            param="Content-Type",
        )
    return await _read(request, max_bytes=max_bytes, timeout_s=timeout_s)


async def _read(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(announced, max_bytes)
    parts: list[bytes] = []
    num_bytes = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                num_bytes += len(part)
                if num_bytes > max_bytes:
                    raise _too_large(f"more than {max_bytes}", max_bytes)
                parts.append(part)
    except TimeoutError:
        raise BodyTimedOut(f"The body did not arrive within {timeout_s:g} s.") from None
    return b"".join(parts)


def _check_media_type(content_type: str) -> None:
    """Only JSON is accepted as JSON: web pages can send some other types to this machine without asking first."""
    media_type, _, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    charset = parameters.strip().lower().replace('"', "")
    if media_type != "application/json" or charset not in ("", "charset=utf-8", "charset=utf8"):
        said = f"'{quote(content_type)}'" if content_type else "missing"
        raise UnsupportedMediaType(
            f"The header Content-Type is {said}; send 'Content-Type: application/json' with a body in UTF-8.",
            param="Content-Type",
        )


def _too_large(size: str, max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has {size} bytes; the limit is {max_bytes}.")
