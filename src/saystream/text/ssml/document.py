"""Reads an SSML document.

Expat reads the XML: unlike tree builders it says where each character was written, which marks of words need. It is
given no document type, so there are no entities but XML's own five, and nothing is ever fetched.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from saystream.errors import InvalidMarkup, InvalidRequest, quote
from saystream.text.rewriting import Rewritten
from saystream.text.ssml.elements import Elements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saystream.text.script import Part

__all__ = ["MAX_ELEMENTS", "is_ssml", "parse"]

MAX_ELEMENTS: Final = 5000
"""In one document."""

_BEGIN = re.compile(r"\s*(?:<\?xml[^>]{0,200}\?>\s*)?<(?:speak(?=[\s/>])|!DOCTYPE)")
_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,200}\?>")
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff\x00-\x08\x0b\x0c\x0e-\x1f]")
_REFERENCES = ("&#", "&amp;", "&lt;", "&gt;", "&quot;", "&apos;")
_ROOT = "_"
"""Several ``speak`` may stand beside each other; XML has only one root."""


def is_ssml(text: str) -> bool:
    """Whether ``text`` begins as a document does; anything else is plain text (ruling 16)."""
    return _BEGIN.match(text) is not None


def parse(text: str, *, language: str = "") -> tuple[Part, ...]:
    """The parts of a document, with places in ``text``.

    ``language`` (ISO 639-1) is that of numbers and signs to be read in a certain way, "" for that of the text around
    them. Raises InvalidMarkup, which names the line and the element and says what would be right.
    """
    return _Document(text, language).parts()


class _Document:
    def __init__(self, text: str, language: str) -> None:
        self._text = text
        self._elements = Elements(text, language)
        self._num_elements = 0
        self._head = f"<{_ROOT}>"
        # A declaration must stand first: it says nothing that matters here.
        written = _DECLARATION.sub(lambda match: " " * len(match[0]), text, count=1)
        # Characters that XML cannot hold say nothing either.
        self._encoded = _NOT_XML.sub(" ", written).encode()
        self._bytes: Sequence[int] | None = None
        """Where each character begins, unless each is one byte."""
        if len(self._encoded) != len(text):
            sizes = (len(character.encode()) for character in _NOT_XML.sub(" ", written))
            self._bytes = [0, *accumulate(sizes)]
        self._parser = expat.ParserCreate("UTF-8")
        self._parser.buffer_text = False
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data

    def parts(self) -> tuple[Part, ...]:
        if "<!DOCTYPE" in self._text:
            raise InvalidMarkup("The SSML has a document type, <!DOCTYPE>: leave it out.", param="text")
        try:
            self._parser.Parse(self._head.encode(), False)
            self._parser.Parse(self._encoded, False)
            self._parser.Parse(f"</{_ROOT}>".encode(), True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise InvalidMarkup(
                f"The SSML is not well-formed at line {error.lineno}: {reason}.", param="text"
            ) from None
        return self._elements.parts()

    def _place(self) -> int:
        """The character at which the parser is."""
        place = max(0, self._parser.CurrentByteIndex - len(self._head))
        if self._bytes is None:
            return min(place, len(self._text))
        return bisect_right(self._bytes, place) - 1

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == _ROOT and not self._num_elements:
            self._num_elements = 1
            return
        self._num_elements += 1
        if self._num_elements > MAX_ELEMENTS:
            raise InvalidMarkup(f"The SSML has more than {MAX_ELEMENTS} elements.", param="text")
        try:
            self._elements.start(name, attributes, self._place())
        except InvalidRequest as error:
            raise self._placed(name, error) from None

    def _end(self, name: str) -> None:
        self._elements.end(name, self._place())

    def _data(self, text: str) -> None:
        place = self._place()
        is_reference = len(text) < 2 and self._text.startswith(_REFERENCES, place)
        if not is_reference and self._text[place : place + len(text)] == text:
            read = Rewritten.of(text).shifted(place)
        else:  # or the end of a line that Windows wrote
            end = self._text.find(";", place) + 1 if is_reference else place + 2
            read = Rewritten(text, [place] * len(text), [end] * len(text))
        try:
            self._elements.text(read)
        except InvalidRequest as error:
            raise self._placed("", error) from None

    def _placed(self, name: str, error: InvalidRequest) -> InvalidMarkup:
        line = self._parser.CurrentLineNumber
        where = f"line {line}, <{quote(name)}>" if name else f"line {line}"
        return InvalidMarkup(f"SSML, {where}: {error.message}", param="text")
