"""Text in Markdown without its signs, while it arrives.

Headings, emphasis, lists, quotes, code, links, images, tables, rules: what is said of each stays, with its place in the
text as it was written. Parsers of Markdown want whole documents, and tell of a word only the line that it is in; here a
word must go on before its paragraph has ended, so these are rules of our own. They decide with what has come: a sign is
held back only until it is certain what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.characters import Script, describe
from saystream.text.formulas import MAX_FORMULA_CHARACTERS, Formula, formulas, open_at
from saystream.text.rewriting import Rewritten, joined

__all__ = ["MAX_HELD_CHARACTERS", "MarkdownFilter", "without_markdown"]

MAX_HELD_CHARACTERS = 2000
"""What looks like the beginning of a link, of code or of a rule and does not end within so much text is none."""

_MAX_LABEL_CHARACTERS = 500
_MAX_CODE_CHARACTERS = 300
_SPECIAL = re.compile(r"[\\`*_~\[!<$|\n#]")
_SPECIAL_IN_ROW = re.compile(r"[\\`*_~\[!<$|\n# \t]")
_ESCAPED = frozenset("!\"#$%&'*+,-./:;<=>?@^_`{|}~")
"""Behind a backslash; brackets are not among them, because they begin formulas."""
_CELL_END, _WIDE_CELL_END = ", ", "，"

# What begins a line. A prefix that may still become one of these waits for more.
_INDENT = r"[ \t]{0,12}"
_QUOTE = re.compile(rf"{_INDENT}>[ \t]?")
_HEADING = re.compile(r"[ ]{0,3}#{1,6}(?=[ \t\n])[ \t]*")
_BULLET = re.compile(rf"{_INDENT}[-*+](?=[ \t\n])[ \t]*(?:\[[ xX]\](?=[ \t\n])[ \t]*)?")
_FENCE = re.compile(rf"{_INDENT}(`{{3,}}|~{{3,}})[^`\n]*(?:\n|\Z)")
_RULE = re.compile(
    rf"{_INDENT}(?:(?:-[ \t]*){{3,}}|(?:\*[ \t]*){{3,}}|(?:_[ \t]*){{3,}}|=+[ \t]*|-+[ \t]*)(?:\n|\Z)"
)
_DELIMITERS = re.compile(rf"{_INDENT}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*(?:\n|\Z)")
_DEFINITION = re.compile(r"[ ]{0,3}\[[^\]\n^][^\]\n]{0,200}\]:[ \t]+\S[^\n]*(?:\n|\Z)")
_UNDECIDED_LINE = re.compile(r"[ \t>|:=+*_~`#-]*(?:[*+-][ \t]+\[[ xX]?(?:\][ \t]*)?)?\Z")
_UNDECIDED_FENCE = re.compile(rf"{_INDENT}(?:`{{3,}}[^`\n]*|~{{3,}}[^\n]*)\Z")
_UNDECIDED_DEFINITION = re.compile(r"[ ]{0,3}\[(?:[^\]\n^][^\]\n]{0,200}(?:\](?::[^\n]*)?)?)?\Z")
_BRACKET = re.compile(r"\\.|[\[\]]|\n\n")
_TARGET = {"(": re.compile(r"[()\n]"), "[": re.compile(r"[\[\]\n]")}
_HEADING_END = re.compile(r"#+[ \t]*(?=\n|\Z)")
_AUTOLINK = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,20}:[^\s<>]{1,500}|[^\s<>@]{1,64}@[^\s<>@]{1,255})>")
_UNDECIDED_AUTOLINK = re.compile(r"<[^\s<>]{0,520}\Z")


def without_markdown(text: str) -> Rewritten:
    """The whole of a text."""
    markdown = MarkdownFilter()
    return joined([markdown.push(text), markdown.finish()])


class MarkdownFilter:
    """Takes the text of a response in pieces. What it gives, joined, does not depend on the pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._position = 0
        """Of what is held, in the text."""
        self._before = "\n"
        """The character before it."""
        self._line_start = True
        self._row = False
        """In a line of a table."""
        self._heading = False
        self._fence = ""
        """What ends the code that the text is in."""
        self._asked = 0
        """How much of what may be a formula has been asked whether it is one."""

    @property
    def held_characters(self) -> int:
        """How much is held back until it is certain what it is."""
        return len(self._held)

    def push(self, text: str) -> Rewritten:
        """What is certain now."""
        return self._taken(text, final=False)

    def finish(self) -> Rewritten:
        """What was held back: no more text comes, or all of it is to be spoken now."""
        return self._taken("", final=True)

    def _taken(self, more: str, *, final: bool) -> Rewritten:
        text = self._held + more
        written = Rewritten.of(text)
        parts: list[Rewritten] = []
        place = 0
        while place < len(text):
            step = self._step(text, place, final=final)
            if step is None and len(text) - place <= MAX_HELD_CHARACTERS:
                break
            start, end, after, instead = step or (place, place + 1, place + 1, "")
            part = written[start:end]
            if instead:
                part = written[place : place + 1].becomes(instead)
            parts.append(part)
            self._before = text[after - 1] if after > place else self._before
            place = after
        said = joined(part for part in parts if len(part)).shifted(self._position)
        self._held = text[place:]
        self._position += place
        return said

    def _step(self, text: str, place: int, *, final: bool) -> _Step | None:
        """What is said of what begins at ``place``; ``None`` if only more text can tell."""
        if self._line_start:
            return self._line(text, place, final=final)
        if self._fence:
            end = text.find("\n", place) + 1 or len(text)
            self._line_start = text[end - 1] == "\n"
            return place, end, end, ""
        sign = text[place]
        special = _SPECIAL_IN_ROW if self._row else _SPECIAL
        if not special.match(sign):
            match = special.search(text, place)
            return _literal(place, match.start() if match else len(text))
        if sign == "\n":
            self._line_start, self._row, self._heading = True, False, False
            return place, place + 1, place + 1, ""
        return self._sign(text, place, sign, final=final)

    # --- lines -----------------------------------------------------------------------------------------------------

    def _line(self, text: str, place: int, *, final: bool) -> _Step | None:
        line = text[place:].partition("\n")
        rest = line[0] + line[1]
        is_whole = bool(line[1]) or final
        if self._fence:
            return self._code_line(rest, place, is_whole=is_whole)
        if not is_whole and _may_be_more(rest):
            return None
        if fence := _FENCE.match(rest):
            self._fence = fence[1]
            return place, place, place + len(rest), ""
        if _RULE.match(rest) or _DEFINITION.match(rest) or ("|" in rest and _DELIMITERS.match(rest)):
            return place, place, place + len(rest), ""
        if quote := _QUOTE.match(rest):
            return place, place, place + quote.end(), ""
        self._line_start = False
        if bullet := _BULLET.match(rest):
            return place, place, place + bullet.end(), ""
        if heading := _HEADING.match(rest):
            self._heading = True
            return place, place, place + heading.end(), ""
        self._row = rest.lstrip(" \t").startswith("|")
        return place, place, place + (len(rest) - len(rest.lstrip("| \t")) if self._row else 0), ""

    def _code_line(self, rest: str, place: int, *, is_whole: bool) -> _Step | None:
        kind = self._fence[0]
        line = rest.strip()
        if line and set(line) == {kind}:
            if not is_whole:
                return None
            if len(line) >= len(self._fence):
                self._fence = ""
                return place, place, place + len(rest), ""
        elif not line and not is_whole:
            return None
        self._line_start = rest.endswith("\n")
        return place, place + len(rest), place + len(rest), ""

    # --- signs -----------------------------------------------------------------------------------------------------

    def _sign(self, text: str, place: int, sign: str, *, final: bool) -> _Step | None:
        if sign in "$\\":
            return self._backslash_or_dollar(text, place, final=final)
        if sign in "*_~":
            return self._emphasis(text, place, sign, final=final)
        if sign == "`":
            return _code(text, place, final=final)
        if sign in "[!":
            return self._link(text, place, final=final)
        if sign == "<":
            if match := _AUTOLINK.match(text, place):
                return match.start(1), match.end(1), match.end(), ""
            return (
                None if not final and _UNDECIDED_AUTOLINK.match(text, place) else _literal(place, place + 1)
            )
        if sign in "| \t":
            return self._cell_end(text, place, final=final) if self._row else _literal(place, place + 1)
        if sign == "#" and self._heading and self._before in " \t":
            match = _HEADING_END.match(text, place)
            if match and match.end() == len(text) and not final:
                return None
            return (place, place, match.end(), "") if match else _literal(place, place + 1)
        return _literal(place, place + 1)

    def _backslash_or_dollar(self, text: str, place: int, *, final: bool) -> _Step | None:
        """A formula stays as it is, and so does the sign of an amount of money."""
        if text[place] == "\\":
            if place + 1 == len(text):
                return _literal(place, place + 1) if final else None
            after = text[place + 1]
            if after in _ESCAPED:
                return place + 1, place + 2, place + 2, ""
            if after not in "([":
                return _literal(place, place + 1)
        end = _formula_end(text, place, self._asked, final=final)
        self._asked = 0 if end is not None else len(text) - place
        return None if end is None else _literal(place, end)

    def _emphasis(self, text: str, place: int, sign: str, *, final: bool) -> _Step | None:
        end = place
        while end < len(text) and text[end] == sign:
            end += 1
        if end == len(text) and not final:
            return None
        after = text[end : end + 1] or "\n"
        before, length = self._before, end - place
        inside_word = _is_part_of_word(before) and _is_part_of_word(after)
        stays = before.isspace() and after.isspace()
        if sign == "~":
            stays = stays or length == 1
        elif sign == "_":
            stays = stays or inside_word
        else:
            stays = stays or (inside_word and (before.isdecimal() or after.isdecimal()))
        return _literal(place, end) if stays else (place, place, end, "")

    def _link(self, text: str, place: int, *, final: bool) -> _Step | None:
        """``[label](address)``, ``[label][name]`` and ``[^note]``, with a ``!`` before an image."""
        start = place + (text[place] == "!")
        if start == len(text):
            return _literal(place, start) if final else None
        if text[start] != "[":
            return _literal(place, start)
        close = _label_end(text, start)
        if close is None:
            waits = not final and len(text) - start <= _MAX_LABEL_CHARACTERS and "\n\n" not in text[start:]
            return None if waits else _literal(place, start + 1)
        if close + 1 == len(text) and not final:
            return None
        if text[start + 1] == "^" and start == place:
            is_note = self._before == "\n" and text.startswith(":", close + 1)
            return place, place, close + 1 + is_note, ""
        end = _target_end(text, close + 1)
        if end is None:
            waits = not final and len(text) - place < MAX_HELD_CHARACTERS and "\n" not in text[close + 1 :]
            return None if waits else _literal(place, start + 1)
        if end == close + 1:
            return _literal(place, start + 1)
        return self._label(text, start + 1, close, end)

    def _label(self, text: str, start: int, close: int, end: int) -> _Step:
        """Its own signs are left out too, in so far as they are around it."""
        while start < close and text[start] in "*_`~" and text[start] == text[close - 1]:
            start, close = start + 1, close - 1
        return start, max(start, close), end, ""

    def _cell_end(self, text: str, place: int, *, final: bool) -> _Step | None:
        """Between two cells is a pause; behind the last there is none. Elsewhere a space is a space."""
        end = place
        while end < len(text) and text[end] in "| \t":
            end += 1
        if end == len(text) and not final:
            return None
        if end == len(text) or text[end] == "\n":
            return place, place, end, ""
        if "|" not in text[place:end]:
            return _literal(place, end)
        wide = describe(text[end]).script in (Script.HAN, Script.HIRAGANA, Script.KATAKANA)
        return place, place, end, _WIDE_CELL_END if wide else _CELL_END


