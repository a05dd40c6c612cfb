"""Characters that a program has cut in two.

JavaScript and Java keep text in UTF-16, where an emoji is two units. A program that sends such a text in pieces may cut
between them, and its JSON then holds one half as an escape, which no text in UTF-8 can hold.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import msgspec

__all__ = ["HalfCharacters", "decode_with_halves", "mended"]

_HALF: Final = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")


def decode_with_halves(text: str | bytes) -> Any:
    """As ``msgspec.json.decode``, with the same errors, but halves of characters stay in strings."""
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        try:
            written = text if isinstance(text, str) else text.decode()
            if _ESCAPED_HALF.search(written) is not None:
                return json.loads(written, parse_constant=_refuse)
        except ValueError:
            pass
        raise error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def mended(value: Any) -> Any:
    """``value``, which was decoded from JSON, with halves that belong together joined and U+FFFD for each other."""
    if isinstance(value, str):
        return _mended(value)
    if isinstance(value, dict):
        return {_mended(key): mended(each) for key, each in value.items()}
    if isinstance(value, list):
        return [mended(each) for each in value]
    return value


def _mended(text: str) -> str:
    if text.isascii() or _HALF.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class HalfCharacters:
    """Joins the halves of characters in a text that comes in pieces."""

    def __init__(self) -> None:
        self._first_half = ""

    def push(self, text: str) -> str:
        """What ``text`` adds. A first half at its end waits for the next piece; any other lone half becomes U+FFFD."""
        if text.isascii() and not self._first_half:
            return text
        text = self._first_half + text
        is_cut = "\ud800" <= text[-1:] <= "\udbff"
        self._first_half = text[-1] if is_cut else ""
        return _mended(text[:-1] if is_cut else text)

    def clear(self) -> None:
        """The text ends here: the next piece begins another."""
        self._first_half = ""
