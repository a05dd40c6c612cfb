"""One response of the spine: the text it has, and the engine streams that speak it.

Its life is a table of states.

Rule 1: text is cut into segments, unless an engine takes it uncut. The change to that happens once, with the first text
that has something to hear. A flush ends it: then the stream has all of its text.

Rule 2: a response that takes no more text is still spoken to its end, unless it is cancelled or stopped.

Rule 3: a cancel comes from the listener: the response stays cancelled, however often it is stopped later.

Rule 4: an event that the table does not list under the present state is a bug of ours. It raises RuntimeError and
changes nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from saystream.engines.base import Span
from saystream.speech.outline import Outline
from saystream.text.language import FOLLOWING_CHARACTERS
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from saystream.hosting.front import Forecast, StreamHandle
    from saystream.speech.events import SegmentBegun
    from saystream.text.segmenter import Segment, Segmenter

__all__ = ["LIFE_TABLE", "LifeState", "SpeechResponse"]

_CUT_AT_ONCE = 512
"""Characters that are cut in one go, in about two milliseconds: a book in one event must not hold up other sessions."""


class LifeState(Enum):
    """What becomes of a response's text."""

    CUT = "cut"
    """It is cut into segments; more may come."""
    FED = "fed"
    """It goes uncut into one open stream; more may come."""
    CLOSED = "closed"
    """No more comes; what is there is spoken."""
    CANCELLED = "cancelled"
    """Its listener does not want the rest."""
    FADING = "fading"
    """Cancelled, but the listener has all that was sent, so a fade can follow."""
    STOPPED = "stopped"
    """No more of it is spoken, for another reason."""


def _frozen(table: dict[LifeState, dict[str, LifeState]]) -> Mapping[LifeState, Mapping[str, LifeState]]:
    return MappingProxyType({state: MappingProxyType(row) for state, row in table.items()})


_ENDS = {"cancel": LifeState.CANCELLED, "fade": LifeState.FADING, "stop": LifeState.STOPPED}

