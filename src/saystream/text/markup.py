"""What is written for the eye and not spoken, left out of a text while it arrives: Markdown, tags, emoji, lines.

Signs that have a sense for the ear stay: "if a < b", "20~30", "3 * 4", "AT&T". What is only a frame loses its frame:
of ``[[Kitchen Plan]]`` and ``~wink~`` the words stay. A tag that names nothing known, as in "press <Enter>", is a word
in brackets.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from saystream.text.markdown import MarkdownFilter
from saystream.text.rewriting import Rewritten, joined

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MarkupFilter", "without_markup"]

_MAX_HELD_CHARACTERS: Final = 600
"""What looks like the beginning of a tag and does not end within so much text is none."""

_NAME = r"[A-Za-z][A-Za-z0-9:-]{0,30}"
_VALUE = r"(?:\"[^\"<>]{0,400}\"|'[^'<>]{0,400}'|[^\s\"'<>=`]{1,400})"
_ATTRIBUTE = rf"[\w:.@-]{{1,60}}\s{{0,4}}=\s{{0,4}}{_VALUE}"
_EMOJI = (
    "\u2500-\u2775\u2794-\u27bf\u2b00-\u2bff\u231a\u231b\u2328\u23cf\u23e9-\u23fa"
    "\U0001f000-\U0001f0ff\U0001f170-\U0001f1ff\U0001f200-\U0001faff"
)
"""Pictures, lines, boxes, stars, flags and card faces. Numbers in circles (U+2776 to U+2793) are numbers."""
_JOINERS = "\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f"
"""Choose how the character before them looks."""

_SILENT = re.compile(
    rf"""
    (?P<tag><(?P<close>/?)(?P<name>{_NAME})(?P<attributes>(?:\s{{1,8}}{_ATTRIBUTE}){{0,20}})\s{{0,8}}(?P<empty>/?)>)
  | (?P<comment><!--.{{0,500}}?-->|<!DOCTYPE[^<>]{{0,200}}>|<\?xml[^<>]{{0,200}}\?>)
  | (?P<entity>&(?:\#\d{{1,7}}|\#[xX][0-9A-Fa-f]{{1,6}}|[A-Za-z][A-Za-z0-9]{{1,30}});)
  | \[\[(?P<link>[^\[\]\n|]{{1,100}})(?:\|(?P<label>[^\[\]\n|]{{1,100}}))?\]\]
  | (?P<pause>\[pause:[ \t]{{0,8}}[\d.]{{1,9}}m?s[ \t]{{0,8}}\])
  | (?<![^\s(])~(?P<aside>[^\W\d][^~\n]{{0,60}}(?<!\s))~(?!\w)
  | (?P<picture>[{_EMOJI}{_JOINERS}]|(?<=[{_EMOJI}{_JOINERS}])\u200d)
    """,
    re.VERBOSE | re.DOTALL,
)
_UNDECIDED = re.compile(
    rf"""
    (?:
        <(?:/?(?:{_NAME}(?:\s{{1,8}}{_ATTRIBUTE}){{0,20}}
            (?:\s{{1,8}}(?:[\w:.@-]{{1,60}}(?:\s{{0,4}}=\s{{0,4}}(?:"[^"<>]{{0,400}}|'[^'<>]{{0,400}}
                |[^\s"'<>=`]{{0,400}})?)?)?)?\s{{0,8}}/?)?
          |!(?:-(?:-(?:.(?!-->)){{0,500}})?|D[^<>]{{0,200}})?|\?[^<>]{{0,200}})
      | &(?:\#[xX]?[0-9A-Fa-f]{{0,7}}|[A-Za-z][A-Za-z0-9]{{0,30}})?
      | \[(?:\[[^\[\]\n]{{0,201}}\]?)?
      | \[p(?:a(?:u(?:s(?:e(?::[ \t\d.ms]{{0,28}})?)?)?)?)?
      | (?<![^\s(])~(?:[^\W\d][^~\n]{{0,60}}~?)?
    )\Z
    """,
    re.VERBOSE | re.DOTALL,
)
_MAY_BE_UNDECIDED = re.compile(r"[<&\[~]")
_SIGN = re.compile(rf"[<&\[~{_EMOJI}{_JOINERS}\u200d]")
"""All markup begins so: looking for the sign first is three times as fast."""
_JOINER = re.compile(f"[{_JOINERS}]")
_PICTURE = re.compile(f"[{_EMOJI}{_JOINERS}\u200d]")

_BLOCKS = frozenset(
    "address article aside blockquote body br caption dd details div dl dt figcaption figure footer form h1 h2 h3 h4"
    " h5 h6 head header hr html legend li main nav ol option p s section summary table tbody td tfoot th thead title"
    " think thinking tr ul break paragraph sentence speak".split()
)
"""Elements after which another sentence or item begins: their tags part words."""
_WITHIN_LINES = frozenset(
    "a abbr acronym audio b bdi bdo big button center cite code data del dfn em font i iframe img input ins kbd label"
    " link mark meta meter picture pre progress q rp rt ruby samp script select small source span strike strong style"
    " sub sup svg textarea time tt u var video wbr audio emphasis lang mark phoneme prosody say-as soundevent"
    " sub token voice w bgm".split()
)
"""Elements within a sentence, of HTML and of SSML."""


def without_markup(text: str) -> Rewritten:
    """The whole of a text."""
    markup = MarkupFilter()
    return joined([markup.push(text), markup.finish()])


class MarkupFilter:
    """Takes a text in pieces. What it gives, joined, does not depend on the pieces."""

    def __init__(self) -> None:
        self._markdown = MarkdownFilter()
        self._held = Rewritten.of("")
        self._before = ""
        """The character before it."""

    @property
    def held_characters(self) -> int:
        """How much is held back until it is certain what it is."""
        return self._markdown.held_characters + len(self._held)

    def push(self, text: str) -> Rewritten:
        """What is certain now; its places are those in all that was pushed."""
        return self._taken(self._markdown.push(text), final=False)

    def finish(self) -> Rewritten:
        """What was held back: no more text comes, or all of it is to be spoken now."""
        return self._taken(self._markdown.finish(), final=True)

    def _taken(self, more: Rewritten, *, final: bool) -> Rewritten:
        text = joined([self._held, more]) if len(self._held) else more
        seen = len(self._before)
        end = len(text) if final else _certain_end(self._before + text.text, seen) - seen
        self._held = text[end:]
        said = self._said(text[:end])
        self._before = text.text[end - 1 : end] or self._before
        return said

    def _said(self, text: Rewritten) -> Rewritten:
        """``text``, with the character before it in view."""
        before = self._before
        parts: list[Rewritten] = []
        end = 0
        for match in _silent(before + text.text, len(before)):
            start, after = match.start() - len(before), match.end() - len(before)
            preceding = match.string[match.start() - 1 : match.start()]
            parts.append(text[end:start])
            if words := _words(match, preceding):
                parts.append(_within(text[start:after], words))
            end = after
        return joined([*parts, text[end:]]) if parts else text


def _silent(text: str, place: int) -> Iterator[re.Match[str]]:
    """All markup from ``place`` on."""
    while (sign := _SIGN.search(text, place)) is not None:
        match = _SILENT.match(text, sign.start())
        if match is not None and len(match[0]) <= _MAX_HELD_CHARACTERS:
            yield match
            place = match.end()
        else:
            place = sign.end()


def _certain_end(text: str, place: int) -> int:
    """How much of ``text``, from ``place`` on, can be judged without what comes after it."""
    while (sign := _MAY_BE_UNDECIDED.search(text, place)) is not None:
        start = sign.start()
        if (whole := _SILENT.match(text, start)) is not None and len(whole[0]) <= _MAX_HELD_CHARACTERS:
            place = whole.end()
        elif len(text) - start <= _MAX_HELD_CHARACTERS and _UNDECIDED.match(text, start) is not None:
            return start
        else:
            place = start + 1
    return len(text)


def _within(written: Rewritten, words: str) -> Rewritten:
    """``words`` for ``written``, with the places of their own if they stand in it as they are."""
    start = written.text.rfind(words)
    return written[start : start + len(words)] if start >= 0 else written.becomes(words)


def _words(match: re.Match[str], before: str) -> str:
    """What is said for markup; ``before`` is the character before it."""
    if match["tag"]:
        return _of_tag(match, before)
    if match["entity"]:
        return html.unescape(match["entity"])
    if match["link"]:
        return match["label"] or match["link"]
    if match["aside"]:
        return match["aside"]
    if match["comment"] or not before or before.isspace() or _PICTURE.match(before):
        return ""
    return "" if match["picture"] and _JOINER.match(match["picture"]) else " "


def _of_tag(match: re.Match[str], before: str) -> str:
    name = match["name"].lower()
    if name in _BLOCKS:
        return "\n"
    if name in _WITHIN_LINES or match["close"] or match["attributes"] or match["empty"]:
        return ""
    return f" {match['name']} " if before.isalnum() else match["name"]
