"""What dashes, tildes and other signs stand for in Chinese and Japanese, before wetext reads the numbers: it takes most
dashes for a minus and knows few tildes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saystream.text.formulas.words import load_words
from saystream.text.normalization.han_numbers import NUMERALS
from saystream.text.normalization.ranges import DASH, TILDES, is_years

if TYPE_CHECKING:
    from saystream.text.rewriting import Rewritten

__all__ = ["RoleWords", "Roles"]

_SCRIPT = "\u3041-\u30ff\u3400-\u9fff"
"""Kana and han, for a character class."""
_AMOUNT = r"\d{1,9}(?:\.\d{1,4})?"
_UNIT = rf"(?:[%％‰℃℉°]C?|km|kg|mm|cm|ml|mg|[mgLl]|(?![一二三四五六七八九十])[{_SCRIPT}]{{1,3}})"
_BEFORE = "(?:上午|下午|早上|晚上|中午|凌晨|傍晚|次日|翌日|午前|午後|第|摄氏)?"

_EQUATION = re.compile(
    r"(?<=[\dA-Za-z)])\s?[-–−]\s?(?=\(?(?:\d[\d.]{0,9}|[A-Za-z])\s?(?:[+*×/−-]\s?\d{1,9}\s?){0,4}[=＝≠≈])"
    r"|(?<=[\w)])\s−\s(?=[\w(])"
)
_COUNTED = re.compile(
    rf"(?<![\dA-Za-z.,:/_-])({_AMOUNT})\s?({DASH})\s?({_AMOUNT})(?![\d,:/_A-Z-]|\.\d|\s?(?:室|栋|幢|号楼|单元|号室))(?=(年?))"
)
_OF_TIMES = re.compile(rf"(?<=:[0-5]\d)\s?{DASH}\s?(?=\d{{1,2}}:[0-5]\d)")
_OF_UNITS = re.compile(rf"(\d\s?{_UNIT})\s?{DASH}\s?(?={_BEFORE}[¥￥$€£+−-]?\d)")
_OF_MONEY = re.compile(rf"([¥￥$€£]\s?\d[\d,.]{{0,15}})\s?{DASH}\s?(?=[¥￥$€£]\s?\d)")
_TILDE = re.compile(rf"(?<=\d)\s?[{TILDES}]\s?(?=[¥￥$€£−-]?\d)")
_OF_DAYS = re.compile(
    rf"(?<=[周期拝拜][一二三四五六日天])\s?{DASH}\s?(?=(?:周|星期|礼拜)?[一二三四五六日天])"
    rf"|(?<=曜日)\s?{DASH}\s?(?=[月火水木金土日]曜)"
)
_OF_SHORT_DAYS = re.compile(rf"(?<![\d{_SCRIPT}])([月火水木金土日])\s?{DASH}\s?([月火水木金土日])(?![\d曜])")
_TRUE_MINUS = re.compile(r"(?<![\w)])−(?=\d)")
_NUMBERED = re.compile(r"(?<![\w&])[#＃]\s?(\d+)")
_ABOUT = re.compile(rf"(?<![\w{TILDES}])[{TILDES}]\s?(?=[$¥￥€£]?\d)")
_NEGATIVE = re.compile(r"(?<![\w)])[-−](?=[¥￥$€£]\s?\d)")
_COMPARED = re.compile(r"(?<=[\w)])\s?([<>≠])\s?(?=[\d+-])|(?<![\w<>])([<>])(?=\d)")
_POWER = re.compile(r"(?<![\w.])(\d{1,9})\^(\d{1,3})(?!\d)")
_DRAWN_OUT = re.compile(rf"(?<=[{_SCRIPT}])[{TILDES}]+(?=[{_SCRIPT}A-Za-z])")

_OF_NAMES = re.compile(rf"(?<=[\u3400-\u9fff])[{TILDES}](?=[\u3400-\u9fff])")

_NEARBY = 20
"""Characters in which the word stands that makes two numbers a score."""
_SCORE_DIGITS = 2


@dataclass(frozen=True, slots=True)
class RoleWords:
    """Of one language."""

    to: str
    """Between the ends of a range."""
    score: str
    """Between the goals of two sides."""
    minus: str
    """Of a difference."""
    negative: str
    about: str
    numbered: str
    r"""What "#5" is: ``\1`` is its number."""
    comma: str
    """After a drawn-out tone, within a text."""
    scores: str
    """Words near a score, for a regular expression."""
    between_names: str = ""
    """For a tilde between two words in han, if it is not a drawn-out tone."""
    digits_of_years: bool = False
    """Years are read digit by digit."""


class Roles:
    def __init__(self, code: str, words: RoleWords) -> None:
        self._words = words
        self._scores = re.compile(words.scores)
        self._formulas = load_words(code)
        to = words.to
        self._steps = (
            (_TRUE_MINUS, "-"),
            (_EQUATION, words.minus),
            (_COUNTED, self._counted),
            (_OF_TIMES, to),
            (_OF_UNITS, rf"\1{to}"),
            (_OF_MONEY, rf"\1{to}"),
            (_TILDE, to),
            (_OF_DAYS, to),
            (_OF_SHORT_DAYS, rf"\1曜{to}\2曜"),
            (_NUMBERED, words.numbered),
            (_ABOUT, words.about),
            (_NEGATIVE, words.negative),
            (_COMPARED, lambda match: self._formulas.signs[match[1] or match[2]]),
            (_POWER, lambda match: self._formulas.phrase("power", a=match[1], n=match[2])),
            (_OF_NAMES, words.between_names or words.comma),
            (_DRAWN_OUT, words.comma),
        )

    def read(self, text: Rewritten) -> Rewritten:
        """``text`` with words for signs that have a role; the numbers stay, but for years."""
        for expression, said in self._steps:
            text = text.sub(expression, said)
        return text

    def _counted(self, match: re.Match[str]) -> str:
        """Two numbers that share what follows them, years, or a score."""
        first, dash, second, is_year = match.groups()
        if first.isdecimal() and second.isdecimal():
            around = match.string[max(0, match.start() - _NEARBY) : match.end() + _NEARBY]
            is_small = max(len(first), len(second)) <= _SCORE_DIGITS and dash not in TILDES
            if is_small and (int(first) >= int(second) or self._scores.search(around)):
                return f"{first}{self._words.score}{second}"
            if (
                self._words.digits_of_years
                and is_years(first, second)
                and (is_year or len(second) == len(first))
            ):
                first, second = ("".join(NUMERALS[int(each)] for each in year) for year in (first, second))
        return f"{first}{self._words.to}{second}"
