"""Puts what instructions say into plain words for each dimension of a voice, for models that follow instructions.

A vague wish such as "like a sports commentator" is understood by its words, and the tempo, pitch, intonation, loudness
and pauses that follow from it are named. What was written stays in front: nothing of it is lost.
"""

from __future__ import annotations

from saystream.text.characters import is_ideograph
from saystream.text.description.description import Description
from saystream.text.description.reading import described

__all__ = ["agrees", "in_plain_words"]

_FROM = 0.5
"""Levels nearer to 0 are not worth a word."""

_ENGLISH = {
    "speed": ("{}fast pace", "{}slow pace"),
    "pitch": ("{}high pitch", "{}low pitch"),
    "range": ("{}expressive intonation", "{}monotonous intonation"),
    "loudness": ("{}loud", "{}quiet"),
    "pauses": ("{}long pauses", "{}short pauses"),
}
_CHINESE = {
    "speed": ("语速{}快", "语速{}慢"),
    "pitch": ("音调{}高", "音调{}低"),
    "range": ("语调起伏{}大", "语调{}平淡"),
    "loudness": ("音量{}大", "音量{}小"),
    "pauses": ("停顿{}长", "停顿{}短"),
}
_DEGREES = {"en": ("slightly ", "", "very "), "zh": ("略", "", "很")}


def in_plain_words(instructions: str) -> str:
    """``instructions`` (English or Chinese), followed by what they say of each dimension that they do not name
    themselves; unchanged if nothing follows from them."""
    is_chinese = any(map(is_ideograph, instructions))
    words, degrees = (_CHINESE, _DEGREES["zh"]) if is_chinese else (_ENGLISH, _DEGREES["en"])
    said = described(instructions)
    added = [
        _phrase(words[axis], degrees, getattr(said, axis))
        for axis in words
        if axis not in said.named and abs(getattr(said, axis)) >= _FROM
    ]
    if not added:
        return instructions
    before = instructions.strip().rstrip("。.;；,，!！ ")
    return f"{before}。{'，'.join(added)}。" if is_chinese else f"{before}. {', '.join(added).capitalize()}."


def agrees(before: Description, after: Description) -> bool:
    """Whether ``after`` still says what ``before`` says: the same person, and no axis that was named the other way."""
    same = all(getattr(before, field) in ("", getattr(after, field)) for field in ("sex", "age", "dialect"))
    return same and all(getattr(before, axis) * getattr(after, axis) >= 0 for axis in before.named)


def _phrase(words: tuple[str, str], degrees: tuple[str, str, str], level: float) -> str:
    strength = abs(level)
    return words[level < 0].format(degrees[0 if strength < 1.5 else 1 if strength < 2.5 else 2])