_Step = tuple[int, int, int, str]
"""What of the text is said, from where to before where; where the next step begins; what is said instead."""


def _literal(start: int, end: int) -> _Step:
    return start, end, end, ""


def _may_be_more(line: str) -> bool:
    """Whether the beginning of a line may still become a sign of a whole line."""
    return bool(
        _UNDECIDED_LINE.match(line) or _UNDECIDED_FENCE.match(line) or _UNDECIDED_DEFINITION.match(line)
    )


def _is_part_of_word(character: str) -> bool:
    facts = describe(character)
    return facts.is_spoken and facts.script not in (Script.HAN, Script.HIRAGANA, Script.KATAKANA)


def _code(text: str, place: int, *, final: bool) -> _Step | None:
    """What is between two runs of as many backticks."""
    end = place
    while end < len(text) and text[end] == "`":
        end += 1
    marks = text[place:end]
    if end == len(text):
        return (place, place, end, "") if final else None
    match = re.compile(rf"(?<!`){marks}(?!`)").search(text, end, end + _MAX_CODE_CHARACTERS)
    if match is None:
        waits = not final and len(text) - end < _MAX_CODE_CHARACTERS and "\n" not in text[end:]
        return None if waits else (place, place, end, "")
    if match.end() == len(text) and not final:
        return None
    if "\n" in text[end : match.start()]:
        return place, place, end, ""
    return end, match.start(), match.end(), ""


