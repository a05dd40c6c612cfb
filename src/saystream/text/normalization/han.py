"""What Chinese and Japanese share: the grammars of wetext, protected from text that they must not touch.

wetext reads everything that contains digits, even names: "GPT-4" would become "GPT minus four". Addresses are read
here; names made of Latin letters and digits stay as they are, because whatever reads their letters reads the digits
too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from saystream.text.normalization import addresses
from saystream.text.normalization.han_numbers import NUMERALS
from saystream.text.normalization.han_signs import Roles, RoleWords
from saystream.text.normalization.signs import LEFT_OUT, left_out
from saystream.text.normalization.tables import read_tables
from saystream.text.rewriting import Rewritten, joined

if TYPE_CHECKING:
    from wetext import Normalizer

__all__ = ["GROUPED", "Han"]

_NAME = (
    r"(?<![A-Za-z0-9])(?:[A-Za-z]{1,20}[-_.]?\d[A-Za-z0-9]{0,20}(?:[._-][A-Za-z0-9]{1,20}){0,5}|\d{1,3}[GKD])"
    r"(?![A-Za-z0-9])"
)
"""GPT-4, H200, GPT-3.5-Turbo, 4K, 5G."""
_CODE = re.compile(r"(?<![\d.,:/-])0\d+(?![\d.:/年月日时点分秒時号-])")
"""Read digit by digit; wetext takes them for numbers."""
GROUPED = r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?)(?!\d)"
"""After a sign, wetext stops at the first comma of a number."""
_LEFT_OUT = re.compile(f"{LEFT_OUT}+")
_CLAUSE = re.compile("[^，。！？；、…\n\x00-\x08\ud800-\udfff]{1,100}")
"""What wetext is given at once: nothing that it cannot take, and few characters, because its time grows with them,
about 0.1 s for 200 digits."""
_DIGIT = re.compile(r"\d")


class Han:
    """One of the two. Other modules call only ``normalize``."""

    code: ClassVar[str]
    tables: ClassVar[str]
    """The data file beside this one that names the signs, and the units that wetext does not know."""
    role_words: ClassVar[RoleWords]
    before: ClassVar[tuple[tuple[str, str], ...]]
    """What is rewritten before wetext sees it: regular expressions and their replacements."""

    def __init__(self) -> None:
        tables = read_tables(self.tables)
        self.letters = tables["letters"]
        """The words for the signs in an address."""
        self.signs = tables["signs"]
        """Read wherever they remain after wetext."""
        self._kept = re.compile(f"(?P<email>{addresses.EMAIL})|(?P<url>{addresses.URL})|(?P<name>{_NAME})")
        self._before = [
            *((re.compile(expression), written) for expression, written in self.before),
            *(
                (re.compile(rf"(?<=\d)\s?{unit}(?![A-Za-z0-9])"), name)
                for unit, name in tables["units"].items()
            ),
        ]
        self._sign = re.compile(addresses.signs_pattern(self.signs))
        self._roles = Roles(self.code, self.role_words)

    @cached_property
    def _wetext(self) -> Normalizer:
        # It loads the grammars of three languages in both directions, 0.6 s and 42 MB, to speak one of them.
        from wetext import Normalizer

        return Normalizer(lang=self.code)

    def normalize(self, text: Rewritten) -> Rewritten:
        return joined(self._parts(text))

    def _parts(self, text: Rewritten) -> Iterator[Rewritten]:
        start = 0
        for match in self._kept.finditer(text.text):
            yield self._read(text[start : match.start()])
            yield text[match.start() : match.end()].respelt(self._kept_words(match))
            start = match.end()
        yield self._read(text[start:])

    def _kept_words(self, match: re.Match[str]) -> str:
        if match["name"] is not None:
            return match["name"]
        address = addresses.without_scheme(match[0])
        return addresses.spoken(address, self.letters, self.digits, space="")

    def digits(self, digits: str) -> str:
        return "".join(NUMERALS[int(digit)] for digit in digits)

    def _read(self, text: Rewritten) -> Rewritten:
        text = self._roles.read(text)
        text = text.sub(_CODE, lambda match: self.digits(match[0]))
        for expression, written in self._before:
            text = text.sub(expression, written)
        # wetext does not say what it has changed.
        text = text.sub(_CLAUSE, lambda match: self._clause(match[0]), mostly_kept=True)
        text = text.sub(self._sign, lambda match: addresses.named_signs(match[0], self.signs, ""))
        return text.sub(_LEFT_OUT, left_out)

    def _clause(self, clause: str) -> str:
        core = clause.strip()
        if _DIGIT.search(core) is None:
            return clause
        start = clause.index(core)
        spoken = self._wetext.normalize(core) or core
        spoken = _DIGIT.sub(lambda match: self.digits(match[0]), spoken)
        return f"{clause[:start]}{spoken}{clause[start + len(core) :]}"