LIFE_TABLE: Final = _frozen(
    {
        LifeState.CUT: {
            "add": LifeState.CUT,
            "feed": LifeState.FED,
            "flush": LifeState.CUT,
            "close": LifeState.CLOSED,
            **_ENDS,
        },
        LifeState.FED: {
            "feed": LifeState.FED,
            "flush": LifeState.CUT,
            "close": LifeState.CLOSED,
            **_ENDS,
        },
        LifeState.CLOSED: {"close": LifeState.CLOSED, **_ENDS},
        # The timer that closes it may still be set.
        LifeState.CANCELLED: {"close": LifeState.CANCELLED, "stop": LifeState.CANCELLED},
        LifeState.FADING: {"close": LifeState.FADING, "stop": LifeState.FADING},
        LifeState.STOPPED: {"close": LifeState.STOPPED, "stop": LifeState.STOPPED},
    }
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A segment that waits for its turn."""

    segment: Segment
    ends: bool
    """A sentence ends with it, whatever it looks like."""


class SpeechResponse:
    """Text that will be one continuous stream of audio.

    It is spoken either segment by segment, each in an engine stream of its own, or, by an engine that takes text
    while it speaks, from one open stream that is fed. All times are milliseconds of one monotonic clock.
    """

    def __init__(self, segmenter: Segmenter, open_stream: Callable[[str, str], StreamHandle]) -> None:
        """``segmenter`` is new; ``open_stream(text, following)`` returns a new stream of the engine that suits
        ``text``; ``following`` is some of the text known to come after it."""
        self.state = LifeState.CUT
        self._segmenter = segmenter
        self._open_stream = open_stream
        self._uncut: deque[tuple[str | None, float]] = deque()
        """Text that the segmenter has not seen yet, with the time at which it came; ``None`` is a flush."""
        self._uncut_characters = 0
        self._size = 0
        """Of all text to be cut, in bytes of UTF-8."""
        self._first_text_ms = 0.0
        self._pieces: deque[_Piece] = deque()
        self._segment_characters = 0
        self._feed: StreamHandle | None = None
        self._spoken_before: deque[int] = deque()
        """For each of ``streams``, how much of ``spoken_text`` was there before it."""
        self.streams: deque[StreamHandle] = deque()
        """Streams that are open and not yet sent to the end, in order; the first is the one being sent."""
        self._last_stream: StreamHandle | None = None
        self.spoken_text: list[str] = []
        """Text that was given to engines."""
        self._spoken_characters = 0
        self._outline = Outline()
        self.speakable = False
        """It has, or had, something to hear."""

    @property
    def is_fed(self) -> bool:
        """Its text goes uncut into an open stream."""
        return self.state is LifeState.FED

    @property
    def closed(self) -> bool:
        """No more text comes."""
        return self.state not in (LifeState.CUT, LifeState.FED)

    @property
    def cancelled(self) -> bool:
        return self.state in (LifeState.CANCELLED, LifeState.FADING)

    @property
    def waiting_characters(self) -> int:
        """Text that no engine speaks yet."""
        fed = 0 if self._feed is None else self._feed.waiting_characters
        return fed + self._uncut_characters + self._segmenter.pending_characters + self._segment_characters

    # --- text in ---------------------------------------------------------------------------------------------------

    def add(self, text: str, now_ms: float) -> None:
        """Text to be cut into segments."""
        self._advance("add")
        self.speakable = self.speakable or is_speakable(text)
        if not self._size:
            self._first_text_ms = now_ms
        self._size += len(text.encode())
        self._uncut.append((text, now_ms))
        self._uncut_characters += len(text)
        self._cut_some()

    def feed(self, text: str) -> None:
        """Hand ``text`` uncut to the open stream; the first call opens the stream."""
        self._check("feed")
        if self._feed is None:
            feed = self._open_stream(text, "")
            text = self._take_waiting() + text
            self._feed = feed
            self._sending(feed)
        self._advance("feed")
        self.speakable = True
        self._feed.push(Span(text, self._spoken_characters))
        self._outline.fed(text, self._spoken_characters)
        self._spoken(text)

    def flush(self, now_ms: float) -> None:
        """Speak all that has come, as if its last sentence ended there. More may come."""
        self._advance("flush")
        if self._feed is not None:
            self._end_feed()
            self._feed = None
        else:
            self._uncut.append((None, now_ms))
            self._cut_some()

    def close(self) -> None:
        """No more text comes. Does no harm when called again or after the end."""
        was_closed = self.closed
        self._advance("close")
        if not was_closed:
            if self._feed is not None:
                self._end_feed()
            self._cut_some()

    def poll(self, now_ms: float) -> None:
        """Cut what has waited too long for the end of its sentence."""
        if not self._uncut:
            self._keep(self._segmenter.poll(now_ms))

    def deadline_ms(self) -> float | None:
        """When ``poll`` will cut something, if no text comes before."""
        return None if self._uncut else self._segmenter.deadline_ms()

    # --- speech out ------------------------------------------------------------------------------------------------

    def can_begin(self) -> bool:
        """Whether its turn may come: until then it may be withdrawn without a trace."""
        return self.closed or bool(self.streams) or (self.speakable and self.has_segment())

    def has_segment(self) -> bool:
        """Whether ``open_next`` may be called."""
        while self._uncut and not self._pieces:
            self._cut_some()
        return bool(self._pieces)

    def forecasts(self, now_ms: float) -> list[Forecast]:
        """What is likely to come, in order: from the open streams, and else from the text that will be cut next."""
        coming = [stream.forecast for stream in self.streams]
        cut_at_ms = self.deadline_ms()
        if len(self.streams) > 1 or self._pieces or cut_at_ms is None or self._last_stream is None:
            return coming
        until_cut_ms = max(0.0, cut_at_ms - now_ms)
        rate = self._size / max(1.0, now_ms - self._first_text_ms)
        size = len(self._segmenter.pending_text.encode()) + rate * until_cut_ms
        following = self._last_stream.next_forecast(size)
        return [*coming, replace(following, sound_in_ms=until_cut_ms + following.sound_in_ms)]

    def waits_for_text(self) -> bool:
        """Whether it has nothing to say at the moment, and more may come."""
        return not (self.closed or self.streams or self.has_segment())

    def open_next(self) -> None:
        """Give the next segment to an engine. If that raises, the segment stays where it is."""
        segment, start = self._pieces[0].segment, self._spoken_characters
        if segment.speakable:
            stream = self._open_stream(segment.text, self._following())
            stream.push(Span(segment.text, start, continues=segment.continues))
            stream.end_input()
            self._sending(stream)
        piece = self._pieces.popleft()
        self._segment_characters -= len(segment.text)
        self._spoken(segment.text)
        self._outline.segment(segment.text, start, ends=piece.ends)

    def _following(self) -> str:
        """Some of the text after the next segment, if any has come."""
        following = "".join(piece.segment.text for piece in islice(self._pieces, 1, 3))
        if len(following) < FOLLOWING_CHARACTERS:
            following += self._segmenter.pending_text
        if len(following) < FOLLOWING_CHARACTERS and self._uncut:
            following += (self._uncut[0][0] or "")[:FOLLOWING_CHARACTERS]
        return following[:FOLLOWING_CHARACTERS]

    def first_stream_start(self) -> int:
        """Where the text of the first stream begins in the text of the response."""
        return sum(map(len, self.spoken_text[: self._spoken_before[0]]))

    def begun(self) -> list[SegmentBegun]:
        """The parts of the text that begin now that the first stream sounds, each once."""
        reached = self._spoken_characters
        if (first := self.streams[0]) is not self._feed:
            reached = self.first_stream_start() + 1
        elif waiting := first.waiting_characters:
            reached = max(reached - waiting, self.first_stream_start() + 1)
        return self._outline.begun(reached)

    def begun_before_next(self) -> list[SegmentBegun]:
        """The parts of the text before that of the first stream which have not begun yet."""
        return self._outline.begun(self.first_stream_start() if self.streams else self._spoken_characters)

    def first_stream_sent(self) -> str:
        """Returns its text, with what followed it and could not be spoken."""
        self.streams.popleft()
        start = self._spoken_before.popleft()
        end = self._spoken_before[0] if self._spoken_before else None
        return "".join(self.spoken_text[start:end])

    def first_stream_failed(self, *, heard: bool) -> str:
        """As ``first_stream_sent``, for a stream that broke off.

        What an engine had taken of a text that it is fed is lost; the rest is fed to another stream, unless nothing
        was ``heard``: then the text itself may be at fault, and the response takes no more. Raises what opening a
        stream raises.
        """
        failed = self.streams[0]
        left = failed.waiting_characters
        text = self.first_stream_sent()
        if failed is not self._feed:
            return text
        self._feed = None
        if not heard:
            self.close()
        elif left:
            self._feed_again(left)
            text = text[:-left]
        return text

    def _feed_again(self, num_characters: int) -> None:
        """Hand the last characters of ``spoken_text`` to a new stream."""
        given = "".join(self.spoken_text)
        text = given[-num_characters:]
        feed = self._open_stream(text, "")
        self.spoken_text[:] = [given[:-num_characters]]
        self._spoken_characters -= num_characters
        self._feed = feed
        self._sending(feed)
        feed.push(Span(text, self._spoken_characters))
        self._spoken(text)
        if self.closed:
            feed.end_input()

    # --- ends ------------------------------------------------------------------------------------------------------

    def drop_unspoken(self) -> None:
        """Forget the text that is not yet being sent."""
        self._take_waiting()
        while len(self.streams) > 1:
            self.streams.pop().cancel()
            before = self._spoken_before.pop()
            self._spoken_characters -= sum(map(len, self.spoken_text[before:]))
            del self.spoken_text[before:]
        self._outline.forget(self._spoken_characters)

    def cancel(self, *, fades_out: bool) -> None:
        """End at once, for its listener. ``fades_out``: the listener has all that was sent, so a fade can follow."""
        self._advance("fade" if fades_out else "cancel")
        self._end()

    def stop(self) -> None:
        """End at once; no more of it is heard. Calling it again does no harm."""
        self._advance("stop")
        self._end()

    def take_text(self) -> str:
        """End at once, and return all of the text, to be spoken in another way."""
        text = "".join(self.spoken_text) + self._take_waiting()
        self.stop()
        return text

    def _end(self) -> None:
        self._take_waiting()
        for stream in self.streams:
            stream.cancel()

    def _check(self, event: str) -> LifeState:
        """The state after ``event``. Raises RuntimeError if the event is illegal now (rule 4)."""
        try:
            return LIFE_TABLE[self.state][event]
        except KeyError:
            raise RuntimeError(f"'{event}' is not possible while a response is {self.state.value}.") from None

    def _advance(self, event: str) -> None:
        self.state = self._check(event)

    def _take_waiting(self) -> str:
        segments = [*(piece.segment for piece in self._pieces), *self._segmenter.flush()]
        text = "".join([*(segment.text for segment in segments), *(text or "" for text, _ in self._uncut)])
        self._pieces.clear()
        self._segment_characters = 0
        self._uncut.clear()
        self._uncut_characters = 0
        return text

    # --- cutting ---------------------------------------------------------------------------------------------------

    def _cut_some(self) -> None:
        budget = _CUT_AT_ONCE
        while self._uncut and budget > 0:
            text, arrived_ms = self._uncut.popleft()
            if text is None:
                self._keep(self._segmenter.flush(), ends=True)
                continue
            if len(text) > budget:
                self._uncut.appendleft((text[budget:], arrived_ms))
                text = text[:budget]
            self._uncut_characters -= len(text)
            budget -= len(text)
            self._keep(self._segmenter.push(text, arrived_ms))
        if self.closed and not self._uncut:
            self._keep(self._segmenter.flush(), ends=True)

    def _keep(self, segments: Iterable[Segment], *, ends: bool = False) -> None:
        for segment in segments:
            self._pieces.append(_Piece(segment, ends))
            self._segment_characters += len(segment.text)

    def _end_feed(self) -> None:
        if self._feed is not None:
            self._feed.end_input()
            self._outline.fed_to_end()

    def _spoken(self, text: str) -> None:
        self.spoken_text.append(text)
        self._spoken_characters += len(text)

    def _sending(self, stream: StreamHandle) -> None:
        self.streams.append(stream)
        self._last_stream = stream
        self._spoken_before.append(len(self.spoken_text))