def _label_end(text: str, start: int) -> int | None:
    """The place of the bracket that closes the one at ``start``."""
    depth = 0
    for match in _BRACKET.finditer(text, start, start + _MAX_LABEL_CHARACTERS):
        if match[0] == "\n\n":
            return None
        depth += {"[": 1, "]": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return None


def _target_end(text: str, start: int) -> int | None:
    """Where the address or name behind a label ends; ``start`` if there is none, ``None`` if it is not all there."""
    opening = text[start : start + 1]
    if opening not in ("(", "["):
        return start
    depth = 0
    for match in _TARGET[opening].finditer(text, start, start + MAX_HELD_CHARACTERS):
        if match[0] == "\n":
            return start
        depth += 1 if match[0] == opening else -1
        if depth == 0:
            return match.end()
    return None


def _formula_end(text: str, place: int, asked: int, *, final: bool) -> int | None:
    """Where the formula ends that begins at ``place``, or its sign if it is none; ``None`` if only more can tell.

    The answer is that of the shortest part of the text that gives one, so it does not depend on the pieces.
    """
    sign = 1 if text[place] == "$" else 2
    last = min(len(text), place + MAX_FORMULA_CHARACTERS + 5)
    for end in _places_to_ask(text, place + max(sign, asked), last):
        part = text[place:end]
        found = next(_at_start(part), None)
        if found is not None and (found.end < len(part) or found.latex[0] != "$"):
            return place + found.end
        if found is None and open_at(part) != 0:
            return place + sign
    if not final:
        return None
    found = next(_at_start(text[place:last]), None)
    return place + (found.end if found else sign)


def _at_start(part: str) -> Iterator[Formula]:
    return (formula for formula in formulas(part) if formula.start == 0)


def _places_to_ask(text: str, start: int, last: int) -> Iterator[int]:
    """Where a formula may have ended or may have turned out to be none: behind each sign and each space."""
    for place in range(start, last):
        if not text[place - 1].isalnum() or not text[place].isalnum():
            yield place + 1
