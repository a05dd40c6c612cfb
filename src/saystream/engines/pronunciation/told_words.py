"""Words whose symbols are told, in a text that hibari's phonemiser reads.

It sees a letter in the place of each, so that it reads the words around them as in any sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from saystream.engines.pronunciation.misaki import english_symbols
from saystream.text.rewriting import Rewritten, joined

if TYPE_CHECKING:
    from hibari.g2p.token import Tok

    from saystream.text.script import Pronunciation

__all__ = ["HELD", "held", "with_told"]

HELD = "\ua66e\u00fe"
"""A letter that stands in one word of one manuscript, and one after which the phonemiser takes a full stop for what it
is. Where it is written, it is left out."""

_TAG = "NN"
_CERTAIN = 5
"""The phonemiser's rating of what it was told."""


def held(text: str, told: Sequence[Pronunciation], *, british: bool = False) -> tuple[Rewritten, list[str]]:
    """``text`` with ``HELD`` for each word that is told, and the symbols of each of them."""
    parts: list[Rewritten] = []
    symbols: list[str] = []
    written = Rewritten.of(text.replace(HELD, " "))
    end = 0
    for each in told:
        said = english_symbols(each.alphabet, each.phonemes, british=british)
        if not said:
            continue
        before = " " if text[each.start - 1 : each.start].isalnum() else ""
        after = " " if text[each.end : each.end + 1].isalnum() else ""
        parts += [
            written[end : each.start],
            written[each.start : each.end].becomes(f"{before}{HELD}{after}"),
        ]
        symbols.append(said)
        end = each.end
    return joined([*filter(len, parts), written[end:]]), symbols


def with_told(tokens: list[Tok], symbols: Iterator[str]) -> list[Tok]:
    """``tokens``, those that stand for words that are told with the next ``symbols``."""
    for token in tokens:
        if num := token.text.count(HELD):
            token.phonemes = " ".join(next(symbols) for _ in range(num))
            token.tag, token.rating = _TAG, _CERTAIN
    return tokens
