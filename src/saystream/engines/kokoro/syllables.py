"""Mandarin syllables as the symbols of the model, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["BUZZED", "FINALS", "INITIALS", "TONES", "WHOLE", "Part", "parts"]

INITIALS = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l", "g": "k", "k": "kʰ", "h": "x",
    "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "z": "ʦ", "c": "ʦʰ", "s": "s", "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "r": "ɻ", "": "",
}  # fmt: skip

FINALS = {
    "a": "a*", "ai": "ai*", "an": "a*n", "ang": "a*ŋ", "ao": "au*", "e": "ɤ*", "ei": "ei*", "en": "ə*n", "eng": "ə*ŋ",
    "i": "i*", "ia": "ja*", "ian": "jɛ*n", "iang": "ja*ŋ", "iao": "jau*", "ie": "je*", "in": "i*n", "ing": "i*ŋ",
    "iong": "jʊ*ŋ", "iou": "jou*", "o": "wo*", "ong": "ʊ*ŋ", "ou": "ou*", "u": "u*", "ua": "wa*", "uai": "wai*",
    "uan": "wa*n", "uang": "wa*ŋ", "uei": "wei*", "uen": "wə*n", "ueng": "wə*ŋ", "uo": "wo*", "ü": "y*", "üe": "ɥe*",
    "üan": "ɥɛ*n", "ün": "y*n",
}  # fmt: skip
"""The star is replaced by the tone."""

WHOLE = {
    "er": "ɚ*",
    "o": "ɔ*",
    "io": "jɔ*",
    "ê": "ɛ*",
    "m": "m*",
    "n": "n*",
    "ng": "ŋ*",
    "hm": "hm*",
    "hng": "hŋ*",
}
"""Syllables that are not an initial and a final: interjections, and what remains when only a nasal is said."""

BUZZED = frozenset(("zh", "ch", "sh", "r", "z", "c", "s"))
"""After these, "i" is not a vowel of its own."""

TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}


@dataclass(frozen=True, slots=True)
class Part:
    """An initial or a final among the symbols."""

    start: int
    end: int
    pinyin: str
    """Without its tone; ``v`` for ü."""
    tone: str = ""
    """``1`` to ``5`` for a final, "" for an initial."""


_PINYIN_OF_INITIALS = {symbols: pinyin for pinyin, symbols in INITIALS.items() if pinyin}
_PINYIN_OF_FINALS = {
    **{pattern.replace("*", ""): pinyin.replace("ü", "v") for pinyin, pattern in {**WHOLE, **FINALS}.items()},
    "ɨ": "i",
    "ɔ": "o",
}
_LABIALS = frozenset(INITIALS[initial] for initial in "bpmf")
"""After these, "uo" is written "o"."""
_TONE_OF_ARROWS = {arrow: tone for tone, arrow in TONES.items()}
_ARROW = f"[{''.join(TONES.values())}]?"


def _alternatives(symbols: Iterator[str] | list[str]) -> str:
    return "|".join(sorted(symbols, key=len, reverse=True))


_FINAL_PATTERNS = [
    re.escape(pattern).replace(r"\*", _ARROW) for pattern in ("ɨ*", *FINALS.values(), *WHOLE.values())
]
_SYLLABLE = re.compile(f"({_alternatives(list(_PINYIN_OF_INITIALS))})?({_alternatives(_FINAL_PATTERNS)})")


def parts(symbols: str) -> list[Part] | None:
    """The initials and finals that ``symbols`` are; ``None`` where they are anything else."""
    found: list[Part] = []
    place = 0
    while place < len(symbols):
        match = _SYLLABLE.match(symbols, place)
        if match is None:
            return None
        initial, final = match.groups()
        if initial:
            found.append(Part(match.start(1), match.end(1), _PINYIN_OF_INITIALS[initial]))
        arrow = "".join(each for each in final if each in _TONE_OF_ARROWS)
        plain = final.replace(arrow, "")
        pinyin = _PINYIN_OF_FINALS[plain]
        if pinyin == "uo" and initial in _LABIALS:
            pinyin = "o"
        found.append(Part(match.start(2), match.end(2), pinyin, _TONE_OF_ARROWS[arrow]))
        place = match.end()
    return found
