"""Text in plain characters, whichever of Unicode's ways it was written in: the first thing that is done to it.

Accents are joined with their letters, jamo into syllables and voicing marks with their kana. Letters and digits in
another style (mathematical, circled, squared, full width, ligatures) become plain ones, and what stands for an
apostrophe becomes one. Roman numerals, fractions and raised digits stay: only a language can read them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from saystream.text.rewriting import Rewritten, joined

__all__ = ["composed", "plain_characters"]

_STYLED = re.compile(
    "[\u00b9\u02b0-\u02b8\u02e1-\u02e3\u1d2c-\u1d6a\u2070-\u209c\u2100-\u214f\u2460-\u24ff\u2776-\u2793\u3200-\u33ff"
    "\ufb00-\ufb17\uff0e-\uff1a\uff21-\uff3a\uff41-\uff5a\uff61-\uffdc\u2122\u00ae\u00a9"
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f189\U0001fbf0-\U0001fbf9]"
)
_SIGNS_KEPT = frozenset("℃℉№ℓ")
"""Units and signs that languages have names for."""
_NOT_SAID = frozenset("™®©℠℗")
_STYLES = ("<font>", "<circle>", "<super>", "<sub>", "<wide>", "<narrow>", "<square>", "<compat>")
_NEGATIVE = {0x1F150: 26, 0x1F170: 26}
"""The first of the letters on a dark ground, of which Unicode does not say which letters they are."""
_RAISED = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
_LOWERED = frozenset("₀₁₂₃₄₅₆₇₈₉")
_BETWEEN_DIGITS = {"．": ".", "：": ":", "／": "/"}

_NARROW_KANA = re.compile("[\uff66-\uff9d][\uff9e\uff9f]?")

_APOSTROPHE = re.compile(
    "(?<=[^\\W\\d_])[’‘`´ʹʼ′＇](?=[^\\W\\d_])"  # within a word
    "|(?<!\\w)[’ʼ](?=(?:tis|twas|em|til|cause|n)\\b|\\d0s\\b)"  # where the beginning of one was left out
    "|(?<=\\d)[’](?=s\\b)",
    re.IGNORECASE,
)


def composed(text: Rewritten) -> Rewritten:
    """``text`` with plain characters, each in the place of those that it stands for. Nothing that is spoken is lost."""
    if not text.text.isascii():
        text = _plain_letters(text)
        if not unicodedata.is_normalized("NFC", text.text):
            text = joined(_clusters(text))
    return text.sub(_APOSTROPHE, "'")


def plain_characters(text: str) -> str:
    """The same for a text whose places nobody asks for."""
    return text if text.isascii() else composed(Rewritten.of(text)).text


def _plain_letters(text: Rewritten) -> Rewritten:
    text = text.sub(_NARROW_KANA, lambda match: unicodedata.normalize("NFKC", match[0]))
    return text.sub(_STYLED, _plain_letter)


def _plain_letter(match: re.Match[str]) -> str:
    character, text = match[0], match.string
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    if character in _BETWEEN_DIGITS:
        return _BETWEEN_DIGITS[character] if before.isdecimal() and after.isdecimal() else character
    if character in _RAISED:
        return character
    if character in _NOT_SAID:
        return " " if before.isalnum() and after.isalnum() else ""
    plain = _plain(character)
    # A number in a circle does not run into what follows it.
    is_apart = plain != character and unicodedata.category(character) == "No" and character not in _LOWERED
    return f"{plain} " if is_apart and (after.isnumeric() or after.lower() != after.upper()) else plain


@lru_cache(maxsize=2048)
def _plain(character: str) -> str:
    code = ord(character)
    for first, count in _NEGATIVE.items():
        if first <= code < first + count:
            return chr(ord("A") + code - first)
    if character in _SIGNS_KEPT:
        return character
    if (digit := unicodedata.numeric(character, None)) is not None and digit == int(digit):
        return str(int(digit)) if unicodedata.category(character) in ("No", "Nd") else character
    if not unicodedata.decomposition(character).startswith(_STYLES):
        return character
    plain = unicodedata.normalize("NFKC", character)
    if "\u3300" <= character <= "\u33ff":
        plain = re.sub("(?<=[a-z])[23]", lambda match: "²³"[int(match[0]) - 2], plain).replace("\u2044", "/")
    return plain if any(map(str.isalnum, plain)) else character


def _clusters(text: Rewritten) -> Iterator[Rewritten]:
    """Each character together with those that are part of it, as one where there is one."""
    start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or not _joins(text.text[place]):
            cluster = text[start:place]
            whole = unicodedata.normalize("NFC", cluster.text)
            yield cluster if whole == cluster.text else cluster.becomes(whole)
            start = place


def _joins(character: str) -> bool:
    """Whether it may be composed with what stands before it."""
    return (
        unicodedata.category(character) in ("Mn", "Mc")
        or "\u1161" <= character <= "\u1175"
        or "\u11a8" <= character <= "\u11c2"
    )
