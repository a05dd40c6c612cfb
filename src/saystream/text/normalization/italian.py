"""Italian."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.normalization.base import Rule
from saystream.text.normalization.numbers import Number, in_words
from saystream.text.normalization.romance import Romance

__all__ = ["Italian"]


class Italian(Romance):
    code, tables = "it", "italian.toml"
    plural_initials = r"\1"
    groups = r".\u00a0\u202f "
    fraction_is_number = True
    point, version_point = "virgola", "punto"
    minus, plus, to, ratio = "meno", "più", "a", "a"
    squared, cubed, times = "al quadrato", "al cubo", "per"
    conjunction, over = "e", "su"
    parts = {2: ("mezzo", "mezzi")}
    of_magnitude = " di "

    def cardinal(self, value: int, *, feminine: bool = False, counts: bool = False) -> str:
        if value == 1 and counts:
            return "una" if feminine else "un"
        return in_words(value, "it")

    def plain(self, value: int, following: str) -> str:
        if value == 1 and len(following) > 2:
            return "una" if following.endswith("a") else "un"
        return super().plain(value, following)

    def ordinal(self, value: int, *, feminine: bool = False) -> str:
        words = in_words(value, "it", "ordinal")
        return words[:-1] + "a" if feminine else words

    def special_rules(self) -> Iterator[Rule]:
        day = rf"(?P<d>\d{{1,2}})[º°]?\s(?P<m>{self.any_month})\b\.?(?:\s(?P<y>\d{{4}})\b)?"
        yield from self.day_rules(day)
        yield r"(?<![\w.,])(?P<n>\d{1,3})(?P<end>°)(?=\s[a-zàèéìòù]{3})", self._ordinal
        yield r"(?<=\b[Oo]re )(\d{1,2})[.:]([0-5]\d)(?![\d.])()", self._clock
        yield r"(?<=\b[Aa]lle )(\d{1,2})\.([0-5]\d)(?![\d.])()", self._clock

    def ordinal_rules(self) -> Iterator[Rule]:
        yield r"(?<![\w.,])(?P<n>\d{1,3})(?P<end>[ºª°])(?![\w])", self._ordinal
        yield (
            r"(?<!\w)(?P<n>[IVX]{1,6})(?P<end>)(?=\s(?:secolo|secoli|sec\.|edizione|capitolo|Congresso|legislatura))",
            self._ordinal,
        )
        yield r"(?<=[a-zàèéìòù] )(?P<n>[IVX]{2,6}|[VX](?=[\s,.;]|$))(?P<end>)(?!\w|\.\w)", self._ordinal

    def days(self, first: int, last: str) -> str:
        return f"{self.cardinal(first)}-{last}"

    def date(self, day: int, month: int, year: int | None, match: re.Match[str]) -> str:
        is_first = day == 1 and match.string[match.start() - 1 : match.start()] not in ("'", "’")
        spoken = f"{'primo' if is_first else self.cardinal(day)} {self.months[month - 1]}"
        return spoken if year is None else f"{spoken} {self.year(year)}"

    def time(self, hour: int, minute: int, second: int | None, match: re.Match[str]) -> str:
        words = self.cardinal(hour, feminine=hour == 1, counts=hour == 1)
        if minute:
            words += f" e {self.cardinal(minute)}"
        return words if second is None else f"{words} e {self.counted(Number(str(second)), self.units['s'])}"

    def _ordinal(self, match: re.Match[str]) -> str | None:
        number = match["n"]
        value = int(number) if number.isdecimal() else self.roman(number)
        if not value:
            return None
        following = match.string[match.end() :].lstrip().split(" ", 1)[0]
        before = match.string[max(0, match.start() - 40) : match.start()].rstrip().rpartition(" ")[2]
        is_queen = not number.isdecimal() and before[:1].isupper() and before.endswith("a")
        feminine = match["end"] == "ª" or following in ("edizione", "legislatura") or is_queen
        return self.ordinal(value, feminine=feminine)

    def part(self, below: int) -> tuple[str, str]:
        ordinal = self.ordinal(below)
        return ordinal, f"{ordinal[:-1]}i"
