"""English, read the American way; amounts of pounds and dates with the day first are understood too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.normalization.base import Grammar, Rule
from saystream.text.normalization.capitals import SHOUTED, calmed
from saystream.text.normalization.numbers import Number, in_words
from saystream.text.normalization.ranges import BETWEEN

__all__ = ["English"]

_TITLES = {"Dr": "Doctor", "Mr": "Mister", "Mrs": "Missus", "Prof": "Professor", "St": "Saint", "Gen": "General",
           "Col": "Colonel", "Capt": "Captain", "Sgt": "Sergeant", "Lt": "Lieutenant", "Rev": "Reverend"}  # fmt: skip
_STREETS = {"St": "Street", "Ave": "Avenue", "Rd": "Road", "Blvd": "Boulevard"}
_PARTS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
_COUNTED_IN_ROMAN = (
    "Chapter|Part|Volume|Act|Scene|Section|Book|Phase|Type|Level|World War|Super Bowl|Article|Title"
)
_RULERS = (
    "Henry|Louis|Charles|George|Edward|Richard|James|William|Elizabeth|John Paul|Benedict|Pius|Philip|Frederick|Mary|"
    "Catherine|Nicholas|Alexander|Peter|Francis|Ivan|Napoleon|Leo|Gregory|Clement|Innocent|Urban|Paul"
)
_NOON = 12
_LONGEST_MONTH = 31


class English(Grammar):
    code, tables = "en", "english.toml"
    decimal, groups = ".", ","
    month_first = True
    point, version_point = "point", "point"
    minus, to, ratio = "minus", "to", "to"
    squared, cubed, times = "squared", "cubed", "times"

    # --- numbers ---------------------------------------------------------------------------------------------------

    def cardinal(self, value: int, *, feminine: bool = False, counts: bool = False) -> str:
        return in_words(value, "en").replace(" and ", " ")

    def ordinal(self, value: int) -> str:
        return in_words(value, "en", "ordinal").replace(" and ", " ")

    def year(self, value: int) -> str:
        if 2000 <= value <= 2009 or value % 1000 == 0:
            return self.cardinal(value)
        return in_words(value, "en", "year").replace("oh-", "oh ")

    # --- rules -----------------------------------------------------------------------------------------------------

    def __init__(self) -> None:
        super().__init__()
        self._after_times = frozenset(
            [*self.weekdays, *self.months, *self.short_months, *self.lists["after_times"].split()]
        )

    def special_rules(self) -> Iterator[Rule]:
        yield (
            SHOUTED,
            calmed(frozenset(self.lists["ordinary"].split()), frozenset(self.lists["ambiguous"].split())),
        )
        # "5-7 pm": both in the same half of the day.
        yield (
            rf"(?<![\w.,:-])(\d{{1,2}}(?::[0-5]\d)?){BETWEEN}(?=\d{{1,2}}(?::[0-5]\d)?\s?[AaPp]\.?\s?[Mm]\b)",
            lambda match: f"{match[1]} to ",
        )
        yield (
            rf"(?<=\d)(\s?[AaPp])\.?[Mm]\.?{BETWEEN}(?=\d)",
            lambda match: f"{match[1]}m to ",
        )
        yield (
            rf"\b(?P<m>{self.any_month})\b\.?\s(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s(?P<y>\d{{4}})\b)?(?![:%])",
            self._date,
        )
        yield (
            rf"\b(?P<the>the\s)?(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?(?P<m>{self.any_month})\b\.?(?:,?\s(?P<y>\d{{4}})\b)?",
            self._date,
        )
        ends = r"(?:\.(?=[\"”’)]*(?:\s*$|\s+(?P<next>[\"“‘(]?[A-Z][a-z]+)))|\.)?"
        yield (
            rf"(?<![\d:.,])(\d{{1,2}})(?::([0-5]\d))?\s?([AaPp])(?:\.\s?[Mm]\b{ends}|[Mm]\b)",
            self._noon_time,
        )
        yield rf"\b({'|'.join(_TITLES)})\.?\s(?=[A-Z])", lambda match: f"{_TITLES[match[1]]} "
        yield rf"(?<=[a-z] )({'|'.join(_STREETS)})\b\.?", self._street
        yield r"\b[Nn]o\.\s?(?=\d)", lambda match: "number "
        yield r"\b(pp?)\.\s?(?=\d)", lambda match: "pages " if match[1] == "pp" else "page "
        yield r"\b(\d{2}|\d{4})s\b", self._decade
        yield r"\b24/7\b", lambda match: "twenty-four seven"

    def ordinal_rules(self) -> Iterator[Rule]:
        yield (
            r"(?<![\w.,])(\d{1,3}(?:,\d{3})*|\d+)(st|nd|rd|th)\b",
            lambda match: self.ordinal(int(match[1].replace(",", "")[:15])),
        )
        yield rf"\b({_COUNTED_IN_ROMAN}) ([IVXLC]+)\b(?![.'’]\w)", self._roman_cardinal
        yield rf"\b({_RULERS}) ([IVXL]+)\b(?![.'’]\w)", self._roman_ordinal

    # --- what they read --------------------------------------------------------------------------------------------

    def _date(self, match: re.Match[str]) -> str | None:
        month = self.month(match["m"])
        day = int(match["d"])
        return (
            self.date(day, month, int(match["y"]) if match["y"] else None, match) if 1 <= day <= 31 else None
        )

    def date(self, day: int, month: int, year: int | None, match: re.Match[str]) -> str:
        spoken = f"{self.months[month - 1]} {self.ordinal(day)}"
        if match.start("d") < match.start("m") and (year is None or match.re.groupindex.get("the")):
            spoken = f"the {self.ordinal(day)} of {self.months[month - 1]}"
        return spoken if year is None else f"{spoken}, {self.year(year)}"

    def time(self, hour: int, minute: int, second: int | None, match: re.Match[str]) -> str:
        words = self.cardinal(hour)
        if minute == 0:
            words += (
                " o'clock" if 0 < hour <= _NOON and second is None else " hundred" if second is None else ""
            )
        else:
            words += f" {'oh ' if minute < 10 else ''}{self.cardinal(minute)}"
        return words if second is None else f"{words} and {self.cardinal(second)} second{'s' * (second != 1)}"

    def _noon_time(self, match: re.Match[str]) -> str | None:
        hour, minute = int(match[1]), int(match[2] or 0)
        if not 1 <= hour <= _NOON:
            return None
        words = self.cardinal(hour)
        if minute:
            words += f" {'oh ' if minute < 10 else ''}{self.cardinal(minute)}"
        # Only in capitals is it not taken for "a" and "am".
        words = f"{words} {match[3].upper()}M"
        ends = self._ends_sentence(match) or (match["next"] and match["next"] not in self._after_times)
        return f"{words}." if ends else words

    def _street(self, match: re.Match[str]) -> str:
        return _STREETS[match[1]] + "." * self._ends_sentence(match)

    def _decade(self, match: re.Match[str]) -> str | None:
        if not match[1].endswith("0"):
            return None
        words = self.year_or_number(Number(match[1]))
        return words[:-1] + "ies" if words.endswith("y") else words + "s"

    def _roman_cardinal(self, match: re.Match[str]) -> str | None:
        value = self.roman(match[2])
        return value and f"{match[1]} {self.cardinal(value)}" or None

    def _roman_ordinal(self, match: re.Match[str]) -> str | None:
        value = self.roman(match[2])
        return value and f"{match[1]} the {self.ordinal(value)}" or None

    def with_minor(self, whole: str, cents: int, minor: object) -> str:
        return f"{whole} and {self.counted(Number(str(cents)), minor)}"  # type: ignore[arg-type]

    def fraction(self, above: int, below: int) -> str:
        if 10 < below <= _LONGEST_MONTH and below not in (12, 16, 20):
            return f"{self.cardinal(above)} {self.cardinal(below)}"  # more often a date than a fraction
        if below == 1 or below > 100:
            return f"{self.cardinal(above)} over {self.cardinal(below)}"
        one, many = _PARTS.get(below) or (self.ordinal(below), self.ordinal(below) + "s")
        return f"{self.cardinal(above)} {one if above == 1 else many}"

    def mixed(self, whole: int, fraction: str) -> str:
        article = {"one half": "a half", "one quarter": "a quarter"}.get(fraction, fraction)
        return f"{self.cardinal(whole)} and {article}"
