"""Where a recording is: in the request itself, as a data URI (RFC 2397), or at an address."""

from __future__ import annotations

import re
from typing import Final

import pybase64

from saystream.errors import AudioTooLarge, InvalidValue

__all__ = ["is_url", "read_data_uri"]

_URL: Final = re.compile(r"https?://", re.IGNORECASE)
_DATA_URI: Final = re.compile(r"data:(?P<type>[^,]{0,256}),", re.IGNORECASE)
_BASE64: Final = re.compile(r";\s*base64\s*$", re.IGNORECASE)
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_ALLOWED: Final = (
    "a data URI, such as data:audio/wav;base64,…, or an address that begins with http:// or https://"
)


def is_url(source: str) -> bool:
    """Whether ``source`` is an address to be fetched."""
    return _URL.match(source) is not None


def read_data_uri(source: str, *, param: str, max_bytes: int) -> bytes:
    """The bytes in a data URI. What type they are said to be is of no account: the file itself says it.

    Raises AudioTooLarge for more than ``max_bytes``, before they are decoded, and InvalidValue for anything else. The
    source is never quoted.
    """
    head = _DATA_URI.match(source)
    if head is None:
        raise InvalidValue(param, "…", _ALLOWED)
    content = source[head.end() :]
    if _BASE64.search(head["type"]) is None:
        if len(content) > 3 * max_bytes:
            raise _too_large(len(content) // 3, max_bytes)
        return _bounded(_unescaped(content), max_bytes)
    if len(content) > 2 * max_bytes:  # with spaces and escapes
        raise _too_large(len(content) // 4 * 3, max_bytes)
    if "%" in content:  # a form may have escaped "+", "/" and "="
        content = _unescaped(content).decode("ascii", "replace")
    content = "".join(content.split())
    # Some programs leave out the padding.
    content += "=" * (-len(content) % 4)
    try:
        decoded = pybase64.b64decode(
            content, altchars="-_" if "-" in content or "_" in content else None, validate=True
        )
    except ValueError:
        raise InvalidValue(param, "…", _ALLOWED, reason="The part after the comma is not base64.") from None
    return _bounded(decoded, max_bytes)


def _unescaped(content: str) -> bytes:
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), content.encode("utf-8", "replace"))


def _bounded(content: bytes, max_bytes: int) -> bytes:
    if len(content) > max_bytes:
        raise _too_large(len(content), max_bytes)
    return content


def _too_large(num_bytes: int, max_bytes: int) -> AudioTooLarge:
    return AudioTooLarge(f"File too large: {num_bytes} bytes; at most {max_bytes}.")
