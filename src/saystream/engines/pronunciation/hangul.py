"""Korean as it is pronounced, for engines that read hangul letter by letter.

The last consonant of a syllable and the first of the next change each other; these are the regular changes of the
Standard Pronunciation of Korean (articles 8 to 30 of the appendix to the Standard Language Regulations, 1988), not its
exceptions for single words. Only within a word: where a speaker pauses is not known here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["as_pronounced"]

_SYLLABLES = re.compile("[가-힣]+")
_FIRST_SYLLABLE = ord("가")
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_NUM_VOWELS = 21
_I = 20
"""The vowel before which "d" and "t" become "j" and "ch"."""
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_NONE, _SILENT = " ", "ㅇ"

_PAIRS = {
    "ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ", "ㄽ": "ㄹㅅ", "ㄾ": "ㄹㅌ",
    "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ",
}  # fmt: skip
"""Two letters at the end of a syllable."""
_CLOSED = {
    **dict.fromkeys("ㄲㅋㄳㄺ", "ㄱ"),
    **dict.fromkeys("ㅅㅆㅈㅊㅌㅎ", "ㄷ"),
    **dict.fromkeys("ㅍㄿㅄ", "ㅂ"),
    **dict.fromkeys("ㄼㄽㄾㅀ", "ㄹ"),
    **dict.fromkeys("ㄵㄶ", "ㄴ"),
    "ㄻ": "ㅁ",
}
"""What remains of a last consonant when no vowel follows."""
_ASPIRATED = {"ㄱ": "ㅋ", "ㄷ": "ㅌ", "ㅂ": "ㅍ", "ㅈ": "ㅊ"}
_TENSE = {"ㄱ": "ㄲ", "ㄷ": "ㄸ", "ㅂ": "ㅃ", "ㅅ": "ㅆ", "ㅈ": "ㅉ"}
_NASAL = {"ㄱ": "ㅇ", "ㄷ": "ㄴ", "ㅂ": "ㅁ"}
_PALATAL = {"ㄷ": "ㅈ", "ㅌ": "ㅊ"}


class _Syllable(NamedTuple):
    initial: str
    vowel: int
    final: str


def as_pronounced(text: str) -> str:
    """``text`` with its hangul spelt as it sounds; the rest unchanged."""
    return _SYLLABLES.sub(lambda word: _respelt(word[0]), text)


def _respelt(word: str) -> str:
    syllables = [_apart(character) for character in word]
    for number, (syllable, following) in enumerate(zip(syllables, syllables[1:], strict=False)):
        final, initial = _joined(syllable.final, following.initial, following.vowel)
        syllables[number] = syllable._replace(final=final)
        syllables[number + 1] = following._replace(initial=initial)
    last = syllables[-1]
    syllables[-1] = last._replace(final=_CLOSED.get(last.final, last.final))
    return "".join(map(_together, syllables))


def _apart(character: str) -> _Syllable:
    initial, rest = divmod(ord(character) - _FIRST_SYLLABLE, _NUM_VOWELS * len(_FINALS))
    vowel, final = divmod(rest, len(_FINALS))
    return _Syllable(_INITIALS[initial], vowel, _FINALS[final])


def _together(syllable: _Syllable) -> str:
    before = _INITIALS.index(syllable.initial) * _NUM_VOWELS + syllable.vowel
    return chr(_FIRST_SYLLABLE + before * len(_FINALS) + _FINALS.index(syllable.final))


def _joined(final: str, initial: str, vowel: int) -> tuple[str, str]:
    """The last consonant of a syllable and the first of the next, which has ``vowel``, as they are pronounced."""
    if initial == _SILENT:
        return _linked(final, vowel)
    kept, lost = _letters(final)
    if lost == "ㅎ" and initial in "ㄱㄷㅈㅅ":
        return kept, _ASPIRATED.get(initial, "ㅆ")
    if initial == "ㅎ" and final not in (_NONE, "ㅎ"):
        before = lost if lost in "ㄱㄷㅂㅈ" else _CLOSED.get(lost, lost)
        if before in _ASPIRATED:
            aspirated = "ㅊ" if before == "ㄷ" and vowel == _I else _ASPIRATED[before]
            return kept, aspirated
    return _closed(final, initial)


def _letters(final: str) -> tuple[str, str]:
    """The last two letters of a syllable; the first is empty if there is only one."""
    pair = _PAIRS.get(final, _NONE + final)
    return pair[0], pair[1]


def _linked(final: str, vowel: int) -> tuple[str, str]:
    """A last consonant moves to the vowel that follows; "h" is dropped."""
    if final in (_NONE, _SILENT):
        return final, _SILENT
    kept, moved = _letters(final)
    if moved == "ㅎ":
        return (_NONE, kept) if kept != _NONE else (_NONE, _SILENT)
    if vowel == _I and moved in _PALATAL:
        return kept, _PALATAL[moved]
    return kept, "ㅆ" if moved == "ㅅ" and kept != _NONE else moved


def _closed(final: str, initial: str) -> tuple[str, str]:
    """Between two consonants: nasals, "l" and "n", tense sounds."""
    closed = _CLOSED.get(final, final)
    if closed in _NASAL and initial in "ㄴㅁㄹ":
        return _NASAL[closed], "ㄴ" if initial == "ㄹ" else initial
    if {closed, initial} == {"ㄴ", "ㄹ"} or (closed, initial) == ("ㄹ", "ㄹ"):
        return "ㄹ", "ㄹ"
    if closed in "ㅁㅇ" and initial == "ㄹ":
        return closed, "ㄴ"
    if (closed in _NASAL or final in "ㄵㄼㄽㄾ") and initial in _TENSE:
        initial = _TENSE[initial]
    return (_NONE if closed == "ㄷ" and initial == "ㅆ" else closed), initial
