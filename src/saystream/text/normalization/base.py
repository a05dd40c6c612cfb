"""The rules that languages share, and what each language has to define.

Rules are tried in order, the longest things first: dates are already replaced when numbers are read. No expression
repeats what another repetition inside it can also match, so that the time never grows faster than the text.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from saystream.text.normalization import addresses
from saystream.text.normalization.capitals import PLURAL
from saystream.text.normalization.decimals import decimal_points
from saystream.text.normalization.numbers import (
    FIRST_CENTURY_OF_YEARS,
    ROMAN_END,
    Number,
    parse,
    pattern,
    roman_value,
)
from saystream.text.normalization.ranges import BETWEEN, is_score, is_years, nearby, range_rules
from saystream.text.normalization.rules import Rule
from saystream.text.normalization.signs import role_rules, silent_rules
from saystream.text.normalization.tables import read_tables
from saystream.text.rewriting import Rewritten

__all__ = ["Grammar", "Noun", "Rule", "alternatives", "nouns"]

_LATEST_HOUR = 24
_MONTHS = 12
_LONGEST_MONTH = 31
_LARGEST_IMPROPER = 9
"""Largest denominator of a fraction not below one, such as 5/4."""
_FEWEST_PHONE_DIGITS = 7
_SHORT_YEARS_OF_THIS_CENTURY = 50
"""Years of two digits below this are 20xx."""

_GROUPED = re.compile(r"\d{1,3}(?:\.\d{3})+")


@dataclass(frozen=True, slots=True)
class Noun:
    """Something that is counted: a unit or a currency."""

    forms: tuple[str, ...]
    """Singular and plural; in a language with more forms, its own ``form`` says which is which."""
    feminine: bool = False
    minor: Noun | None = None
    """The hundredth part of a currency."""


def noun(written: str, minor: Noun | None = None) -> Noun:
    """``"f:hour|hours"`` is feminine and has two forms."""
    feminine = written.startswith("f:")
    return Noun(tuple(written.removeprefix("f:").split("|")), feminine, minor)


def nouns(written: Mapping[str, str]) -> dict[str, Noun]:
    """``noun`` for each of them; ``"dollar|dollars/cent|cents"`` has a minor one."""
    return {
        sign: noun(major, noun(minor) if minor else None)
        for sign, (major, _, minor) in ((sign, text.partition("/")) for sign, text in written.items())
    }


def alternatives(words: Iterable[str]) -> str:
    """A regular expression for any of ``words``, the longest first; a space in one may be missing or non-breaking."""
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(re.escape(word).replace(r"\ ", r"[ \u00a0\u202f]?") for word in longest_first)


class Grammar(ABC):
    """Reads what is not a word, in one language. Other modules call only ``normalize``."""

    code: ClassVar[str]
    """Its name in num2words."""
    decimal: ClassVar[str] = ","
    """The marks before decimals, for a character class."""
    groups: ClassVar[str] = r".\u00a0\u202f "
    """The marks between groups of three digits, for a character class."""
    month_first: ClassVar[bool] = False
    """12/25/2024 rather than 25/12/2024."""
    fraction_is_number: ClassVar[bool] = False
    """Decimals are read as a number ("comma fourteen"), not digit by digit."""

    point: ClassVar[str]
    """The word for the decimal mark."""
    version_point: ClassVar[str]
    """The word for the full stop in a version number."""
    minus: ClassVar[str]
    plus: ClassVar[str] = "plus"
    to: ClassVar[str]
    """Between the ends of a range."""
    ratio: ClassVar[str]
    """Between the sides of "3:2"."""
    score: ClassVar[str] = ""
    """Between the goals of "3-2", if it is not ``ratio``."""
    squared: ClassVar[str]
    cubed: ClassVar[str]
    times: ClassVar[str]
    """The x in "3 x 4"."""
    tables: ClassVar[str]
    """The data file beside this one with the rest: names of months, units, currencies, abbreviations and signs."""
    of_magnitude: ClassVar[str] = ""
    """Between "million" and a currency, as in "millions *of* euros", with its spaces."""
    unit_end: ClassVar[str] = r"(?!\w)"
    """After a unit."""
    plural_initials: ClassVar[str] = r"\1's"
    """How "CDs" is written so that every engine reads it, as a replacement of ``capitals.PLURAL``."""
    after_range: ClassVar[str] = r"(?![\w/-]|[.,:]\d)"
    """After two numbers with a dash between them."""

    def __init__(self) -> None:
        tables = read_tables(self.tables)
        self.months: tuple[str, ...] = tuple(tables["months"])
        self.short_months: dict[str, int] = tables.get("short_months", {})
        """Numbered from 1."""
        self.any_month = alternatives([*self.months, *self.short_months])
        """A regular expression for their names."""
        self.units = nouns(tables["units"])
        self.currencies = nouns(tables["currencies"])
        self.magnitudes = nouns(tables["magnitudes"])
        """Such as "Mio.", between a number and a currency."""
        self.units |= {name: noun for name, noun in self.magnitudes.items() if len(name) > 1}
        self.abbreviations: dict[str, str] = tables["abbreviations"]
        self.signs: dict[str, str] = tables["signs"]
        """Read wherever they stand."""
        self.letters: dict[str, str] = tables["letters"]
        """The words for the signs in an address."""
        self.lists: dict[str, str] = tables.get("lists", {})
        """Words, separated by spaces, for rules of this language."""
        self.weekdays: dict[str, str] = tables.get("weekdays", {})
        """Their names by names and abbreviations."""
        self.any_currency = alternatives(self.currencies)
        self.any_unit = rf"(?:{alternatives(self.units)}){self.unit_end}|{self.any_currency}"
        self._rules = [(re.compile(expression), read) for expression, read in self.rules()]

    def normalize(self, text: Rewritten) -> Rewritten:
        for expression, read in self._rules:
            text = text.sub(expression, partial(_put, read))
        return text

    # --- rules -----------------------------------------------------------------------------------------------------

    def rules(self) -> Iterator[Rule]:
        """All of them, in order. A language adds its own through the methods called here."""
        yield addresses.EMAIL, self._address
        yield addresses.URL, self._url
        yield PLURAL, lambda match: match.expand(self.plural_initials)
        yield from range_rules(self)
        yield from role_rules(self)
        yield from self.special_rules()
        yield from self._date_rules()
        yield r"(?<![\d:.,])(\d{1,2}):([0-5]\d)(?::([0-5]\d))?(?![\d:])" + self.after_time(), self._clock
        beginning = r"(?<![\w.,/-])(?:\+\d|\(\d{2,5}\)|0|(?=\d{3}-\d{3,4}(?:-\d{4})?(?![\w-])))"
        yield beginning + r"[\d ()/-]{5,20}\d(?![A-Za-z0-9]|[.,]\d)", self._phone
        yield r"(?<=\d)\s?[x×]\s?(?=\d)", lambda match: f" {self.times} "
        if self.decimal == ",":
            yield from decimal_points(self)
        yield from self._money_rules()
        yield from self._unit_rules()
        number = self.number_pattern
        yield r"(?<![\w/.,:])(?:(\d{1,3})[ \u00a0])?(\d{1,3})/(\d{1,3})(?![\w/]|[.,:]\d)", self._fraction
        first, second = self.number_pattern("n"), self.number_pattern("to", signed=False)
        yield rf"(?<![\w/.,:-]){first}(?:{BETWEEN}){second}{self.after_range}", self._range
        yield from self.ordinal_rules()
        yield f"([IVXLCDM]*){ROMAN_END}", self._roman_left
        if self.abbreviations:
            yield rf"(?<![\w.])({alternatives(self.abbreviations)})(?!\w)", self._abbreviation
        yield r"(?<![\d.,])([vV]?)(\d{1,4}(?:\.\d{1,4}){2,})(?![\d])", self._version
        yield r"(?<![\w.,:])(\d{1,3}):(\d{1,3})(?![\w:]|[.,]\d)", self._score
        yield rf"{number('number')}(?!\d)(?=(?:\s(?P<next>[^\W\d_]+))?)", self._number
        yield r"(?<=\w)([²³])", lambda match: f" {self.squared if match[1] == '²' else self.cubed}"
        yield r"\d+", lambda match: self._left_over(match[0])
        yield (
            addresses.signs_pattern(self.signs),
            lambda match: addresses.named_signs(match[0], self.signs, " "),
        )
        yield from silent_rules()
        yield r"(?<=\S)[ \u00a0]{2,}(?=\S)", lambda match: " "
        yield r"(?<=\w) +(?=[,.](?!\w))", lambda match: ""

    @abstractmethod
    def special_rules(self) -> Iterator[Rule]:
        """Rules that no other language has, before anything else is read."""

    def ordinal_rules(self) -> Iterator[Rule]:
        """Ordinals and Roman numerals."""
        return iter(())

    def after_time(self) -> str:
        """What may follow a time and is read with it."""
        return ""

    def number_pattern(self, name: str, *, signed: bool = True) -> str:
        return pattern(name, decimal=self.decimal, groups=self.groups, signed=signed)

    def day_rules(self, day: str, *, until: str = r"\s?[–-]\s?") -> Iterator[Rule]:
        """Dates with the name of a month. ``day`` has the groups of ``_written_date``; ``until`` is what stands before
        it in a range of days."""
        yield rf"(?<![\d.,])(?P<from>\d{{1,2}}){until}{day}", self._day_range
        yield rf"(?<![\d.,]){day}", self._written_date

    def _date_rules(self) -> Iterator[Rule]:
        yield (
            r"(?<![\w.-])(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})(?![\w-]|\.\d)",
            self._numeric_date,
        )
        yield (
            r"(?<![\w./-])(?P<d>\d{1,2})([-/.])(?P<m>\d{1,2})\2(?P<y>\d{4}|\d{2})(?![\w/-]|\.\d)",
            self._numeric_date,
        )

    def _money_rules(self) -> Iterator[Rule]:
        first, second = self.number_pattern("n"), self.number_pattern("to", signed=False)
        numbers = rf"{first}(?:{BETWEEN}{second})?"
        signs = self.any_currency
        magnitude = (
            rf"(?:\s?(?P<big>{alternatives(self.magnitudes)})(?!\w))?"
            if self.magnitudes
            else "(?P<big>(?!))?"
        )
        yield rf"(?<!\w)(?P<sign>[-−])?(?P<unit>{signs})\s?{numbers}{magnitude}(?!\d)", self._money
        yield rf"{numbers}{magnitude}\s?(?P<unit>{signs})(?!\w)(?P<sign>)", self._money

    def _unit_rules(self) -> Iterator[Rule]:
        first, second = self.number_pattern("n"), self.number_pattern("to", signed=False)
        yield (
            rf"{first}(?:{BETWEEN}{second})?\s?(?P<unit>{alternatives(self.units)}){self.unit_end}",
            self._quantity,
        )

    # --- what they read --------------------------------------------------------------------------------------------

    def _address(self, match: re.Match[str]) -> str:
        return addresses.spoken(match[0], self.letters, self.digits)

    def _url(self, match: re.Match[str]) -> str:
        return addresses.spoken(addresses.without_scheme(match[0]), self.letters, self.digits)

    def _numeric_date(self, match: re.Match[str]) -> str | None:
        year, month, day = match["y"], int(match["m"]), int(match["d"])
        if self.month_first and match.start("d") < match.start("y") and day <= _MONTHS:
            month, day = day, month
        elif month > _MONTHS >= day:
            month, day = day, month
        if len(year) == 2:
            year = ("20" if int(year) < _SHORT_YEARS_OF_THIS_CENTURY else "19") + year
        if not (1 <= month <= _MONTHS and 1 <= day <= _LONGEST_MONTH):
            return None
        return self.date(day, month, int(year), match)

    def _written_date(self, match: re.Match[str]) -> str | None:
        """A day ``d``, a month ``m`` by name, and a year ``y`` if there is one."""
        if not 1 <= int(match["d"]) <= _LONGEST_MONTH:
            return None
        return self.date(
            int(match["d"]), self.month(match["m"]), int(match["y"]) if match["y"] else None, match
        )

    def _day_range(self, match: re.Match[str]) -> str | None:
        last = self._written_date(match)
        return last and self.days(int(match["from"]), last)

    def days(self, first: int, last: str) -> str:
        """A range of days; ``last`` is the date at its end, in words."""
        return f"{self.cardinal(first)} {self.to} {last}"

    @abstractmethod
    def date(self, day: int, month: int, year: int | None, match: re.Match[str]) -> str: ...

    def _clock(self, match: re.Match[str]) -> str | None:
        hour, minute, second = int(match[1]), int(match[2]), match[3]
        if hour > _LATEST_HOUR:
            return None
        return self.time(hour, minute, int(second) if second else None, match)

    @abstractmethod
    def time(self, hour: int, minute: int, second: int | None, match: re.Match[str]) -> str: ...

    def _phone(self, match: re.Match[str]) -> str | None:
        digits = re.sub(r"\D", "", match[0])
        if len(digits) < _FEWEST_PHONE_DIGITS or re.search(r"\d\s[-/]\s\d|--", match[0]):
            return None
        groups = re.findall(r"\d+", match[0])
        words = ", ".join(map(self.phone_group, groups))
        return f"{self.plus} {words}" if match[0].startswith("+") else words

    def phone_group(self, digits: str) -> str:
        return self.digits(digits)

    def _roman_left(self, match: re.Match[str]) -> str:
        """A Roman numeral of which no other rule knows what it counts."""
        value = roman_value(match[1])
        return match[1] if value is None else self.cardinal(value)

    def _money(self, match: re.Match[str]) -> str | None:
        currency = self.currencies[match["unit"].replace("\u00a0", " ")]
        number = parse(match["n"], self.decimal)
        if match["sign"]:
            number = Number(number.whole, number.fraction, "-")
        last = number if match["to"] is None else parse(match["to"], self.decimal)
        if match["big"] is not None:
            magnitude = self.magnitudes[match["big"]]
            words = f"{self.counted(last, magnitude)}{self.of_magnitude or ' '}{self.form(currency, 2)}"
        else:
            words = self.money(last, currency)
        return words if match["to"] is None else f"{self.number(number)} {self.to} {words}"

    def money(self, number: Number, currency: Noun) -> str:
        if len(number.fraction) != 2 or currency.minor is None:
            return self.counted(number, currency)
        whole = self.counted(Number(number.whole, "", number.sign), currency)
        cents = int(number.fraction)
        return whole if cents == 0 else self.with_minor(whole, cents, currency.minor)

    @abstractmethod
    def with_minor(self, whole: str, cents: int, minor: Noun) -> str: ...

    def _quantity(self, match: re.Match[str]) -> str:
        written = re.sub(r"[\u00a0\u202f]", " ", match["unit"])
        unit, number = self.units[written], parse(match["n"], self.decimal)
        if match["to"] is None:
            words = self.counted(number, unit)
        else:
            last = self.counted(parse(match["to"], self.decimal), unit)
            words = f"{self.number(number, unit.feminine)} {self.to} {last}"
        return f"{words}." if self._ends_sentence(match) else words

    @staticmethod
    def _ends_sentence(match: re.Match[str]) -> bool:
        """Whether the full stop of an abbreviation also ends its sentence."""
        return match[0].endswith(".") and not match.string[match.end() :].strip()

    def counted(self, number: Number, unit: Noun) -> str:
        """``number`` and the right form of ``unit``."""
        amount = 2 if number.fraction else number.value
        words = self.number(number, unit.feminine, counts=True)
        return f"{words}{self._between(words)}{self.form(unit, amount)}"

    def _between(self, words: str) -> str:
        """The word between a number and a noun: "un millón *de* euros"."""
        is_magnitude = any(words.endswith(form) for noun in self.magnitudes.values() for form in noun.forms)
        return (self.of_magnitude or " ") if is_magnitude else " "

    def form(self, unit: Noun, amount: int) -> str:
        return unit.forms[0 if amount == 1 else -1]

    def _fraction(self, match: re.Match[str]) -> str | None:
        above, below = int(match[2]), int(match[3])
        if below == 0:
            return None
        if above >= below and (below > _LARGEST_IMPROPER or above > 2 * _LARGEST_IMPROPER):
            return f"{self.cardinal(above)} {self.cardinal(below)}"  # "50/50", "24/7"
        words = self.fraction(above, below)
        return words if match[1] is None else self.mixed(int(match[1]), words)

    @abstractmethod
    def fraction(self, above: int, below: int) -> str: ...

    @abstractmethod
    def mixed(self, whole: int, fraction: str) -> str:
        """A whole number and the words of a fraction."""

    def _range(self, match: re.Match[str]) -> str | None:
        first, second = parse(match["n"], self.decimal), parse(match["to"], self.decimal)
        word = self.to
        if match["n"].isdecimal() and match["to"].isdecimal():
            words = self.lists.get("scores", "")
            if is_score(first.whole, second.whole, nearby(match), words):
                word = self.score or self.ratio
            elif not is_years(first.whole, second.whole) and first.value >= second.value:
                return None
        return f"{self.range_end(first, match)} {word} {self.range_end(second, match)}"

    def range_end(self, number: Number, match: re.Match[str]) -> str:
        return self.year_or_number(number)

    def year_or_number(self, number: Number) -> str:
        if len(number.whole) == 4 and not number.fraction and number.value in FIRST_CENTURY_OF_YEARS:
            return self.year(number.value)
        return self.number(number)

    def year(self, value: int) -> str:
        return self.cardinal(value)

    def _abbreviation(self, match: re.Match[str]) -> str:
        written = re.sub(r"[\u00a0\u202f]", " ", match[0])
        words = self.abbreviations.get(written)
        if words is None:  # written without its space
            words = next(
                words
                for key, words in self.abbreviations.items()
                if key.replace(" ", "") == written.replace(" ", "")
            )
        return f"{words}." if self._ends_sentence(match) else words

    def _version(self, match: re.Match[str]) -> str | None:
        if "." in self.groups and _GROUPED.fullmatch(match[2]):
            return None
        numbers = (self.number(Number(part)) for part in match[2].split("."))
        words = f" {self.version_point} ".join(numbers)
        return f"{match[1]} {words}" if match[1] else words

    def _score(self, match: re.Match[str]) -> str:
        return f"{self.number(Number(match[1]))} {self.ratio} {self.number(Number(match[2]))}"

    def _number(self, match: re.Match[str]) -> str:
        number = parse(match["number"], self.decimal)
        grouped = match["number"].lstrip("-−+±") != number.whole
        if not number.sign and not grouped and not number.is_spelled:
            return self.plain(number.value, match["next"] or "")
        return self.number(number)

    def _left_over(self, digits: str) -> str:
        """Digits that no other rule recognised, as in "9001:2015"."""
        number = Number(digits)
        return self.digits(digits) if number.is_spelled else self.year_or_number(number)

    def plain(self, value: int, following: str) -> str:
        """A number that stands alone, before the word ``following``."""
        return self.year_or_number(Number(str(value)))

    def month(self, name: str) -> int:
        """The number of a month by its name or abbreviation."""
        return self.short_months.get(name) or self.months.index(name) + 1

    # --- numbers ---------------------------------------------------------------------------------------------------

    def number(self, number: Number, feminine: bool = False, *, counts: bool = False) -> str:
        """Words for a whole or decimal number; with ``counts`` a noun follows."""
        if number.is_spelled and (len(number.whole) > 1 and not number.fraction):
            words = self.digits(number.whole)
        elif number.fraction:
            words = self.decimals(self.cardinal(number.value), number.fraction)
        else:
            words = self.cardinal(number.value, feminine=feminine, counts=counts)
        sign = {"-": self.minus, "+": self.plus, "±": f"{self.plus} {self.minus}"}.get(number.sign)
        return f"{sign} {words}" if sign else words

    def decimals(self, whole: str, fraction: str) -> str:
        is_number = self.fraction_is_number and len(fraction) == 2 and not fraction.startswith("0")
        return f"{whole} {self.point} {self.cardinal(int(fraction)) if is_number else self.digits(fraction)}"

    @abstractmethod
    def cardinal(self, value: int, *, feminine: bool = False, counts: bool = False) -> str: ...

    def digits(self, digits: str) -> str:
        return " ".join(self.cardinal(int(digit)) for digit in digits)

    def roman(self, numeral: str) -> int | None:
        """The value of a Roman numeral that is not itself a word or abbreviation."""
        return roman_value(numeral)


def _put(read: Callable[[re.Match[str]], str | None], match: re.Match[str]) -> str:
    """The words for the match, separated from letters that were written next to it."""
    words = read(match)
    if words is None:
        return match[0]
    before, after = (
        match.string[max(0, match.start() - 1) : match.start()],
        match.string[match.end() : match.end() + 1],
    )
    if _is_cased(before) and words[:1].isalnum():
        words = f" {words}"
    return f"{words} " if _is_cased(after) and words[-1:].isalnum() else words


def _is_cased(character: str) -> bool:
    return character.lower() != character.upper()
