"""Where the words of a text are, for code that says when each of them sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saystream.text.characters import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["complete_length", "word_spans"]

_APOSTROPHES = "'’"


def word_spans(text: str, start: int = 0) -> Iterator[tuple[int, int]]:
    """``(start, end)`` of each word of ``text`` from ``start`` on, which must not be inside a word.

    A word is a run of letters, digits, their accents and apostrophes; in han and hiragana, which have no spaces between
    words, each character is a word.
    """
    position = start
    while position < len(text):
        if not describe(text[position]).is_spoken:
            position += 1
            continue
        end = position + 1
        alone = describe(text[position]).is_unspaced
        while end < len(text) and _belongs(text[end], alone=alone):
            end += 1
        yield position, end
        position = end


def complete_length(text: str) -> int:
    """How much of ``text`` stays the same whatever follows: all of it except a word that reaches to its end."""
    length = len(text)
    while length:
        last = text[length - 1]
        facts = describe(last)
        if not (facts.is_spoken or facts.extends or last in _APOSTROPHES):
            break
        length -= 1
        if facts.is_unspaced:
            break
    return length


def _belongs(character: str, *, alone: bool) -> bool:
    """Whether a word continues with ``character``; ``alone``: the word is a single character, so only its accents
    belong to it."""
    facts = describe(character)
    if facts.extends or alone:
        return facts.extends
    return character in _APOSTROPHES or (facts.is_spoken and not facts.is_unspaced)
