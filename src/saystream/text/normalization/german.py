"""German."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saystream.text.normalization.base import Grammar, Noun, Rule
from saystream.text.normalization.numbers import Number, in_words

__all__ = ["German"]

_WORD = re.compile(r"[^\W\d_]+|[^\w\s]")
_BEFORE_DATE = re.compile(r"\b(?:am|vom|zum|bis|ab|dem|den)\s$", re.IGNORECASE)
_FEMININE_ENDINGS = ("ung", "heit", "keit", "schaft", "ion", "tät", "ei", "e")
_RULERS = (
    "Ludwig|Heinrich|Karl|Friedrich|Wilhelm|Otto|Elisabeth|Georg|Franz|Leopold|Maximilian|Johannes Paul|Benedikt|"
    "Pius|Katharina|Napoleon|Philipp|Eduard|Peter|Nikolaus|Alexander|Joseph|Albrecht|Maria|Margarethe|Richard|Carl"
)
_QUEENS = frozenset(("Elisabeth", "Katharina", "Maria", "Margarethe"))
_QUARTERS = {(1, 2): "ein halb", (1, 4): "ein Viertel", (3, 4): "drei Viertel"}


class German(Grammar):
    code, tables = "de", "german.toml"
    groups = r".\u00a0\u202f'’"
    point, version_point = "Komma", "Punkt"
    minus, to, ratio = "minus", "bis", "zu"
    squared, cubed, times = "hoch zwei", "hoch drei", "mal"

    # --- numbers ---------------------------------------------------------------------------------------------------

    def cardinal(self, value: int, *, feminine: bool = False, counts: bool = False) -> str:
        if value == 1 and counts:
            return "eine" if feminine else "ein"
        return in_words(value, "de")

    def plain(self, value: int, following: str) -> str:
        if value == 1 and following[:1].isupper():
            return "eine" if following.endswith(_FEMININE_ENDINGS) else "ein"
        return super().plain(value, following)

    def ordinal(self, value: int, ending: str = "r") -> str:
        return in_words(value, "de", "ordinal") + ending

    def _ordinal_in(self, value: int, match: re.Match[str]) -> str:
        """With the ending that the words before the match require."""
        *_, earlier, before = [
            "",
            "",
            *_WORD.findall(match.string[max(0, match.start() - 40) : match.start()]),
        ]
        before = before.lower()
        if before in self.lists["dative"].split() or (
            before == "der" and earlier.lower() in self.lists["prepositions"].split()
        ):
            return self.ordinal(value, "n")
        return self.ordinal(value, "" if before in self.lists["articles"].split() else "r")

    def year(self, value: int) -> str:
        return in_words(value, "de", "year")

    def form(self, unit: Noun, amount: int) -> str:
        return unit.forms[0 if amount == 1 else -1]

    # --- rules -----------------------------------------------------------------------------------------------------

    def special_rules(self) -> Iterator[Rule]:
        day = rf"(?P<d>\d{{1,2}})\.\s?(?P<m>{self.any_month})\b(?:\.(?=\s\d))?(?:\s(?P<y>\d{{4}})\b)?"
        yield from self.day_rules(day, until=r"\.\s?(?:[–-]|bis)\s?")
        yield (
            r"(?<![\d.,])(?P<d>\d{1,2})\.\s?(?P<m>\d{1,2})\.(?:\s?(?P<y>\d{4}|\d{2})(?!\d))?(?![\w.])",
            self._short_date,
        )
        yield r"(?<![\d.,:])(\d{1,2})\.([0-5]\d)()(?P<hours>\sUhr\b)", self._clock
        yield r"(?<=\d),[-–—]{1,2}", lambda match: ""
        yield r"\bNrn\.\s?(?=\d)", lambda match: "Nummern "
        yield r"(?<!\w)(\w{1,40})str\.(?=\s\d)", lambda match: f"{match[1]}straße"
        yield r"\b(\d{2})(\d0)er\b", lambda match: f"{self.year(int(match[0][:4]))}er"
        yield r"\b(\d{1,3})er\b", lambda match: f"{self.cardinal(int(match[1]))}er"
        yield r"\b(\d{1,3})-([a-zäöüß]{3,30})", lambda match: self.cardinal(int(match[1])) + match[2]
        yield r"\bS\.\s?(?=\d)", lambda match: "Seite "

    def after_time(self) -> str:
        return r"(?P<hours>\sUhr\b)?"

    def ordinal_rules(self) -> Iterator[Rule]:
        yield rf"\b({_RULERS}) ([IVXL]+)(\.?)(?!\w)", self._ruler
        yield (
            r"(?<![\w.,])(?P<n>\d{1,3}|[IVX]{1,5})\.(?=\s[A-ZÄÖÜ]?[a-zäöü])(?!\s(?:Der|Die|Das|Es|Ich|Wir|Sie|Er|In|Im|Am|Ein|Eine|Und|Aber|Dann|Danach|Wenn|Auf|Zu|Bei)\b)",
            self._ordinal,
        )

    # --- what they read --------------------------------------------------------------------------------------------

    def _written_date(self, match: re.Match[str]) -> str | None:
        if not 1 <= int(match["d"]) <= 31:
            return None
        month = self.month(match["m"])
        return self.date(int(match["d"]), month, int(match["y"]) if match["y"] else None, match)

    def _short_date(self, match: re.Match[str]) -> str | None:
        month = int(match["m"])
        is_short = match["y"] is None and len(match["d"] + match["m"]) < len("0310")
        is_first = match.string.startswith(" bis ", match.end())
        if (
            is_short
            and not is_first
            and not _BEFORE_DATE.search(match.string[max(0, match.start() - 6) : match.start()])
        ):
            return None
        if not (1 <= month <= 12 and 1 <= int(match["d"]) <= 31):
            return None
        year = match["y"]
        if year is not None and len(year) == 2:
            year = ("20" if int(year) < 50 else "19") + year
        return self.date(int(match["d"]), month, int(year) if year else None, match)

    def date(self, day: int, month: int, year: int | None, match: re.Match[str]) -> str:
        spoken = f"{self._ordinal_in(day, match)} {self.months[month - 1]}"
        return spoken if year is None else f"{spoken} {self.year(year)}"

    def _day_range(self, match: re.Match[str]) -> str:
        first = int(match["from"])
        year = f" {self.year(int(match['y']))}" if match["y"] else ""
        last = f"{self.ordinal(int(match['d']), 'n')} {self.months[self.month(match['m']) - 1]}"
        return f"{self._ordinal_in(first, match)} bis {last}{year}"

    def time(self, hour: int, minute: int, second: int | None, match: re.Match[str]) -> str:
        words = f"{self.cardinal(hour, counts=True)} Uhr"
        if minute or second is not None:
            words += f" {self.cardinal(minute)}"
        return (
            words if second is None else f"{words} und {self.counted(Number(str(second)), self.units['s'])}"
        )

    def _ruler(self, match: re.Match[str]) -> str | None:
        value = self.roman(match[2])
        if value is None:
            return None
        article = "die" if match[1] in _QUEENS else "der"
        stop = "." if self._ends_sentence(match) else ""
        return f"{match[1]} {article} {self.ordinal(value, '').capitalize()}{stop}"

    def _ordinal(self, match: re.Match[str]) -> str | None:
        number = match["n"]
        line = match.string[max(0, match.start() - 40) : match.start()].rpartition("\n")[2]
        if number.isdecimal() and _WORD.search(line) is None:
            return None  # it numbers a list
        value = int(number) if number.isdecimal() else self.roman(number)
        if not value:
            return None
        return self._ordinal_in(value, match)

    def with_minor(self, whole: str, cents: int, minor: Noun) -> str:
        return f"{whole} {self.cardinal(cents)}"

    def fraction(self, above: int, below: int) -> str:
        if (above, below) in _QUARTERS:
            return _QUARTERS[above, below]
        if below < 2 or below > 100:
            return f"{self.cardinal(above)} durch {self.cardinal(below)}"
        part = "halbe" if below == 2 else in_words(below, "de", "ordinal").removesuffix("te") + "tel"
        return f"{self.cardinal(above, counts=True)} {part[0].upper()}{part[1:]}"

    def mixed(self, whole: int, fraction: str) -> str:
        if fraction == "ein halb":
            return f"{'ein' if whole == 1 else self.cardinal(whole)}einhalb"
        return f"{self.cardinal(whole)} {fraction}"
