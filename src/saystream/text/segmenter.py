"""Cuts a stream of text into segments to speak: the first one early, later ones growing, nothing ever lost.

The rules, with ``first`` for ``first_min_characters``. Sizes are visible characters; a han, kana or hangul character
counts twice:

1. The first segment ends at a sentence end from 5 on, or at a clause end from ``first`` on. Later ones end at a
   sentence end: from 2, 4 and then 8 times ``first`` on, but never later than half of ``max_characters``.
2. A Thai space, which separates clauses and sentences alike, ends a segment as a sentence end does, from ``first`` on.
3. No segment is longer than ``max_characters`` code points. A longer one is cut at its last sentence end, else
   clause end, else space, else beside a han or hiragana character, else beside a symbol, else between two characters.
4. Text that was not cut within ``max_wait_ms`` is cut by ``poll``: at the last sentence end, or clause end from
   ``first`` on, that leaves no late text behind, else at the last complete word. A word that may still be growing
   may wait as long once more. Text has then come more slowly than it should: the next segment ends at a sentence or
   clause end from ``first`` on, and later ones grow again.
5. The first segment does not wait for its end where a phrase begins (``phrases``) in text that came later than the
   beginning: ``poll`` may cut there at once. Rule 4 prefers such a place to a word, too.

6. No cut is inside a formula or what ``push`` is told to keep whole, unless that is too long for a segment. What is
   not yet complete waits like a word that may still be growing.

Which punctuation ends what is decided in ``boundaries``. A cut made by ``push`` depends only on the text since the last
cut, character by character; it never depends on how that text was split into pushes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from saystream.errors import ConfigurationError
from saystream.text.boundaries import Boundary, BoundaryKind, BoundaryScanner
from saystream.text.breaks import growing_word_start, length_break
from saystream.text.language import script_language
from saystream.text.pauses import is_unmarked
from saystream.text.phrases import PhraseStart, phrase_starts
from saystream.text.unbroken import Unbroken

__all__ = ["Segment", "Segmenter", "is_speakable"]

_OPENING_SENTENCE_WEIGHT = 5
"""As short as "Hello." or "你好。", which is enough to speak; a list number or an "Ok." is not."""
_MAX_DOUBLINGS = 3
_SMALLEST_LENGTH_LIMIT = 20


def is_speakable(text: str) -> bool:
    """Whether it contains a letter or a digit. Blanks and symbols alone give nothing to hear."""
    return any(map(str.isalnum, text))


def _language_of_script(text: str) -> str:
    return script_language(text, default="en")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the text. All segments of a text, joined, are the text."""

    text: str
    index: int
    """Counts up from 0 for as long as the segmenter lives."""
    continues: bool = False
    """Its sentence goes on after it, and no mark at its end says so."""

    @property
    def speakable(self) -> bool:
        """Whether it has to go to an engine at all."""
        return is_speakable(self.text)


