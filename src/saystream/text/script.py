"""What a door hands to a session: text to be spoken, how it is pronounced and in what manner, pauses and sounds."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from saystream.text.rewriting import Rewritten

__all__ = [
    "Alphabet",
    "Background",
    "Manner",
    "Part",
    "Passage",
    "Pause",
    "Places",
    "Pronunciation",
    "Sound",
    "pronunciations_within",
]

Alphabet = Literal["pinyin", "arpabet", "ipa"]
"""``pinyin`` with tones as in "tian1 qi4"; ``arpabet`` as in "HH AH0 L OW1"; ``ipa`` with stress marks."""


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """How the characters from ``start`` to before ``end`` of a text are pronounced, in code points."""

    start: int
    end: int
    alphabet: Alphabet
    phonemes: str

    def shifted(self, by: int) -> Pronunciation:
        """The same, in a text that has ``by`` characters more before it."""
        return replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True, slots=True)
class Background:
    """Music or noise under the speech."""

    url: str
    volume: int = 50
    """From 0 to 100."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a passage is spoken: what is ``None`` or empty is as in the rest of the session."""

    voice: str = ""
    rate: float | None = None
    pitch: float | None = None
    volume: int | None = None
    effect: str = ""
    """A name of ``dsp.voice_effects``."""
    effect_values: tuple[float, ...] = ()
    background: Background | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """Text to be spoken. The places of ``text`` are those in the text of the response as it was sent, those of the
    pronunciations are places in ``text.text``."""

    text: Rewritten
    pronunciations: tuple[Pronunciation, ...] = ()
    """In order, without overlaps."""
    manner: Manner = Manner()


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence between what is before and what is after it."""

    duration_ms: float


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording, heard between what is before and what is after it."""

    url: str


Part = Passage | Pause | Sound


def pronunciations_within(
    pronunciations: Iterable[Pronunciation], start: int, end: int
) -> tuple[Pronunciation, ...]:
    """Those of the characters from ``start`` to before ``end`` of a text, with places in that part of it. One that
    reaches beyond the part is not among them."""
    return tuple(
        pronunciation.shifted(-start)
        for pronunciation in pronunciations
        if start <= pronunciation.start and pronunciation.end <= end
    )


class Places:
    """From places in the spoken text of a response, which is that of all its passages, to places in what was sent."""

    def __init__(self) -> None:
        self._texts: deque[Rewritten] = deque()
        self._begins: deque[int] = deque()
        self._end = 0

    def add(self, passage: Passage) -> None:
        """``passage`` follows on the last."""
        if not passage.text.text:
            return
        self._texts.append(passage.text)
        self._begins.append(self._end)
        self._end += len(passage.text)

    def drop(self, start: int) -> None:
        """The spoken text from ``start`` on is not spoken after all."""
        while self._begins and self._begins[-1] >= start:
            self._begins.pop()
            self._texts.pop()
        if self._begins:
            self._texts[-1] = self._texts[-1][: start - self._begins[-1]]
        self._end = min(self._end, start)

    def sent(self, start: int, end: int) -> tuple[int, int]:
        """What was sent for the characters from ``start`` to before ``end`` of the spoken text; an empty range for
        none. Never fails: beyond the text its ends are the nearest places in it. Passages before ``start`` are
        forgotten, so what is asked for next should not lie before it."""
        while len(self._begins) > 1 and self._begins[1] <= start:
            self._begins.popleft()
            self._texts.popleft()
        if not self._texts:
            return 0, 0
        first, last = self._at(start)
        if end <= start:
            return (last, last) if start >= self._end else (first, first)
        return first, max(first, self._at(end - 1)[1])

    def _at(self, place: int) -> tuple[int, int]:
        """The range that was sent for one character."""
        kept = min(max(place, self._begins[0]), self._end - 1)
        number = bisect_right(self._begins, kept) - 1
        within = kept - self._begins[number]
        return self._texts[number].span(within, within + 1)
