"""Sentence by sentence: what is spoken of a task, as its client is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from msgspec import UNSET

from saystream.protocol.task.events import Phoneme, Word

if TYPE_CHECKING:
    from saystream.audio import Mark, PhonemeMark
    from saystream.server.doors.task_speech import Preparation
    from saystream.speech.events import ResponseAudio, SegmentBegun

__all__ = ["Listener", "Sentences"]


class Listener(Protocol):
    """Whom ``Sentences`` tells. A sentence begins, has audio, and ends before the next one begins."""

    def sentence_begins(self, text: str) -> None:
        """``text`` as it was sent, as far as it is known."""

    def sentence_audio(self, audio: bytes, words: tuple[Word, ...]) -> None:
        """Audio, which is not empty, with the words that begin in it."""

    def sentence_ends(
        self, text: str, words: tuple[Word, ...], *, characters: int, begin_ms: float, end_ms: float
    ) -> None:
        """All of ``text`` was said. ``characters`` are billed for the task so far, the times those of its audio."""


@dataclass(slots=True)
class _Sentence:
    start: int
    """Where it begins in the text as it was sent…"""
    end: int
    """…and where what is known of it ends."""
    begin_ms: float
    complete: bool
    words: list[Word] = field(default_factory=list)

    def extend(self, end: int, *, complete: bool) -> None:
        self.end = max(self.end, end)
        self.complete = complete


class Sentences:
    """Makes of the segments, the audio and the marks of one response sentences with words.

    Audio in which one sentence ends and the next begins belongs to the next, and so do the times: each word is at the
    begin of its sentence's audio plus its own time, to the millisecond.
    """

    def __init__(
        self,
        preparation: Preparation,
        listener: Listener,
        *,
        absolute_times: bool,
        with_words: bool,
        with_phonemes: bool = False,
    ) -> None:
        """``absolute_times`` count from the begin of the task's audio, and have no places but may have phonemes
        (Sambert)."""
        self._preparation = preparation
        self._listener = listener
        self._absolute = absolute_times
        self._with_words = with_words
        self._with_phonemes = with_phonemes
        self._audio_ms = 0.0
        self._sentence: _Sentence | None = None
        self._waiting: list[SegmentBegun] = []
        """Begun, but nothing of their audio has come."""
        self._characters = 0
        """Billed for the sentences that have ended."""
        self._billed_to = 0
        """Where the last of them ended in the text as it was sent."""

    def begun(self, segment: SegmentBegun) -> None:
        """What comes next says this part of the spoken text."""
        self._waiting.append(segment)

    def audio(self, audio: ResponseAudio) -> None:
        """The next audio of the response."""
        marks = list(audio.marks) if self._with_words else []
        while self._waiting:
            segment = self._waiting.pop(0)
            if self._sentence is not None and self._sentence.complete:
                before = [mark for mark in marks if mark.start < segment.start]
                self._said(self._sentence, before)
                marks = marks[len(before) :]
                self._end(self._sentence)
            self._enter(segment)
        if self._sentence is None:
            self._begin(*self._preparation.places.sent(0, 0), complete=False)
        assert self._sentence is not None
        words = self._said(self._sentence, marks)
        if audio.encoded:
            self._listener.sentence_audio(audio.encoded, words)
        self._audio_ms += audio.duration_ms

    def finish(self) -> None:
        """The response has ended."""
        for segment in self._waiting:
            if self._sentence is not None and self._sentence.complete:
                self._end(self._sentence)
            self._enter(segment)
        self._waiting.clear()
        if self._sentence is not None:
            self._end(self._sentence)

    @property
    def reached(self) -> int:
        """The end of what has begun to be heard, in the text as it was sent."""
        return self._billed_to if self._sentence is None else self._sentence.end

    @property
    def characters(self) -> int:
        """Billed for what has begun to be heard."""
        if self._sentence is None:
            return self._characters
        return self._characters + self._preparation.billed_in(self._billed_to, self._sentence.end)

    def _enter(self, segment: SegmentBegun) -> None:
        start, end = self._preparation.places.sent(segment.start, segment.end)
        if self._sentence is None:
            self._begin(start, end, complete=segment.ends_sentence)
        else:
            self._sentence.extend(end, complete=segment.ends_sentence)

    def _begin(self, start: int, end: int, *, complete: bool) -> None:
        self._sentence = _Sentence(start, end, self._audio_ms, complete)
        self._listener.sentence_begins(self._preparation.sent(start, end))

    def _end(self, sentence: _Sentence) -> None:
        self._characters = self.characters
        self._billed_to = sentence.end
        self._sentence = None
        self._listener.sentence_ends(
            self._preparation.sent(sentence.start, sentence.end),
            tuple(sentence.words),
            characters=self._characters,
            begin_ms=sentence.begin_ms,
            end_ms=self._audio_ms,
        )
        self._preparation.forget(sentence.end)

    def _said(self, sentence: _Sentence, marks: list[Mark]) -> tuple[Word, ...]:
        words = tuple(self._word(sentence, mark) for mark in marks)
        sentence.words += words
        return words

    def _word(self, sentence: _Sentence, mark: Mark) -> Word:
        start, end = self._preparation.places.sent(mark.start, mark.end)
        text = self._preparation.sent(start, end)
        if self._absolute:
            return Word(
                text=text,
                begin_time=round(mark.start_ms),
                end_time=round(mark.end_ms),
                phonemes=tuple(map(_phoneme, mark.phonemes)) if self._with_phonemes else UNSET,
            )
        begin_ms = max(0.0, mark.start_ms - sentence.begin_ms)
        return Word(
            text=text,
            begin_index=max(0, start - sentence.start),
            end_index=max(0, end - sentence.start),
            begin_time=round(begin_ms),
            end_time=round(max(begin_ms, mark.end_ms - sentence.begin_ms)),
        )


def _phoneme(mark: PhonemeMark) -> Phoneme:
    return Phoneme(
        begin_time=round(mark.start_ms), end_time=round(mark.end_ms), text=mark.text, tone=mark.tone
    )
