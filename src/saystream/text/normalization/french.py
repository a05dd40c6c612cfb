"""French, with the numbers of France (soixante-dix, quatre-vingt-dix)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.normalization.base import Noun, Rule
from saystream.text.normalization.numbers import Number, in_words
from saystream.text.normalization.romance import Romance

__all__ = ["French"]

_ENDINGS = r"(?P<end>ers?|re|ère|res|èmes?|e|es|è|nds?|nde)"
_AFTER_CENTURY = r"(?=\s(?:siècles?|s\.|arrondissement|République|édition|dynastie|chapitre))"


class French(Romance):
    code, tables = "fr", "french.toml"
    plural_initials = r"\1"
    groups = r".\u00a0\u202f "
    fraction_is_number = True
    point, version_point = "virgule", "point"
    minus, to, ratio = "moins", "à", "à"
    of_magnitude = " de "
    squared, cubed, times = "au carré", "au cube", "fois"
    conjunction, over = "et", "sur"
    parts = {2: ("demi", "demis"), 3: ("tiers", "tiers"), 4: ("quart", "quarts")}

    def cardinal(self, value: int, *, feminine: bool = False, counts: bool = False) -> str:
        words = in_words(value, "fr")
        return f"{words}e" if feminine and words.endswith("un") else words

    def ordinal(self, value: int, *, feminine: bool = False) -> str:
        if value == 1:
            return "première" if feminine else "premier"
        return in_words(value, "fr", "ordinal")

    def special_rules(self) -> Iterator[Rule]:
        day = rf"(?P<d>\d{{1,2}})(?P<first>er)?\s(?P<m>{self.any_month})\b\.?(?:\s(?P<y>\d{{4}})\b)?"
        yield from self.day_rules(day, until=r"(?:er)?\s?(?:[–-]|au)\s?")
        yield (
            r"(?<![\d.,/])(\d{1,2})\s?[hH]\s?([0-5]\d)?(?:\s?(?:min|m)?\s?([0-5]\d)\s?s)?(?!\w)",
            self._clock_h,
        )
        yield r"(?<![\d.,+])(0\d)(?:[ .\u00a0-](\d\d)){4}(?![\d])", self._phone
        yield r"(?<![\w.])(?:n|N)[°º]s?\s?(?=\d)", lambda match: "numéro "

    def ordinal_rules(self) -> Iterator[Rule]:
        yield rf"(?<![\w.,])(?P<n>\d{{1,3}}){_ENDINGS}(?!\w)", self._ordinal
        yield rf"(?<!\w)(?P<n>[IVX]{{1,6}}){_ENDINGS}(?!\w)", self._ordinal
        yield rf"(?<!\w)(?P<n>[IVX]{{2,6}}|[VX])(?P<end>){_AFTER_CENTURY}", self._ordinal
        yield r"(?<=[a-zéèëï]\s)([IVX]{2,6}|[VX](?=[\s,.;]))(?!\w|\.\w)", self._ruler

    def _clock_h(self, match: re.Match[str]) -> str | None:
        hour = int(match[1])
        if hour > 24:
            return None
        return self.time(hour, int(match[2] or 0), int(match[3]) if match[3] else None, match)

    def days(self, first: int, last: str) -> str:
        return f"{self._day(first)} au {last}"

    def _day(self, day: int) -> str:
        return "premier" if day == 1 else self.cardinal(day)

    def date(self, day: int, month: int, year: int | None, match: re.Match[str]) -> str:
        spoken = f"{self._day(day)} {self.months[month - 1]}"
        return spoken if year is None else f"{spoken} {self.year(year)}"

    def time(self, hour: int, minute: int, second: int | None, match: re.Match[str]) -> str:
        words = self.counted(Number(str(hour)), self.units["h"])
        if minute or second is not None:
            words += f" {self.cardinal(minute, feminine=True)}"
        return words if second is None else f"{words} et {self.counted(Number(str(second)), self.units['s'])}"

    def phone_group(self, digits: str) -> str:
        if len(digits) != 2:
            return self.digits(digits)
        return f"zéro {self.cardinal(int(digits[1]))}" if digits[0] == "0" else self.cardinal(int(digits))

    def _ordinal(self, match: re.Match[str]) -> str | None:
        number = match["n"]
        value = int(number) if number.isdecimal() else self.roman(number)
        if not value:
            return None
        if match["end"] in ("nd", "nde", "nds"):
            return "seconde" if match["end"] == "nde" else "second"
        plural = "s" if match["end"].endswith("s") else ""
        return self.ordinal(value, feminine=match["end"] in ("re", "ère", "res")) + plural

    def _ruler(self, match: re.Match[str]) -> str | None:
        value = self.roman(match[1])
        return None if value is None else self.cardinal(value)

    def form(self, unit: Noun, amount: int) -> str:
        return unit.forms[0 if amount < 2 else -1]

    def counted(self, number: Number, unit: Noun) -> str:
        # "1,5 heure": below two it is singular.
        words = self.number(number, unit.feminine, counts=True)
        return f"{words}{self._between(words)}{self.form(unit, number.value)}"

    def _money(self, match: re.Match[str]) -> str | None:
        words = super()._money(match)
        return words and re.sub(r"\bde (?=[aeéiou])", "d'", words)

    def with_minor(self, whole: str, cents: int, minor: Noun) -> str:
        return f"{whole} {self.cardinal(cents)}"

    def part(self, below: int) -> tuple[str, str]:
        ordinal = self.ordinal(below)
        return ordinal, f"{ordinal}s"

    def mixed(self, whole: int, fraction: str) -> str:
        return f"{self.cardinal(whole)} {self.conjunction} {fraction}"
