"""Portuguese, with the numbers of Brazil (dezesseis, bilhão)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.normalization.base import Rule
from saystream.text.normalization.numbers import Number, in_words
from saystream.text.normalization.romance import Iberian

__all__ = ["Portuguese"]

_LARGEST_PART_ORDINAL = 10
_FEMININE_ENDINGS = ("a", "as", "ção", "ções", "são", "sões", "dade", "dades", "gem", "gens")


class Portuguese(Iberian):
    code, tables = "pt_BR", "portuguese.toml"
    groups = r".\u00a0\u202f "
    fraction_is_number = True
    point, version_point = "vírgula", "ponto"
    minus, plus, to, ratio = "menos", "mais", "a", "a"
    squared, cubed, times = "ao quadrado", "ao cubo", "vezes"
    conjunction, over = "e", "sobre"
    parts = {2: ("meio", "meios"), 3: ("terço", "terços")}
    of_magnitude = " de "

    def cardinal(self, value: int, *, feminine: bool = False, counts: bool = False) -> str:
        words = in_words(value, "pt_BR")
        if feminine:
            words = re.sub(r"entos\b", "entas", words)
            words = re.sub(r"\bum$", "uma", re.sub(r"\bdois$", "duas", words))
        return words

    def plain(self, value: int, following: str) -> str:
        feminine = (
            following.endswith(_FEMININE_ENDINGS) and following not in self.lists["not_feminine"].split()
        )
        return self.cardinal(value, feminine=True) if feminine else super().plain(value, following)

    def ordinal(self, value: int, *, feminine: bool = False) -> str:
        words = in_words(value, "pt_BR", "ordinal")
        return " ".join(word[:-1] + "a" for word in words.split()) if feminine else words

    def special_rules(self) -> Iterator[Rule]:
        day = (
            rf"(?P<d>\d{{1,2}})[ºo°]?\s(?:de\s)?(?P<m>{self.any_month})\b\.?(?:\s(?:de\s)?(?P<y>\d{{4}})\b)?"
        )
        yield from self.day_rules(day)
        yield r"(?<=\b[àÀ]s )(\d{1,2})\.([0-5]\d)(?![\d.])()", self._clock
        yield r"(?<![\w.,])(?P<n>\d{1,3})(?P<end>°)(?=\s[a-zàáâãçéêíóôõú]{3})", self._ordinal
        yield r"(?<![\d.,])(\d{1,2})\s?h\s?([0-5]\d)(?:\s?min)?(?!\w)", self._clock_h
        yield r"(?<!\w)[nN]\.?[º°]\s?(?=\d)", lambda match: "número "

    def ordinal_rules(self) -> Iterator[Rule]:
        yield r"(?<![\w.,])(?P<n>\d{1,3})\.?(?P<end>[ºª°])(?![\w])", self._ordinal
        yield r"(?<![\w.,])(?P<n>\d{1,3})(?P<end>[oa])(?=\s(?:[a-z]|[A-Z]))", self._ordinal
        yield (
            r"\b(?P<lead>[Ss]éculos?|[Cc]apítulo|[Tt]omo|[Vv]olume|[Pp]arte) (?P<n>[IVXLC]+)(?!\w)",
            self._roman_cardinal,
        )
        yield r"(?<=[a-zàáâãçéêíóôõú] )(?P<n>[IVX]{2,6}|[VX](?=[\s,.;]|$))(?!\w|\.\w)", self._ruler

    def _clock_h(self, match: re.Match[str]) -> str | None:
        if int(match[1]) > 24:
            return None
        words = self.counted(Number(str(int(match[1]))), self.units["h"])
        return f"{words} e {self.cardinal(int(match[2]))}" if int(match[2]) else words

    def date(self, day: int, month: int, year: int | None, match: re.Match[str]) -> str:
        spoken = f"{'primeiro' if day == 1 else self.cardinal(day)} de {self.months[month - 1]}"
        return spoken if year is None else f"{spoken} de {self.cardinal(year)}"

    def time(self, hour: int, minute: int, second: int | None, match: re.Match[str]) -> str:
        words = self.cardinal(hour, feminine=True)
        if minute:
            words += f" e {self.cardinal(minute)}"
        elif second is None:
            words += " hora" if hour == 1 else " horas"
        return words if second is None else f"{words} e {self.counted(Number(str(second)), self.units['s'])}"

    def _ordinal(self, match: re.Match[str]) -> str | None:
        value = int(match["n"])
        return self.ordinal(value, feminine=match["end"] in "ªa") if value else None

    def part(self, below: int) -> tuple[str, str]:
        if below > _LARGEST_PART_ORDINAL:
            return (f"{self.cardinal(below)} avos",) * 2
        part = self.ordinal(below)
        return part, f"{part}s"
