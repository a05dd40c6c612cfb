"""Russian. Numbers agree with what is counted, and years and centuries with the case of the word after them; other
numbers stay in the nominative, because nothing here knows the grammar of the sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.normalization.base import Grammar, Noun, Rule, alternatives
from saystream.text.normalization.numbers import Number, in_words

__all__ = ["Russian"]

_CASES = {
    **{"год": "n", "года": "g", "году": "p", "годом": "i", "годе": "p", "г.": ""},
    **{"век": "n", "века": "g", "веку": "d", "веком": "i", "веке": "p", "в.": ""},
}
"""An abbreviation has no forms of its own."""
_WHOLE_WORDS = {"г.": {"n": "год", "g": "года", "p": "году"}, "в.": {"n": "век", "g": "века", "p": "веке"}}
_PREPOSITIONS = {
    "в": "p",
    "во": "p",
    "с": "g",
    "до": "g",
    "после": "g",
    "от": "g",
    "около": "g",
    "к": "d",
    "на": "n",
}
_PARTS = {2: ("f", "вторая", "вторых"), 3: ("f", "треть", "трети"), 4: ("f", "четверть", "четверти")}
_LARGEST_PART = 100
_ENDINGS = {
    "й": ("n", "m"),
    "ый": ("n", "m"),
    "я": ("n", "f"),
    "ая": ("n", "f"),
    "е": ("n", "n"),
    "ое": ("n", "n"),
    "ее": ("n", "n"),
    "го": ("g", "m"),
    "ого": ("g", "m"),
    "му": ("d", "m"),
    "м": ("p", "m"),
    "ом": ("p", "m"),
    "ю": ("a", "f"),
    "ой": ("g", "f"),
    "х": ("g", "p"),
}
"""Case and gender that the letters after a number stand for."""


class Russian(Grammar):
    code, tables = "ru", "russian.toml"
    groups = r".\u00a0\u202f "
    point, version_point = "запятая", "точка"
    minus, plus, ratio = "минус", "плюс", "на"
    to = score = "—"
    squared, cubed, times = "в квадрате", "в кубе", "на"

    def cardinal(self, value: int, *, feminine: bool = False, counts: bool = False) -> str:
        words = in_words(value, "ru", gender="f") if feminine else in_words(value, "ru")
        return words.removeprefix("одна ") if words.startswith("одна тысяча") else words

    def number(self, number: Number, feminine: bool = False, *, counts: bool = False) -> str:
        if number.fraction and len(number.fraction) <= 3 and not number.is_spelled:
            words = in_words(int(number.whole), "ru", gender="f")
            tenths = {1: ("десятая", "десятых"), 2: ("сотая", "сотых"), 3: ("тысячная", "тысячных")}[
                len(number.fraction)
            ]
            part = int(number.fraction)
            whole = "целая" if _is_one(number.value) else "целых"
            spoken = f"{words} {whole} {in_words(part, 'ru', gender='f')} {tenths[0 if _is_one(part) else 1]}"
            sign = {"-": self.minus, "+": self.plus, "±": "плюс минус"}.get(number.sign)
            return f"{sign} {spoken}" if sign else spoken
        return super().number(number, feminine, counts=counts)

    def counted(self, number: Number, unit: Noun) -> str:
        if number.fraction:
            return f"{self.number(number)} {unit.forms[1 if len(unit.forms) > 1 else 0]}"
        return f"{self.number(number, unit.feminine, counts=True)} {self.form(unit, number.value)}"

    def form(self, unit: Noun, amount: int) -> str:
        if len(unit.forms) == 1:
            return unit.forms[0]
        if _is_one(amount):
            return unit.forms[0]
        return unit.forms[1 if amount % 10 in (2, 3, 4) and amount % 100 not in (12, 13, 14) else 2]

    def _money(self, match: re.Match[str]) -> str | None:
        words = super()._money(match)
        if words is None or match["big"] is None:
            return words
        currency = self.currencies[match["unit"].replace("\u00a0", " ")]
        return words.removesuffix(self.form(currency, 2)) + self.form(currency, 5)

    def plain(self, value: int, following: str) -> str:
        last, word = value % 10, following.lower()
        if value % 100 not in (11, 12) and len(word) > 2:
            if last == 1 and word.endswith(("а", "я")):
                return self.cardinal(value, feminine=True)
            if last == 1 and word.endswith(("о", "е")):
                return in_words(value, "ru", gender="n")
            if last == 2 and word.endswith(("ы", "и")):
                return self.cardinal(value, feminine=True)
        return self.cardinal(value)

    def ordinal(self, value: int, case: str = "n", gender: str = "m") -> str:
        if gender == "p":
            return in_words(value, "ru", "ordinal", case=case, plural=True)
        return in_words(value, "ru", "ordinal", case=case, gender=gender)

    def special_rules(self) -> Iterator[Rule]:
        day = rf"(?P<d>\d{{1,2}})\s(?P<m>{self.any_month})\b\.?(?:\s(?P<y>\d{{4}})(?:\s(?P<word>года|г\.))?)?"
        yield from self.day_rules(day, until=r"\s?[–—-]\s?")
        yield (
            r"(?:\b(?P<before>\w{1,5})\s)?(?<![\d.,])(?P<n>\d{3,4}|[IVX]+)\s(?P<word>года|году|годом|годе|год|г\.|веке|веку|веком|века|век|в\.)(?![\w])",
            self._dated,
        )
        yield r"(?<![\w.,])(?P<n>\d{4})\s?[–—-]\s?(?P<last>\d{4})\s(?:годы|гг\.|годов)", self._years
        yield r"(?<!\w)(?P<n>[IVX]+)\s?[–—-]\s?(?P<last>[IVX]+)\s(?:вв\.|века(?!\w))", self._centuries
        yield r"(?<=\b[вВсС] )(\d{1,2})\.([0-5]\d)(?![\d.])()", self._clock
        yield r"№\s?(?=\d)", lambda match: "номер "

    def ordinal_rules(self) -> Iterator[Rule]:
        rulers = alternatives([*self.lists["kings"].split(), *self.lists["queens"].split()])
        yield rf"(?<![\w.,])(?P<n>\d{{1,4}})-(?P<end>{alternatives(_ENDINGS)})(?!\w)", self._ordinal
        yield r"(?<![\w.,])(\d{1,3})-([а-яё]{3,30})", lambda match: self._genitive(int(match[1])) + match[2]
        yield rf"\b(?P<name>{rulers}) (?P<n>[IVX]+)(?!\w)", self._ruler

    def _centuries(self, match: re.Match[str]) -> str | None:
        first, last = self.roman(match["n"]), self.roman(match["last"])
        return f"{self.ordinal(first)} — {self.ordinal(last)} века" if first and last else None

    def _genitive(self, value: int) -> str:
        """As in "пятилетний"."""
        return in_words(value, "ru", case="g").replace(" ", "")

    def days(self, first: int, last: str) -> str:
        return f"{self.ordinal(first, 'g')} {self.to} {last}"

    def date(self, day: int, month: int, year: int | None, match: re.Match[str]) -> str:
        spoken = f"{self.ordinal(day, 'g')} {self.months[month - 1]}"
        return spoken if year is None else f"{spoken} {self.ordinal(year, 'g')} года"

    def _dated(self, match: re.Match[str]) -> str | None:
        value = int(match["n"]) if match["n"].isdecimal() else self.roman(match["n"])
        before, word = match["before"] or "", match["word"]
        is_year = word.startswith("г")
        if (
            not value
            or (is_year and not match["n"].isdecimal())
            or (not is_year and match["n"].isdecimal() and value > 30)
        ):
            return None
        case = _CASES[word] or _PREPOSITIONS.get(before.lower(), "n")
        if word == "году" and before.lower() in ("к", "ко"):
            case = "d"
        words = _WHOLE_WORDS.get(word, {}).get(case) or (
            "года" if word == "г." else "века" if word == "в." else word
        )
        lead = f"{before} " if before else ""
        return f"{lead}{self.ordinal(value, case if case in 'ngpdi' else 'n')} {words}"

    def _years(self, match: re.Match[str]) -> str:
        return f"{self.ordinal(int(match['n']))} — {self.ordinal(int(match['last']))} годы"

    def time(self, hour: int, minute: int, second: int | None, match: re.Match[str]) -> str:
        words = self.cardinal(hour)
        if minute == 0 and second is None:
            return f"{words} ноль ноль"
        words += f" {'ноль ' if 0 < minute < 10 else ''}{self.cardinal(minute)}"
        return words if second is None else f"{words} и {self.counted(Number(str(second)), self.units['с'])}"

    def _ordinal(self, match: re.Match[str]) -> str | None:
        value, (case, gender) = int(match["n"]), _ENDINGS[match["end"]]
        if match["end"] == "е" and value % 10 == 0 and value >= 10:
            gender = "p"  # "90-е"
        return self.ordinal(value, case, gender) if value else None

    def _ruler(self, match: re.Match[str]) -> str | None:
        value = self.roman(match["n"])
        if value is None:
            return None
        gender = "f" if match["name"] in self.lists["queens"].split() else "m"
        return f"{match['name']} {self.ordinal(value, gender=gender).capitalize()}"

    def with_minor(self, whole: str, cents: int, minor: Noun) -> str:
        return f"{whole} {self.counted(Number(str(cents)), minor)}"

    def fraction(self, above: int, below: int) -> str:
        if below < 2 or below > _LARGEST_PART:
            return f"{self.cardinal(above)} делить на {self.cardinal(below)}"
        if below in _PARTS:
            _, one, many = _PARTS[below]
        else:
            one, many = self.ordinal(below, gender="f"), self.ordinal(below, "g", "p")
        return f"{self.cardinal(above, feminine=True)} {one if _is_one(above) else many}"

    def mixed(self, whole: int, fraction: str) -> str:
        return f"{self.cardinal(whole, feminine=True)} {'целая' if _is_one(whole) else 'целых'} и {fraction}"


def _is_one(amount: int) -> bool:
    return amount % 10 == 1 and amount % 100 != 11
