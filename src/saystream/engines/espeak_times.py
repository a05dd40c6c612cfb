"""When each word of a text is heard, by the events that the library of eSpeak NG sends along with its samples."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from saystream.audio import Mark, PhonemeMark, SpeechChunk
from saystream.engines.pronunciation.espeak_library import EventKind
from saystream.text.words import word_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from saystream.audio import Samples
    from saystream.engines.base import Span
    from saystream.engines.pronunciation.espeak_library import SpeechEvent
    from saystream.text.rewriting import Rewritten

__all__ = ["WordTimes"]


@dataclass(slots=True)
class _Said:
    """What is said from one event of a word to the next one."""

    start_ms: float
    end_ms: float
    words: list[tuple[int, int]] = field(default_factory=list)
    """Their places in the text; none if a sign is said."""
    phonemes: list[PhonemeMark] = field(default_factory=list)


class WordTimes:
    """The marks of one text. A word that the library reads as several, such as a number, has one. Words of which the
    library says nothing, such as the second of "of the", share the time of the one before."""

    def __init__(
        self,
        spoken: Rewritten,
        span: Span,
        sample_rate: int,
        *,
        speed: float = 1.0,
        phonemes: bool = False,
    ) -> None:
        """``spoken`` is what the library gets for ``span``. ``speed`` is the tempo of what is heard relative to what
        the library says."""
        self._spoken = spoken
        self._offset = span.offset
        self._samples_per_ms = sample_rate / 1000
        self._speed = speed
        self._wants_phonemes = phonemes
        self._words = deque(_words(spoken, span.text))
        """Those that are not yet said."""
        self._said_until = 0
        """In the text."""
        self._marks: deque[Mark] = deque()
        """Complete."""
        self._said = _Said(0.0, 0.0)
        """What is being said."""
        self._sounding = False
        """Since the last event, which was no pause."""
        self._phoneme = ""
        """Heard since then, if it is known."""
        self._now_ms = 0.0

    def heard(self, pieces: Iterable[tuple[Samples, Sequence[SpeechEvent]]]) -> Iterator[Samples]:
        """The samples of ``pieces``, of which the events are read."""
        num_samples = 0
        for samples, events in pieces:
            for event in events:
                self._read(event)
            num_samples += len(samples)
            yield samples
        self._advance(num_samples)
        self._said.words += self._words
        self._end()

    def attached(self, chunks: Iterable[Samples]) -> Iterator[SpeechChunk]:
        """``chunks``, made of what was ``heard``, each with the marks of the words that begin in it. They are held back
        until these words have ended."""
        held: deque[Samples] = deque()
        begin_ms = 0.0
        for samples in chunks:
            held.append(samples)
            while len(held) > 1:
                end_ms = begin_ms + len(held[0]) / self._samples_per_ms
                if self._said.start_ms < end_ms:
                    break
                yield SpeechChunk(held.popleft(), self._take(end_ms))
                begin_ms = end_ms
        while held:
            begin_ms += len(held[0]) / self._samples_per_ms
            yield SpeechChunk(held.popleft(), self._take(begin_ms if held else math.inf))

    def _take(self, before_ms: float) -> tuple[Mark, ...]:
        marks: list[Mark] = []
        while self._marks and self._marks[0].start_ms < before_ms:
            marks.append(self._marks.popleft())
        return tuple(marks)

    def _read(self, event: SpeechEvent) -> None:
        if event.phoneme.startswith("("):  # such as "(en)": a switch to another language, which is not heard
            return
        self._advance(event.sample)
        if event.kind is EventKind.WORD:
            self._begin(event.start, event.start + event.length)
        self._phoneme = event.phoneme
        self._sounding = event.kind is EventKind.WORD or bool(event.phoneme)

    def _advance(self, sample: int) -> None:
        """What was heard since the last event is heard until ``sample``."""
        begun_ms = self._now_ms
        self._now_ms = max(begun_ms, sample / self._samples_per_ms / self._speed)
        if self._sounding:
            self._said.end_ms = self._now_ms
            if self._phoneme:
                self._said.phonemes.append(PhonemeMark(self._phoneme, begun_ms, self._now_ms))

    def _begin(self, start: int, end: int) -> None:
        """The library says what stands from ``start`` to before ``end``: words, a sign, or the next part of either."""
        while self._words and self._words[0][1] <= start:
            self._said.words.append(self._words.popleft())
        named: list[tuple[int, int]] = []
        while self._words and self._words[0][0] < end:
            first, last = self._words.popleft()
            if named and named[-1][1] < first:  # such as the parts of "35.50", which are one number
                first = named.pop()[0]
            named.append((first, last))
        if named and self._goes_on(named[0][0]):
            self._said.words += named
        elif named or start >= self._said_until:
            self._end()
            self._said = _Said(self._now_ms, self._now_ms, named)
        self._said_until = max([self._said_until, end, *(last for _, last in named)])

    def _goes_on(self, start: int) -> bool:
        """Whether something written is said of which the library says a part already."""
        words = self._said.words
        return bool(words) and self._spoken.starts[start] < self._spoken.ends[words[-1][1] - 1]

    def _end(self) -> None:
        """What is being said is complete."""
        said, spoken = self._said, self._spoken
        places: list[tuple[int, int]] = []
        lengths: list[int] = []
        for start, end in said.words:
            first, last = spoken.span(start, end)
            if places and first < places[-1][1]:
                places[-1] = places[-1][0], last
                lengths[-1] += end - start
            else:
                places.append((first, last))
                lengths.append(end - start)
        borders = _borders(said, lengths)
        for (first, last), start_ms, end_ms in zip(places, borders, borders[1:], strict=False):
            phonemes = [
                each
                for each in said.phonemes
                if start_ms <= each.start_ms < end_ms or (each.start_ms == end_ms == said.end_ms)
            ]
            self._marks.append(
                Mark(
                    first + self._offset,
                    last + self._offset,
                    start_ms,
                    end_ms,
                    tuple(phonemes) if self._wants_phonemes else (),
                )
            )


def _words(spoken: Rewritten, written: str) -> Iterator[tuple[int, int]]:
    """The places of words in ``spoken.text``, and of those parts of them that are words as written."""
    begins = {start for start, _ in word_spans(written)}
    for start, end in word_spans(spoken.text):
        for place in range(start + 1, end):
            if spoken.starts[place] in begins and spoken.starts[place] >= spoken.ends[place - 1]:
                yield start, place
                start = place
        yield start, end


def _borders(said: _Said, lengths: Sequence[int]) -> list[float]:
    """Where words of these lengths begin, which are said together, and where the last one ends."""
    borders = [said.start_ms]
    for number in range(1, len(lengths)):
        share = sum(lengths[:number]) / sum(lengths)
        guess_ms = said.start_ms + share * (said.end_ms - said.start_ms)
        begins = (each.start_ms for each in said.phonemes)
        borders.append(max(borders[-1], min(begins, key=lambda ms: abs(ms - guess_ms), default=guess_ms)))
    return [*borders, said.end_ms]
