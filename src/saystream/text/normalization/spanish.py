"""Spanish."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.normalization.base import Noun, Rule
from saystream.text.normalization.numbers import Number, in_words
from saystream.text.normalization.romance import Iberian

__all__ = ["Spanish"]

_LARGEST_PART_ORDINAL = 10
_FEMININE_ENDINGS = ("a", "as", "ión", "iones", "dad", "dades", "tud")


class Spanish(Iberian):
    code, tables = "es", "spanish.toml"
    groups = r".\u00a0\u202f "
    fraction_is_number = True
    point, version_point = "coma", "punto"
    minus, plus, to, ratio = "menos", "más", "a", "a"
    squared, cubed, times = "al cuadrado", "al cubo", "por"
    conjunction, over = "y", "sobre"
    parts = {2: ("medio", "medios"), 3: ("tercio", "tercios")}
    of_magnitude = " de "

    def cardinal(self, value: int, *, feminine: bool = False, counts: bool = False) -> str:
        words = in_words(value, "es").replace("uno mil", "ún mil").replace("y ún mil", "y un mil")
        if feminine:
            words = re.sub(r"uno$", "una", re.sub(r"cientos\b", "cientas", words))
            return words.replace("quinientos", "quinientas")
        if counts and words.endswith("uno"):
            return "un" if words == "uno" else words[:-3] + ("un" if words.endswith("y uno") else "ún")
        return words

    def plain(self, value: int, following: str) -> str:
        if not following or following in self.lists["function_words"].split():
            return super().plain(value, following)
        feminine = following.endswith(_FEMININE_ENDINGS) and following not in self.lists["masculine"].split()
        return self.cardinal(value, feminine=feminine, counts=True)

    def ordinal(self, value: int, *, feminine: bool = False, apocopated: bool = False) -> str:
        words = in_words(value, "es", "ordinal")
        if feminine:
            return " ".join(word[:-1] + "a" if word.endswith("o") else word for word in words.split())
        return words[:-1] if apocopated and words.endswith(("primero", "tercero")) else words

    def special_rules(self) -> Iterator[Rule]:
        day = rf"(?P<d>\d{{1,2}})\.?[ºo°]?\s(?:de\s)?(?P<m>{self.any_month})\b\.?(?:\s(?P<de>del?\s)?(?P<y>\d{{4}})\b)?"
        yield r"\b[Ss]\.\s(?=[IVX]+\b)", lambda match: "siglo "
        yield (
            r"(?<![\d.,])(?<!\d )[6-9]\d\d \d{3} \d{3}(?!\d|[.,]\d|\s?(?:€|euros|personas|habitantes))",
            self._phone,
        )
        yield from self.day_rules(day)
        yield r"(?<=\b[Ll]as )(\d{1,2})\.([0-5]\d)(?![\d.])()", self._clock
        yield r"(?<![\d.,])(\d{1,2})(?:[:.]([0-5]\d))?\s?([ap])\.?\s?m\.?(?!\w)", self._noon_time
        yield (
            r"\b[Pp]ágs?\.\s?(?=\d)",
            lambda match: "páginas " if match[0].lower().startswith("págs") else "página ",
        )
        yield r"(?<![\d:.,])([01]?\d|2[0-4])[:.]([0-5]\d)\s?h(?:oras|s)?\b\.?", self._clock_h

    def ordinal_rules(self) -> Iterator[Rule]:
        yield (
            r"(?<![\w.,])(?P<n>\d{1,3})\.?(?P<end>er|[ºª]|o\b|a\b)(?!\w)(?=(?:\s(?P<next>\w+))?)",
            self._ordinal,
        )
        yield (
            r"\b(?P<lead>[Ss]iglos?|[Cc]apítulo|[Tt]omo|[Vv]olumen|[Pp]arte) (?P<n>[IVXLC]+)(?!\w)",
            self._roman_cardinal,
        )
        yield r"(?<=[a-záéíóúñ] )(?P<lead>)(?P<n>[IVX]{2,6}|[VX](?=[\s,.;]|$))(?!\w|\.\w)", self._ruler

    def _clock_h(self, match: re.Match[str]) -> str:
        return (
            f"{self._minutes(int(match[1]), int(match[2]))} horas"
            if match[2] == "00"
            else self._minutes(int(match[1]), int(match[2]))
        )

    def _noon_time(self, match: re.Match[str]) -> str | None:
        if not 1 <= int(match[1]) <= 12:
            return None
        part = "de la mañana" if match[3] == "a" else "de la tarde"
        return f"{self._minutes(int(match[1]), int(match[2] or 0))} {part}"

    def _minutes(self, hour: int, minute: int) -> str:
        words = self.cardinal(hour, feminine=True)
        return f"{words} y {self.cardinal(minute)}" if minute else words

    def time(self, hour: int, minute: int, second: int | None, match: re.Match[str]) -> str:
        words = self._minutes(hour, minute)
        return words if second is None else f"{words} y {self.counted(Number(str(second)), self.units['s'])}"

    def days(self, first: int, last: str) -> str:
        return f"{self.cardinal(first)} al {last}"

    def date(self, day: int, month: int, year: int | None, match: re.Match[str]) -> str:
        spoken = f"{'primero' if day == 1 else self.cardinal(day)} de {self.months[month - 1]}"
        de = "del " if "de" in match.re.groupindex and match["de"] == "del " else "de "
        return spoken if year is None else f"{spoken} {de}{self.cardinal(year)}"

    def _ordinal(self, match: re.Match[str]) -> str | None:
        value = int(match["n"])
        if not value:
            return None
        return self.ordinal(value, feminine=match["end"] in ("ª", "a"), apocopated=match["end"] == "er")

    def with_minor(self, whole: str, cents: int, minor: Noun) -> str:
        return f"{whole} con {self.counted(Number(str(cents)), minor)}"

    def part(self, below: int) -> tuple[str, str]:
        if below <= _LARGEST_PART_ORDINAL:
            part = self.ordinal(below)
        else:
            part = self.cardinal(below).replace(" ", "") + "avo"
        return part, f"{part}s"
