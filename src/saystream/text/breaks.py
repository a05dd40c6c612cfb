"""Where to cut text that offers no better place: at the length limit or after the last complete word."""

from __future__ import annotations

from collections.abc import Callable

from saystream.text.characters import (
    CLAUSE_MARKS,
    CLOSERS,
    OPENERS,
    STOPS,
    Script,
    describe,
    may_cut,
    may_start_unspaced,
)

__all__ = ["growing_word_start", "length_break"]

_MARKS = STOPS | CLAUSE_MARKS | CLOSERS


def length_break(
    characters: list[str], limit: int, last_sentence: int | None, last_clause: int | None
) -> int:
    """The best place to cut ``characters``, of which there are more than ``limit``: above 0, at most ``limit``.

    A place in the first quarter is used only if a later one would break a word.
    """
    if last_sentence is not None:
        return last_sentence
    floor = max(1, limit // 4)
    if last_clause is not None and last_clause >= floor:
        return last_clause
    places: tuple[tuple[Callable[[list[str], int], bool], int], ...] = (
        (_is_space_break, floor),
        (may_start_unspaced, floor),
        (_is_space_break, 1),
        (_is_symbol_break, floor),
        (may_cut, 1),
    )
    for is_place, lowest in places:
        for position in range(limit, lowest - 1, -1):
            if is_place(characters, position):
                return position
    return limit


def growing_word_start(characters: list[str], word_start: int) -> int:
    """Where the last word begins, if it may continue in the text still to come; the length, if it is complete.

    ``word_start`` is the index after the last character that ends a word. Text is complete if it ends with a space, a
    han or hiragana character, or punctuation that is not inside a number or an address so far. In Thai without spaces
    only the last syllable part may continue.
    """
    length = len(characters)
    if word_start == length:
        return length
    last = characters[-1]
    if describe(last).script is Script.THAI:
        return next((p for p in range(length - 1, word_start, -1) if may_cut(characters, p)), word_start)
    if last in _MARKS and last not in OPENERS and _is_complete(characters[word_start:]):
        return length
    return word_start


def _is_complete(word: list[str]) -> bool:
    """Whether a word that ends with punctuation is complete: not "3." or "www.example."."""
    end = len(word)
    while end > 0 and word[end - 1] in _MARKS:
        end -= 1
    if end == 0:
        return True
    if describe(word[end - 1]).is_digit and word[-1] in ".,:":
        return False
    return not any(character in "@/." for character in word[:end])


def _is_space_break(characters: list[str], position: int) -> bool:
    beside = characters[position - 1].isspace() or characters[position].isspace()
    return beside and may_cut(characters, position)


def _is_symbol_break(characters: list[str], position: int) -> bool:
    before, after = characters[position - 1], characters[position]
    if _is_in_word(before) and _is_in_word(after):
        return False
    in_number = (
        position > 1 and describe(characters[position - 2]).is_digit and describe(after).is_digit
    ) or (
        describe(before).is_digit
        and position + 1 < len(characters)
        and describe(characters[position + 1]).is_digit
    )
    return not in_number and may_cut(characters, position)


def _is_in_word(character: str) -> bool:
    facts = describe(character)
    return facts.is_spoken or facts.extends
