"""Where in a text there are formulas in LaTeX, between ``$…$``, ``$$…$$``, ``\\(…\\)`` or ``\\[…\\]``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["MAX_FORMULA_CHARACTERS", "Formula", "formulas", "open_at"]

MAX_FORMULA_CHARACTERS = 1000
"""Of one formula; what is longer is not taken for one."""

_MOST = f"{{1,{MAX_FORMULA_CHARACTERS}}}?"
_ANY = r"(?:[^$\\]|\\[^()\[\]])"
_DISPLAY = rf"\$\$(?P<display>{_ANY}{_MOST})\$\$"
_BRACKETS = rf"\\\[(?P<square>{_ANY}{_MOST})\\\]|\\\((?P<round>{_ANY}{_MOST})\\\)"
_INLINE = rf"\$(?P<inline>(?![\s$])(?:[^$\\\n]|\\[^()\[\]\n]){_MOST})(?<!\s)\$(?![\d$])"
_FORMULA = re.compile(rf"(?<!\\)(?:{_DISPLAY}|{_BRACKETS}|{_INLINE})")

_OPENING = re.compile(r"(?<!\\)(?:\$\$?|\\[(\[])")
_QUOTED = re.compile(r"\\(?:text|mbox|mathrm|operatorname|textbf|textit)\s?\{[^{}]*\}?")
_PROSE = re.compile(r"(?<!\S)[^\W\d_]{2,}\s+[^\W\d_A-Z]{2,}(?=\s)|[。！？；]|[.!?]\s")
"""Two words beside each other, or the end of a sentence."""
_MORE_PROSE = re.compile(
    r"(?<!\S)[^\W\d_]{2,}(?=\s)|[^\W\d_]{4,}|[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3，：、]"
)
"""In what has no sign of LaTeX and no relation, a word is enough."""
_LATEX = re.compile(r"[\\^_{}=<>+*]")


@dataclass(frozen=True, slots=True)
class Formula:
    """A part of a text, with the marks around the formula."""

    start: int
    end: int
    latex: str
    """What is between the marks."""


def formulas(text: str) -> Iterator[Formula]:
    """The formulas of ``text``, in order.

    Between single dollar signs is only what looks like one: no space inside beside the signs, no digit behind them and
    no prose between them, so "from $5 to $10" is about money.
    """
    position = 0
    while match := _FORMULA.search(text, position):
        latex = next(filter(None, match.groups()))
        if match["inline"] is not None and _is_prose(latex):
            position = match.end() - 1  # the sign may open the next one
        elif latex.strip():
            yield Formula(match.start(), match.end(), latex)
            position = match.end()
        else:
            position = match.end()


def open_at(text: str) -> int | None:
    """Where a formula begins of which ``text`` may have only the first part; ``None`` if there is none.

    For text that arrives in pieces: before that place it may be cut, behind it not yet. A place is given up when what
    follows it turns out to be prose, or is longer than a formula.
    """
    end = max((formula.end for formula in formulas(text)), default=0)
    for match in _OPENING.finditer(text, end):
        rest = text[match.end() :]
        if len(rest) > MAX_FORMULA_CHARACTERS:
            continue
        if match[0] != "$" or not (rest[:1].isspace() or "\n" in rest or _is_prose(rest)):
            return match.start()
    lone = text.endswith("\\") and not text.endswith("\\\\")
    return len(text) - 1 if lone and end < len(text) else None


def _is_prose(latex: str) -> bool:
    plain = _QUOTED.sub(" ", latex)
    if _PROSE.search(plain):
        return True
    return not _LATEX.search(latex) and bool(_MORE_PROSE.search(plain))
