"""What the segmenter, the language guess and the count need to know about a single character."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

__all__ = [
    "CLAUSE_MARKS",
    "CLOSERS",
    "NEWLINES",
    "OPENERS",
    "STOPS",
    "WIDE_CLAUSE_MARKS",
    "WIDE_STOPS",
    "Character",
    "Script",
    "describe",
    "is_ideograph",
    "may_cut",
    "may_start_unspaced",
]

STOPS = frozenset(".!?…⋯‽．")
"""End a sentence only when a space follows: they also stand in numbers, addresses and abbreviations."""
WIDE_STOPS = frozenset("。！？｡")
"""Full width: they end a sentence without a space."""
CLAUSE_MARKS = frozenset(",;:")
"""End a clause only when a space follows."""
WIDE_CLAUSE_MARKS = frozenset("，、；：､—")
"""End a clause without a space. The em dash is one of them: it is written both without and with spaces."""
CLOSERS = frozenset("\"'”’»›«“)]}」』）】》〉〕〗］｝＂＇*_`")
"""Belong to what stands before them. Quotes that close in one language and open in another are here too."""
OPENERS = frozenset("([{“‘«‹„‚「『（【《〈〔〖［｛¿¡#$€£¥")
"""Belong to what follows them."""
NEWLINES = frozenset("\n\v\f\x85\u2028\u2029")

_THAI_LEADING_VOWELS = frozenset("เแโใไ")
_THAI_FOLLOWING = frozenset("ะาำๅๆฯ")
_NOT_AT_LINE_START = frozenset("ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶー々ゝゞヽヾ・")
_ZERO_WIDTH_JOINER = "\u200d"


class Script(Enum):
    """The scripts that are distinguished; everything else is ``OTHER``."""

    LATIN = "latin"
    CYRILLIC = "cyrillic"
    HAN = "han"
    HIRAGANA = "hiragana"
    KATAKANA = "katakana"
    HANGUL = "hangul"
    THAI = "thai"
    OTHER = "other"


_SCRIPT_BY_NAME = {
    "LATIN": Script.LATIN,
    "CYRILLIC": Script.CYRILLIC,
    "HIRAGANA": Script.HIRAGANA,
    "KATAKANA": Script.KATAKANA,
    "HANGUL": Script.HANGUL,
    "THAI": Script.THAI,
    "KATAKANA-HIRAGANA": Script.KATAKANA,
}


@dataclass(frozen=True, slots=True)
class Character:
    """The facts about one code point."""

    is_space: bool
    is_newline: bool
    is_spoken: bool
    """A letter or a digit: something that can be read out."""
    is_digit: bool
    script: Script
    weight: int
    """How much speech it stands for: 2 for han, kana and hangul, 0 for spaces and combining marks, else 1."""
    extends: bool
    """Belongs to the character before it: combining marks, joiners, variation selectors, emoji skin tones."""

    is_unspaced: bool
    """Han or hiragana: words are not separated by spaces, and text may be cut between any two characters."""
    ends_word: bool
    """No word continues after it: spaces, han, hiragana and full-width marks."""


def is_ideograph(character: str) -> bool:
    """Whether this is a han character: unified and compatibility blocks, all extensions, and U+3007
    (zero)."""
    code = ord(character)
    if code < 0x3007:
        return False
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or code == 0x3007
        or 0xF900 <= code <= 0xFAFF
        # Planes 2 and 3 are reserved for ideographs.
        or 0x20000 <= code <= 0x3FFFD
    )


def _script(character: str) -> Script:
    if is_ideograph(character):
        return Script.HAN
    if not character.isalpha() and unicodedata.category(character) not in ("Mn", "Mc"):
        return Script.OTHER
    first, *rest = unicodedata.name(character, "").split(" ", 2)
    if first in ("HALFWIDTH", "FULLWIDTH") and rest:
        first = rest[0]
    return _SCRIPT_BY_NAME.get(first, Script.OTHER)


@lru_cache(maxsize=4096)
def describe(character: str) -> Character:
    """The facts about ``character``, a single code point."""
    category = unicodedata.category(character)
    is_space = character.isspace()
    code = ord(character)
    script = _script(character)
    extends = category in ("Mn", "Mc", "Me", "Cf") or 0x1F3FB <= code <= 0x1F3FF or 0xDC00 <= code <= 0xDFFF
    is_unspaced = script in (Script.HAN, Script.HIRAGANA)
    is_wide_mark = character in WIDE_STOPS or character in WIDE_CLAUSE_MARKS
    wide = script in (Script.HAN, Script.HIRAGANA, Script.KATAKANA, Script.HANGUL)
    return Character(
        is_space=is_space,
        is_newline=character in NEWLINES,
        is_spoken=character.isalnum(),
        is_digit=category == "Nd",
        script=script,
        weight=0 if is_space or extends else 2 if wide else 1,
        extends=extends,
        is_unspaced=is_unspaced,
        ends_word=is_space or is_unspaced or is_wide_mark,
    )


def may_cut(characters: list[str], position: int) -> bool:
    """Whether text may be cut before ``position`` without breaking what is seen as one character.

    Kept whole: combining sequences, Thai syllable parts, joined emoji, flags, conjoining jamo, surrogate pairs and CR
    LF.
    """
    before, after = characters[position - 1], characters[position]
    if describe(after).extends or before == _ZERO_WIDTH_JOINER:
        return False
    if before in _THAI_LEADING_VOWELS or after in _THAI_FOLLOWING or (before == "\r" and after == "\n"):
        return False
    if _are_one_syllable(before, after):
        return False
    if unicodedata.combining(before) == 9:  # a virama joins two consonants
        return False
    if _is_flag_half(before) and _is_flag_half(after):
        start = position
        while start > 0 and _is_flag_half(characters[start - 1]):
            start -= 1
        return (position - start) % 2 == 0
    return True


def may_start_unspaced(characters: list[str], position: int) -> bool:
    """Whether text without spaces may be cut before ``position``: next to a han or hiragana character or wide mark, not
    before a mark that may not begin a line and not after an opening one."""
    before, after = characters[position - 1], characters[position]
    if after in CLOSERS or after in STOPS or after in WIDE_STOPS or after in _NOT_AT_LINE_START:
        return False
    if after in CLAUSE_MARKS or after in WIDE_CLAUSE_MARKS or before in OPENERS:
        return False
    beside = describe(before).is_unspaced or describe(after).is_unspaced
    return (beside or before in WIDE_STOPS or before in WIDE_CLAUSE_MARKS) and may_cut(characters, position)


def _are_one_syllable(before: str, after: str) -> bool:
    """Whether two conjoining jamo (leading, vowel, trailing) belong to one hangul syllable."""
    first, second = ord(before), ord(after)
    if 0x1100 <= first <= 0x115F:
        return 0x1100 <= second <= 0x11A7
    if 0x1160 <= first <= 0x11A7:
        return 0x1160 <= second <= 0x11FF
    return 0x11A8 <= first <= 0x11FF and 0x11A8 <= second <= 0x11FF


def _is_flag_half(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF
