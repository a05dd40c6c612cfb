"""Which part of a response's text is spoken next, and where its sentences end."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from saystream.speech.events import SegmentBegun
from saystream.text.pauses import ends_sentence
from saystream.text.segmenter import Segmenter
from saystream.text.words import complete_length, word_spans

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saystream.text.segmenter import Segment

__all__ = ["Outline"]

_LONGEST_SENTENCE = 1000
"""Characters of a sentence that is fed, before it is cut like any other that is too long."""


class Outline:
    """Notes the segments of a response as they are given to engines, and says of each that it has begun, in order and
    without a gap: what is not spoken belongs to the segment behind it.

    A text that an engine takes uncut has no segments. It is cut into sentences here; one that is not yet complete
    begins with its first word, and its rest follows once its end is known.
    """

    def __init__(self) -> None:
        self._coming: deque[tuple[int, SegmentBegun]] = deque()
        """With the place that has to be reached."""
        self._end = 0
        """Of what is noted."""
        self._has_begun = False
        """Something has been said to have begun."""
        self._in_sentence = False
        """The last sentence noted goes on."""
        self._sentences: Segmenter | None = None
        """Cuts text that is fed."""
        self._cut = 0
        """Where the text that it holds begins."""

    def segment(self, text: str, start: int, *, ends: bool = False) -> None:
        """``text`` is given to an engine, or passed over if there is nothing to hear in it; ``start`` is its place.
        ``ends``: a sentence ends with it, whatever it looks like."""
        first_spoken = next((place for place, character in enumerate(text) if character.isalnum()), len(text))
        if self._in_sentence and ends_sentence(text[:first_spoken]):  # its mark has come late
            self._note(start, start + first_spoken, ends_sentence=True)
        if first_spoken < len(text):
            self._note(start, start + len(text), ends_sentence=ends or ends_sentence(text))

    def fed(self, text: str, start: int) -> None:
        """``text`` goes uncut to an engine; ``start`` is its place."""
        if self._sentences is None:
            # Nothing waits for these sentences, so each one is cut, however short it is.
            self._sentences = Segmenter(
                first_min_characters=1, max_characters=_LONGEST_SENTENCE, max_wait_ms=1.0
            )
            self._cut = start
        self._keep(self._sentences.push(text, 0.0))
        pending = self._sentences.pending_text
        first_word = next(word_spans(pending[: complete_length(pending)]), None)
        if first_word is not None and not self._in_sentence:
            self._note(self._cut, self._cut + first_word[1], ends_sentence=False)

    def fed_to_end(self) -> None:
        """Nothing more is fed: what was is complete."""
        if self._sentences is not None:
            self._keep(self._sentences.flush(), ends=True)
            self._sentences = None

    def begun(self, before: int) -> list[SegmentBegun]:
        """Those that have begun when the engines have reached the text before this place, each once."""
        begun: list[SegmentBegun] = []
        while self._coming and self._coming[0][0] < before:
            begun.append(self._coming.popleft()[1])
            self._has_begun = True
        return begun

    def begun_between(self, place: int) -> list[SegmentBegun]:
        """A pause or sound comes before the text at ``place``. All audio belongs to some part of the text: one at the
        very beginning to an empty one, with which a sentence begins."""
        if not place and not self._has_begun:
            self._has_begun = True
            return [SegmentBegun(0, 0, False)]
        return []

    def forget(self, start: int) -> None:
        """What was noted from this place on is not spoken."""
        while self._coming and self._coming[-1][0] >= start:
            self._coming.pop()
        self._end = min(self._end, start)
        self._in_sentence = False

    def _keep(self, segments: Iterable[Segment], *, ends: bool = False) -> None:
        for segment in segments:
            start, self._cut = self._cut, self._cut + len(segment.text)
            if self._end <= start:
                self.segment(segment.text, start, ends=ends)
            elif self._end < self._cut:
                self._note(start, self._cut, ends_sentence=ends or ends_sentence(segment.text))

    def _note(self, start: int, end: int, *, ends_sentence: bool) -> None:
        self._coming.append((start, SegmentBegun(self._end, end, ends_sentence)))
        self._end = end
        self._in_sentence = not ends_sentence
