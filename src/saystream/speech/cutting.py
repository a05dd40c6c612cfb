"""Cuts the parts of a response into what is spoken at a time: segments of text, and the pauses and sounds between."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from saystream.text.language import FOLLOWING_CHARACTERS
from saystream.text.script import Manner, Pause, Pronunciation, Sound, pronunciations_within
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saystream.text.segmenter import Segment, Segmenter

__all__ = ["Cutter", "Piece"]

_CUT_AT_ONCE = 512
"""Characters that are cut in one go, in about two milliseconds: a book in one event must not hold up other sessions."""

_LONGEST_PAUSE_MS = 10_000.0
"""Of all pauses in a row together."""

_PLAIN = Manner()


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment of text that waits for its turn."""

    text: str
    continues: bool = False
    """Its sentence goes on after it, and no mark at its end says so."""
    ends: bool = False
    """A sentence ends with it, whatever it looks like."""
    manner: Manner = _PLAIN
    pronunciations: tuple[Pronunciation, ...] = ()
    """Their places count from the beginning of ``text``."""

    @property
    def speakable(self) -> bool:
        """Whether it has to go to an engine at all."""
        return is_speakable(self.text)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """What the segmenter has not seen yet."""

    content: str | Pause | Sound | None
    """``None`` is a flush."""
    came_ms: float
    manner: Manner = _PLAIN
    pronunciations: tuple[Pronunciation, ...] = ()


