"""Serves audio files behind links, whole or in part."""

from __future__ import annotations

import re
from email.utils import format_datetime
from typing import TYPE_CHECKING

from starlette.responses import Response

from saystream.errors import NoSuchFile
from saystream.server.doors.base import Door
from saystream.server.web.openapi import BINARY, Answer, Operation, Parameter
from saystream.server.web.streaming import StreamedAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from saystream.storage.files import StoredFile

__all__ = ["FilesDoor", "byte_range"]

_MEDIA_TYPES = {"wav": "audio/wav", "pcm": "audio/pcm", "mp3": "audio/mpeg", "opus": "audio/ogg"}
_FILES = dict.fromkeys(_MEDIA_TYPES.values(), BINARY)

_OPERATION = Operation(
    name="read_file",
    summary="An audio file",
    description="A link from the answer to a generation request. It needs no key, and works until it expires.",
    parameters=(
        Parameter("date", "path", "The day it was made.", {"type": "string"}),
        Parameter(
            "name", "path", "The id of its request, and its format, such as `.wav`.", {"type": "string"}
        ),
        Parameter("expires", "query", "Unix seconds.", {"type": "string"}),
        Parameter("signature", "query", "Over the path and `expires`.", {"type": "string"}),
        Parameter("Range", "header", "One range of bytes.", {"type": "string"}, required=False),
    ),
    answers={
        200: Answer("The file.", dict.fromkeys(_MEDIA_TYPES.values(), BINARY)),
        206: Answer(
            "The range.",
            dict.fromkeys(_MEDIA_TYPES.values(), BINARY),
            headers={"content-range": "Which bytes these are."},
        ),
        416: Answer("The range is outside the file.", {}, headers={"content-range": "The file's size."}),
    },
    refusals=(403, 404, 503),
    needs_key=False,
)

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class FilesDoor(Door):
    def routes(self) -> Sequence[BaseRoute]:
        return (self.route("/files/{date}/{name}", self.serve, _OPERATION),)

    async def serve(self, request: Request) -> Response:
        """Answers GET and HEAD for a link: the whole file or one range of bytes.

        Raises NoSuchFile if it is not one of our files, AccessDenied if the link was changed or has expired.
        """
        files, links = self.services.files, self.services.links
        path = f"{request.path_params['date']}/{request.path_params['name']}"
        if not files.holds(path):
            raise NoSuchFile("there is nothing at this path")
        links.check(path, request.query_params)
        file = await files.describe(path)
        media_type = _MEDIA_TYPES[path.rpartition(".")[2]]
        headers = _headers(file, links.ttl_s)
        wanted = None
        if _may_be_part(request, headers):
            wanted = byte_range(request.headers.get("range", ""), file.size)
        if wanted == (0, 0):
            headers["content-range"] = f"bytes */{file.size}"
            return Response(status_code=416, headers=headers)
        start, end = wanted or (0, file.size)
        headers["content-length"] = str(end - start)
        if wanted is not None:
            headers["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
        status = 200 if wanted is None else 206
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers, media_type=media_type)
        return StreamedAnswer(
            files.read(path, start, end), media_type=media_type, status_code=status, headers=headers
        )


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and end (exclusive) of the part of a file of ``size`` bytes that a ``Range`` header asks for.

    ``None`` is the whole file: without a header, and for several ranges or another unit, which may be ignored (RFC
    9110, 14.2). ``(0, 0)`` if the range holds nothing of the file.
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
    """Whether the client has part of this version of the file, or does not say."""
    return request.headers.get("if-range", headers["etag"]) in (headers["etag"], headers["last-modified"])


def _headers(file: StoredFile, ttl_s: float) -> dict[str, str]:
    return {
        "accept-ranges": "bytes",
        "etag": f'"{file.tag}"',
        "last-modified": format_datetime(file.modified_at, usegmt=True),
        "cache-control": f"private, max-age={int(ttl_s)}",
    }
