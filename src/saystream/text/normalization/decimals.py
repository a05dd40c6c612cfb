"""A full stop before decimals, and commas between groups, in languages that write them the other way round.

German reads "21.5 °C" as "21,5 °C" and "1,234.56 €" as "1234,56 €"; "1.500" stays fifteen hundred, and so do dates
and times what they are, because their rules are tried before these.
"""

from __future__ import annotations

from collections.abc import Iterator

from saystream.text.normalization.numbers import Number
from saystream.text.normalization.rules import Rule, Speaker

__all__ = ["decimal_points"]

_NAMES = "Python|Android|Windows|iOS|macOS|Java|Ubuntu|Linux|PHP|HTTP|USB|Bluetooth|GPT|Firefox|Chrome|Web"
"""Behind them, and behind words of each language, stands the number of a version or a section."""


def decimal_points(grammar: Speaker) -> Iterator[Rule]:
    point = grammar.version_point

    def numbered(number: str) -> str:
        return f" {point} ".join(grammar.number(Number(part)) for part in number.split("."))

    words = "|".join([*grammar.lists.get("numbered", "").split(), _NAMES])
    yield (
        rf"(?<!\w)((?:{words})[ \u00a0-]?|[vV]\.?\s?)(\d{{1,4}}\.\d{{1,4}})(?![\d]|[.,]\d)",
        lambda match: match[1] + numbered(match[2]),
    )
    yield (
        r"(?<![\d.,])(\d{1,3}(?:,\d{3})+)\.(\d{1,9})(?!\d|[.,]\d)",
        lambda match: f"{match[1].replace(',', '')},{match[2]}",
    )
    yield (
        r"(?<![\d.,])(\d{1,3}(?:,\d{3}){2,4})(?!\d|[.,]\d)",
        lambda match: match[1].replace(",", ""),
    )
    yield (
        r"(?<![\d.,:/])(\d{1,12})\.(\d{1,2}|\d{4,9}|(?<=(?<!\d)0\.)\d{3})(?!\d|[.,:/]\d)",
        lambda match: f"{match[1]},{match[2]}",
    )
