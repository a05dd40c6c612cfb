"""Korean. Things, people, ages and hours are counted in native numbers, everything else in Sino-Korean ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.normalization.base import Grammar, Noun, Rule, alternatives
from saystream.text.normalization.numbers import Number, in_words, parse
from saystream.text.normalization.ranges import BETWEEN

__all__ = ["Korean"]

_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_MONTHS = {6: "유", 10: "시"}
"""The others are read as numbers."""
_DIGITS = "영일이삼사오육칠팔구"
_PHONE_DIGITS = "공일이삼사오육칠팔구"
_HOURS = 12


class Korean(Grammar):
    code, tables = "ko", "korean.toml"
    decimal, groups = ".", ","
    point, version_point = "점", "점"
    minus, plus, to, ratio = "마이너스", "플러스", "에서", "대"
    squared, cubed, times = "제곱", "세제곱", "곱하기"
    unit_end = r"(?![A-Za-z])"
    after_range = r"(?![A-Za-z\d/-]|[.,:]\d)"

    def rules(self) -> Iterator[Rule]:
        yield from super().rules()
        yield r"(?<=[가-힣])\s(?=에서\s)", lambda match: ""

    def cardinal(self, value: int, *, feminine: bool = False, counts: bool = False) -> str:
        return in_words(value, "ko").replace(" ", "")

    def native(self, value: int) -> str:
        """In the form used before a counter."""
        hundreds, rest = value - value % 100, value % 100
        words = "스무" if rest == 20 else _TENS[rest // 10] + _ONES[rest % 10]
        return (self.cardinal(hundreds) if hundreds else "") + words

    def digits(self, digits: str) -> str:
        return "".join(_DIGITS[int(digit)] for digit in digits)

    def phone_group(self, digits: str) -> str:
        return "".join(_PHONE_DIGITS[int(digit)] for digit in digits)

    def special_rules(self) -> Iterator[Rule]:
        yield rf"(?<=[시분일월년원초]){BETWEEN}(?=\d|오전|오후|새벽|저녁|밤|다음)", lambda match: "에서 "
        yield rf"(?<![\d.,:])(\d{{1,2}}){BETWEEN}(?=\d{{1,2}}시(?!간))", lambda match: f"{match[1]}시에서 "
        shared = "년|월|일|분|초|과|절|쪽|층|호|세|위|페이지|만|천|억"
        yield rf"(?<=\d){BETWEEN}(?=\d{{1,4}}\s?(?:{shared}))", lambda match: "에서 "
        yield rf"(?<=제)(\d{{1,4}}){BETWEEN}(?=\d)", lambda match: f"{match[1]}에서 제"
        yield r"(?<![\d.,])(\d{1,2})\s?월", self._month
        yield r"(?<![\d.,:])(\d{1,2})시(?!간|리|즌|민|장|도)", self._hour
        yield r"(?<![\w.,])(?:영하\s?)?[-−](\d+(?:\.\d+)?)\s?(?:℃|°C|도)", self._below_zero
        counters = alternatives([*self.lists["native"].split(), *self.lists["sino"].split()])
        amount = self.number_pattern("n", signed=False)
        yield r"(?<![\d.,])(\d{1,3})\s?대\s?(\d{1,3})(?![\d.,])", self._score
        yield rf"{amount}(?:{BETWEEN}(?P<to>\d{{1,9}}))?\s?(?P<unit>{counters})", self._counter

    def _month(self, match: re.Match[str]) -> str | None:
        value = int(match[1])
        return f"{_MONTHS.get(value) or self.cardinal(value)}월" if 1 <= value <= 12 else None

    def _hour(self, match: re.Match[str]) -> str | None:
        value = int(match[1])
        if value > 24:
            return None
        return f"{self.native(value) if 1 <= value <= _HOURS else self.cardinal(value)} 시"

    def _below_zero(self, match: re.Match[str]) -> str:
        return f"영하 {self.number(parse(match[1], self.decimal))} 도"

    def _counter(self, match: re.Match[str]) -> str | None:
        number, unit = parse(match["n"], self.decimal), match["unit"]
        is_age = unit == "대" and number.value % 10 == 0 and match["to"] is None
        if is_age or match.string[match.start() - 1 : match.start()] == "제":
            return None
        if number.fraction or number.is_spelled or number.value == 0:
            return f"{self.number(number)} {unit}"
        read = self.cardinal if unit in self.lists["sino"].split() else self.native
        words = read(number.value)
        if match["to"] is not None:
            words = f"{words} {unit}에서 {read(int(match['to']))}"
        return f"{words} {unit}"

    def date(self, day: int, month: int, year: int | None, match: re.Match[str]) -> str:
        spoken = f"{_MONTHS.get(month) or self.cardinal(month)}월 {self.cardinal(day)}일"
        return spoken if year is None else f"{self.cardinal(year)}년 {spoken}"

    def time(self, hour: int, minute: int, second: int | None, match: re.Match[str]) -> str:
        words = f"{self.native(hour) if 1 <= hour <= _HOURS else self.cardinal(hour)} 시"
        if minute:
            words += f" {self.cardinal(minute)} 분"
        return words if second is None else f"{words} {self.cardinal(second)} 초"

    def form(self, unit: Noun, amount: int) -> str:
        return unit.forms[0]

    def with_minor(self, whole: str, cents: int, minor: Noun) -> str:
        return f"{whole} {self.counted(Number(str(cents)), minor)}"

    def fraction(self, above: int, below: int) -> str:
        return f"{self.cardinal(below)} 분의 {self.cardinal(above)}"

    def mixed(self, whole: int, fraction: str) -> str:
        return f"{self.cardinal(whole)}과 {fraction}"