class Segmenter:
    """Give every piece of text to ``push``, call ``poll`` when ``deadline_ms`` has come, and ``flush`` at the end.

    All times are milliseconds of one monotonic clock, the caller's. At most ``max_characters`` are held back.
    """

    def __init__(
        self,
        *,
        first_min_characters: int,
        max_characters: int,
        max_wait_ms: float,
        language_of: Callable[[str], str] = _language_of_script,
    ) -> None:
        """``language_of`` gives the language (ISO 639-1) of the beginning of a sentence.

        Raises ``ConfigurationError`` for sizes below 1 (20 for ``max_characters``) and for a wait that is not above 0.
        """
        if first_min_characters < 1:
            raise ConfigurationError(f"first_min_characters must be at least 1, not {first_min_characters}")
        if max_characters < _SMALLEST_LENGTH_LIMIT:
            raise ConfigurationError(
                f"max_characters must be at least {_SMALLEST_LENGTH_LIMIT}, not {max_characters}"
            )
        if not max_wait_ms > 0:
            raise ConfigurationError(f"max_wait_ms must be above 0, not {max_wait_ms}")
        self._first_min = first_min_characters
        self._max_characters = max_characters
        self._max_wait_ms = max_wait_ms
        self._language_of = language_of
        self._next_index = 0
        self._doublings = 0
        self._is_opening = True
        """Nothing has been returned since the start, a flush or a clear."""
        self._scanned = 0
        """Code points returned or dropped: where the pending text starts in the whole text."""
        self._arrival_starts: list[int] = []
        self._arrival_times: list[float] = []
        self._whole: list[tuple[int, int]] = []
        """What is to be kept whole of the text that is or will be pending: places in the whole text."""
        self._restart()

    @property
    def pending_characters(self) -> int:
        """Code points held back."""
        return len(self._scanner.characters)

    @property
    def pending_text(self) -> str:
        """What is held back."""
        return "".join(self._scanner.characters)

    def push(self, text: str, now_ms: float, *, whole: Iterable[tuple[int, int]] = ()) -> list[Segment]:
        """Take more text; returns the segments that it completed. ``whole`` are ranges of ``text``, and of what will
        follow it, in order, in which it is not cut unless they are longer than a segment may be."""
        if text and (not self._arrival_times or self._arrival_times[-1] != now_ms):
            self._arrival_starts.append(self._scanned + self.pending_characters)
            self._arrival_times.append(now_ms)
        begin = self._scanned + self.pending_characters
        for start, end in whole:
            self._whole.append((begin + start, begin + end))
            self._unbroken.add(begin + start - self._scanned, begin + end - self._scanned)
        segments: list[Segment] = []
        self._scan(text, segments)
        return segments

    def poll(self, now_ms: float) -> list[Segment]:
        """The segments that have waited long enough at ``now_ms``; none before ``deadline_ms``."""
        segments: list[Segment] = []
        while (deadline := self.deadline_ms()) is not None and deadline <= now_ms:
            is_coming = self._arrival_times[-1] > now_ms - self._max_wait_ms
            rest = self._cut(self._late_break(now_ms), segments, is_coming=is_coming)
            self._doublings = 0
            self._scan(rest, segments)
        return segments

    def deadline_ms(self) -> float | None:
        """When ``poll`` will return something; ``None`` while nothing that can be spoken waits."""
        first_spoken = self._scanner.first_spoken
        if first_spoken is None:
            return None
        arrived = self._arrived_ms(first_spoken)
        waits = 1 if first_spoken < self._growing_word_start() else 2
        deadline = arrived + waits * self._max_wait_ms
        if self._is_opening and self._arrival_times[-1] > arrived:
            certain = (self._arrived_ms(phrase.certain) for phrase in self._phrase_starts())
            return min(deadline, next((at for at in certain if at > arrived), deadline))
        return deadline

    def flush(self) -> list[Segment]:
        """All the rest, however small; the next text starts at rule 1 again."""
        segments: list[Segment] = []
        if self.pending_characters:
            self._cut(self.pending_characters, segments)
        self._doublings = 0
        self._is_opening = True
        return segments

    def clear(self) -> None:
        """Drop what has not been returned yet; the next text starts at rule 1 again."""
        self._scanned += self.pending_characters
        self._doublings = 0
        self._is_opening = True
        self._arrival_starts.clear()
        self._arrival_times.clear()
        self._whole.clear()
        self._restart()

    def _restart(self) -> None:
        self._scanner = BoundaryScanner()
        self._last_sentence: int | None = None
        self._last_clause: int | None = None
        self._unbroken = Unbroken(self._scanner.characters)
        self._whole = [(start, end) for start, end in self._whole if end > self._scanned]
        for start, end in self._whole:
            self._unbroken.add(max(0, start - self._scanned), end - self._scanned)

    def _scan(self, text: str, segments: list[Segment]) -> None:
        # A stack: what a cut leaves over is scanned again, before the text after it.
        waiting = list(reversed(text))
        while waiting:
            position = self._step(waiting.pop())
            if position is not None:
                waiting.extend(reversed(self._cut(position, segments)))

    def _step(self, character: str) -> int | None:
        """Where to cut now that ``character`` has arrived."""
        scanner = self._scanner
        boundary = scanner.step(character)
        if (
            boundary is not None
            and boundary.position <= self._max_characters
            and self._unbroken.around(boundary.position) is None
        ):
            if self._takes(boundary):
                return boundary.position
            if boundary.kind is BoundaryKind.SENTENCE:
                self._last_sentence = boundary.position
            elif boundary.weight >= self._first_min:
                self._last_clause = boundary.position
        if len(scanner.characters) <= self._max_characters:
            return None
        limit = self._max_characters
        position = length_break(scanner.characters, limit, self._last_sentence, self._last_clause)
        found = self._unbroken.around(position)
        if found is None:
            return position
        start, end = found
        return start or (end if end <= limit else position)

    def _takes(self, boundary: Boundary) -> bool:
        """Whether what ends here is large enough (rules 1 and 2)."""
        if self._doublings == 0:
            if self._is_opening and boundary.kind is BoundaryKind.SENTENCE:
                return boundary.weight >= min(self._first_min, _OPENING_SENTENCE_WEIGHT)
            return boundary.weight >= self._first_min
        if boundary.kind is BoundaryKind.CLAUSE:
            return False
        return boundary.weight >= min(self._first_min << self._doublings, self._max_characters // 2)

    def _arrived_ms(self, position: int) -> float:
        return self._arrival_times[bisect_right(self._arrival_starts, self._scanned + position) - 1]

    def _phrase_starts(self) -> Iterator[PhraseStart]:
        return phrase_starts(self.pending_text, self._language_of, least=self._first_min)

    def _growing_word_start(self) -> int:
        word_start = growing_word_start(self._scanner.characters, self._scanner.word_start)
        open_start = self._unbroken.open_start
        return self._unbroken.before(word_start if open_start is None else min(word_start, open_start))

    def _late_break(self, now_ms: float) -> int:
        """Where to cut what has waited too long, or what rule 5 lets go."""
        characters = self._scanner.characters
        first_spoken = self._scanner.first_spoken or 0
        still_fresh = bisect_right(self._arrival_times, now_ms - self._max_wait_ms)
        late_end = len(characters)
        if still_fresh < len(self._arrival_starts):
            late_end = self._arrival_starts[still_fresh] - self._scanned
        if late_end > first_spoken:
            for position in (self._last_sentence, self._last_clause):
                if position is not None and position >= late_end:
                    return position
        phrases = [
            phrase.position
            for phrase in self._phrase_starts()
            if self._unbroken.around(phrase.position) is None
        ]
        if phrases and phrases[-1] >= late_end:
            return phrases[-1]
        word_start = self._growing_word_start()
        return word_start if first_spoken < word_start else len(characters)

    def _cut(self, position: int, segments: list[Segment], *, is_coming: bool = False) -> str:
        """Add the text before ``position`` to ``segments``; returns the rest, which must be scanned again.

        ``is_coming``: there will be more, even if there is no rest.
        """
        characters = self._scanner.characters
        text, rest = "".join(characters[:position]), "".join(characters[position:])
        segment = Segment(
            text, self._next_index, continues=is_unmarked(text) and (is_coming or is_speakable(rest))
        )
        segments.append(segment)
        self._next_index += 1
        if segment.speakable:
            self._doublings = min(self._doublings + 1, _MAX_DOUBLINGS)
            self._is_opening = False
        self._scanned += position
        outdated = bisect_right(self._arrival_starts, self._scanned) - 1
        if outdated > 0:
            del self._arrival_starts[:outdated], self._arrival_times[:outdated]
        self._restart()
        return rest
