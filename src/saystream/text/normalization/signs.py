"""Signs by their role: a number sign before a number, a comparison between two sides, a tilde before an amount.

What has no role is not said: drawn-out tones ("good~"), what is left of emphasis and rules, bullets. Engines would say
"asterisk" or "hash", each for other signs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.formulas.words import load_words
from saystream.text.normalization.ranges import TILDES
from saystream.text.normalization.rules import Rule, Speaker

__all__ = ["LEFT_OUT", "left_out", "role_rules", "silent_rules"]

_COMPARED = {"<=": "≤", ">=": "≥", "!=": "≠", "/=": "≠", "==": "="}
LEFT_OUT = rf"[{TILDES}^_*#|\\<>`•·‣▪▸►●○◦■□◆◇★☆♥♡♪♫¶†‡¬¦]"
"""Not said where no rule has found their role."""


def role_rules(grammar: Speaker) -> Iterator[Rule]:
    """While numbers are still numbers."""
    formulas = load_words(grammar.code[:2])
    words = formulas.signs
    number, about = grammar.signs["№"], grammar.signs["≈"]

    def compared(match: re.Match[str]) -> str:
        sign = _COMPARED.get(match[1], match[1])
        said = grammar.signs.get(sign) or words[sign]
        return f" {said} "

    yield r"(?<![\w&#])#\s?(?=\d)", lambda match: f"{number} "
    yield r"(?<![\w])([A-G])#(?!\w)", lambda match: f"{match[1]} sharp"
    yield rf"(?<![\w{TILDES}])[{TILDES}]\s?(?=[$€£¥]?\d)", lambda match: f"{about} "
    yield r"(?<=\d)\s?\*\s?(?=\d)", lambda match: f" {grammar.times} "
    yield r"(?<=[\w)])\s?(?:-{1,2}|=)>\s?(?=\w)", lambda match: f" {grammar.signs.get('→', ',')} "
    yield r"(?<=[\w)%])\s?(<=|>=|!=|==|≠|≤|≥)\s?(?=[\w(+$€£-])", compared
    yield r"(?<=[\w)%])(?:\s([<>])\s(?=[\w(+$€£-]))", compared
    yield (
        r"(?<=[\d)%])([<>])(?=\d)|(?<![\w<>])(?:([<>])\s?(?=\d+(?:[.,]\d+)?(?:\s?[^\W\d_%€$£]|[%€$£])))",
        (lambda match: f" {words[match[1] or match[2]].removeprefix('is ')} "),
    )
    yield (
        r"(?<![\w.,])(\d{1,9})\^(\d{1,3})(?!\d)",
        lambda match: formulas.phrase("power", a=match[1], n=match[2]),
    )
    yield r"(?<=[\w)])\s?\^\s?(?=[-\w(])", lambda match: f" {words['^']} "


def silent_rules() -> Iterator[Rule]:
    """When all else is words."""
    yield r"(?<=\S)[ \u00a0]+[|¦][ \u00a0]+(?=\w)", lambda match: ", "
    yield rf"{LEFT_OUT}+", left_out


def left_out(match: re.Match[str]) -> str:
    """Nothing, but a space between two words."""
    before = match.string[match.start() - 1 : match.start()]
    after = match.string[match.end() : match.end() + 1]
    return " " if before.isalnum() and after.isalnum() else ""