class Cutter:
    """Takes parts as they come, and gives what is ready, in order. A pause, a sound and another manner end a segment.

    All times are milliseconds of one monotonic clock. A pause or sound counts as one character.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        """``segmenter`` is new."""
        self._segmenter = segmenter
        self._arrived: deque[_Arrival] = deque()
        self._arrived_characters = 0
        self.size = 0
        """Of all text that came, in bytes of UTF-8."""
        self.first_text_ms = 0.0
        self._ready: deque[Piece | Pause | Sound] = deque()
        self._ready_characters = 0
        self._manner = _PLAIN
        """Of the text that the segmenter holds."""
        self._pronunciations: deque[Pronunciation] = deque()
        """Of the text that it holds and of what follows, as far as that has been looked at. Their places, like the
        following, count all text that the segmenter was given."""
        self._given = 0
        self._cut = 0
        """Where the text that it holds begins."""
        self._pause_left_ms = _LONGEST_PAUSE_MS
        self._ended = False

    @property
    def waiting_characters(self) -> int:
        return self._arrived_characters + self._segmenter.pending_characters + self._ready_characters

    def add_text(
        self,
        text: str,
        now_ms: float,
        *,
        manner: Manner = _PLAIN,
        pronunciations: tuple[Pronunciation, ...] = (),
    ) -> None:
        if not self.size:
            self.first_text_ms = now_ms
        self.size += len(text.encode())
        self._arrive(_Arrival(text, now_ms, manner, pronunciations), len(text))

    def add(self, part: Pause | Sound, now_ms: float) -> None:
        """Pauses in a row are cut off at ten seconds in all."""
        self._arrive(_Arrival(part, now_ms), 1)

    def flush(self, now_ms: float) -> None:
        """A sentence ends here."""
        self._arrive(_Arrival(None, now_ms), 0)

    def end(self) -> None:
        """No more comes."""
        self._ended = True
        self._cut_some()

    def poll(self, now_ms: float) -> None:
        """Cut what has waited too long for the end of its sentence."""
        if not self._arrived:
            self._keep(self._segmenter.poll(now_ms))

    def deadline_ms(self) -> float | None:
        """When ``poll`` will cut something, if nothing comes before."""
        return None if self._arrived else self._segmenter.deadline_ms()

    @property
    def uncut_size(self) -> int:
        """Of the text that would be cut next, in bytes of UTF-8."""
        return len(self._segmenter.pending_text.encode())

    @property
    def has_cut(self) -> bool:
        """Whether something is ready without a further cut."""
        return bool(self._ready)

    def first(self) -> Piece | Pause | Sound | None:
        """What is to be spoken next, if that is known."""
        while self._arrived and not self._ready:
            self._cut_some()
        return self._ready[0] if self._ready else None

    def pop(self) -> None:
        """The first is being spoken."""
        self._ready_characters -= _length(self._ready.popleft())

    def cut_first(self, texts: Sequence[str]) -> None:
        """The first, a piece, becomes several pieces with these texts, which joined are its own."""
        whole = self._ready.popleft()
        assert isinstance(whole, Piece), "only text can be cut"
        pieces: list[Piece] = []
        start = 0
        for text in texts:
            end = start + len(text)
            is_last = end == len(whole.text)
            pieces.append(
                Piece(
                    text,
                    continues=whole.continues if is_last else True,
                    ends=whole.ends and is_last,
                    manner=whole.manner,
                    pronunciations=pronunciations_within(whole.pronunciations, start, end),
                )
            )
            start = end
        self._ready.extendleft(reversed(pieces))

    def following(self) -> str:
        """Some of the text after the first, if any has come."""
        pieces = islice(self._ready, 1, 3)
        following = "".join(piece.text for piece in pieces if isinstance(piece, Piece))
        if len(following) < FOLLOWING_CHARACTERS:
            following += self._segmenter.pending_text
        if len(following) < FOLLOWING_CHARACTERS and self._arrived:
            content = self._arrived[0].content
            following += content[:FOLLOWING_CHARACTERS] if isinstance(content, str) else ""
        return following[:FOLLOWING_CHARACTERS]

    def take_text(self) -> str:
        """All text that waits. Nothing is left, nor of pauses and sounds."""
        self._keep(self._segmenter.flush())
        contents = (arrival.content for arrival in self._arrived)
        text = "".join(
            [
                *(piece.text for piece in self._ready if isinstance(piece, Piece)),
                *(content for content in contents if isinstance(content, str)),
            ]
        )
        self._ready.clear()
        self._arrived.clear()
        self._pronunciations.clear()
        self._ready_characters = self._arrived_characters = 0
        self._given = self._cut
        self._pause_left_ms = _LONGEST_PAUSE_MS
        return text

    def _arrive(self, arrival: _Arrival, num_characters: int) -> None:
        self._arrived.append(arrival)
        self._arrived_characters += num_characters
        self._cut_some()

    def _cut_some(self) -> None:
        budget = _CUT_AT_ONCE
        while self._arrived and budget > 0:
            arrival = self._arrived.popleft()
            content = arrival.content
            if content is None:
                self._keep(self._segmenter.flush(), ends=True)
            elif isinstance(content, str):
                self._push(arrival, content[:budget])
                if len(content) > budget:
                    rest = replace(arrival, content=content[budget:], pronunciations=())
                    self._arrived.appendleft(rest)
                budget -= len(content)
            else:
                self._keep(self._segmenter.flush())
                self._arrived_characters -= 1
                self._put_between(content)
        if self._ended and not self._arrived:
            self._keep(self._segmenter.flush(), ends=True)

    def _push(self, arrival: _Arrival, text: str) -> None:
        """``text`` is the beginning of what arrived."""
        if arrival.manner != self._manner and text:
            self._keep(self._segmenter.flush())
            self._manner = arrival.manner
        whole = [(each.start, each.end) for each in arrival.pronunciations]
        self._pronunciations += (each.shifted(self._given) for each in arrival.pronunciations)
        self._arrived_characters -= len(text)
        self._given += len(text)
        self._keep(self._segmenter.push(text, arrival.came_ms, whole=whole))

    def _put_between(self, part: Pause | Sound) -> None:
        if isinstance(part, Pause):
            duration_ms = max(0.0, min(part.duration_ms, self._pause_left_ms))
            self._pause_left_ms -= duration_ms
            part = Pause(duration_ms)
        else:
            self._pause_left_ms = _LONGEST_PAUSE_MS
        self._ready.append(part)
        self._ready_characters += 1

    def _keep(self, segments: Iterable[Segment], *, ends: bool = False) -> None:
        """``ends``: the sentence ends with them, whatever they look like."""
        for segment in segments:
            start, self._cut = self._cut, self._cut + len(segment.text)
            pronunciations = pronunciations_within(self._pronunciations, start, self._cut)
            while self._pronunciations and self._pronunciations[0].start < self._cut:
                self._pronunciations.popleft()
            piece = Piece(segment.text, segment.continues, ends, self._manner, pronunciations)
            self._ready.append(piece)
            self._ready_characters += len(piece.text)
            if piece.speakable:
                self._pause_left_ms = _LONGEST_PAUSE_MS


def _length(piece: Piece | Pause | Sound) -> int:
    return len(piece.text) if isinstance(piece, Piece) else 1
