"""One response of the spine: the text it has, and the engine streams that speak it.

Its life is a table of states.

Rule 1: text is cut into segments, unless an engine takes it uncut. The change to that happens once, with the first text
that has something to hear. It ends where something comes that an engine cannot be fed: a pause, a sound, another
manner, or a flush.

Rule 2: a response that takes no more text is still spoken to its end, unless it is cancelled or stopped.

Rule 3: a cancel comes from the listener: the response stays cancelled, however often it is stopped later.

Rule 4: an event that the table does not list under the present state is a bug of ours. It raises RuntimeError and
changes nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from saystream.engines.base import Span
from saystream.speech.cutting import Cutter, Piece
from saystream.speech.outline import Outline
from saystream.text.script import Manner, Pause, Sound, pronunciations_within
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from saystream.hosting.front import Forecast, StreamHandle
    from saystream.speech.events import SegmentBegun
    from saystream.speech.plain_text import PlainText
    from saystream.text.script import Part, Pronunciation
    from saystream.text.segmenter import Segmenter

__all__ = ["LIFE_TABLE", "LifeState", "OpenStream", "Opened", "ReadableParts", "SpeechResponse"]

_PLAIN = Manner()

OpenStream: TypeAlias = "Callable[[str, str, Manner], StreamHandle]"
ReadableParts: TypeAlias = "Callable[[str, str, Manner], list[str]]"


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
            "part": LifeState.CUT,
            "close": LifeState.CLOSED,
            **_ENDS,
        },
        LifeState.FED: {
            "feed": LifeState.FED,
            "part": LifeState.CUT,
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


@dataclass(slots=True)
class Opened:
    """What is being spoken, or comes next: a stream of an engine, or a pause or sound between two of them."""

    content: StreamHandle | Pause | Sound
    before: int
    """How much of ``spoken_text`` was there before it, in pieces…"""
    start: int
    """…and in characters."""
    manner: Manner = _PLAIN
    """Of a stream."""
    fed: bool = False
    """A stream that took its text uncut."""

    @property
    def stream(self) -> StreamHandle | None:
        return None if isinstance(self.content, Pause | Sound) else self.content


class SpeechResponse:
    """What will be one continuous stream of audio.

    Its text is spoken either segment by segment, each in an engine stream of its own, or, by an engine that takes text
    while it speaks, from one open stream that is fed. All times are milliseconds of one monotonic clock.
    """

    def __init__(
        self, segmenter: Segmenter, open_stream: OpenStream, readable_parts: ReadableParts | None = None
    ) -> None:
        """``segmenter`` is new; ``open_stream(text, following, manner)`` returns a new stream of the engine that suits
        ``text``; ``following`` is some of the text known to come after it. ``readable_parts`` cuts a text that no one
        engine can read, with the same arguments."""
        self.state = LifeState.CUT
        self._cutter = Cutter(segmenter)
        self._open_stream = open_stream
        self._readable_parts = readable_parts
        self._feed: StreamHandle | None = None
        self.opened: deque[Opened] = deque()
        """What is open and not yet sent to the end, in order; the first is being sent."""
        self._last_stream: StreamHandle | None = None
        self.spoken_text: list[str] = []
        """Text that was given to engines."""
        self._spoken_characters = 0
        self._told: deque[Pronunciation] = deque()
        """How words are pronounced that were fed, as far as no engine has spoken them; their places are those in the
        response."""
        self._outline = Outline()
        self.speakable = False
        """It has, or had, something to hear."""
        self.parts: list[str | Part] = []
        """What was pushed, as long as it may have to be spoken in another way; kept by its inbox…"""
        self.plain: PlainText | None = None
        """…like what leaves markup out of it, where that is wanted."""

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
    def streams(self) -> list[StreamHandle]:
        """Those that are open, in order."""
        return [stream for opened in self.opened if (stream := opened.stream) is not None]

    @property
    def waiting_characters(self) -> int:
        """Text that no engine speaks yet; a pause or sound counts as one character."""
        fed = 0 if self._feed is None else self._feed.waiting_characters
        return fed + self._cutter.waiting_characters

    # --- text in ---------------------------------------------------------------------------------------------------

    def add(
        self,
        text: str,
        now_ms: float,
        *,
        manner: Manner = _PLAIN,
        pronunciations: tuple[Pronunciation, ...] = (),
    ) -> None:
        """Text to be cut into segments."""
        self._advance("add")
        self.speakable = self.speakable or is_speakable(text)
        self._cutter.add_text(text, now_ms, manner=manner, pronunciations=pronunciations)

    def feed(self, text: str, pronunciations: tuple[Pronunciation, ...] = ()) -> None:
        """Hand ``text`` uncut to the open stream; the first call opens the stream."""
        self._check("feed")
        if self._feed is None:
            feed = self._open_stream(text, "", _PLAIN)
            waiting = self._cutter.take_text()
            pronunciations = tuple(each.shifted(len(waiting)) for each in pronunciations)
            text = waiting + text
            self._feed = feed
            self._open(feed, fed=True)
        self._advance("feed")
        self.speakable = True
        self._note_told(self._feed, pronunciations)
        self._feed.push(Span(text, self._spoken_characters, pronunciations=pronunciations))
        self._outline.fed(text, self._spoken_characters)
        self._spoken(text)

    def part(self) -> None:
        """What comes next cannot be fed: the open stream, if there is one, has all of its text."""
        self._advance("part")
        if self._feed is not None:
            self._end_feed()
            self._feed = None

    def add_between(self, part: Pause | Sound, now_ms: float) -> None:
        """A pause or sound, behind all that has come."""
        self.part()
        self.speakable = True
        self._cutter.add(part, now_ms)

    def flush(self, now_ms: float) -> None:
        """Speak all that has come, as if its last sentence ended there. More may come."""
        self.part()
        self._cutter.flush(now_ms)

    def close(self) -> None:
        """No more text comes. Does no harm when called again or after the end."""
        was_closed = self.closed
        self._advance("close")
        if not was_closed:
            self._end_feed()
            self._cutter.end()

    def poll(self, now_ms: float) -> None:
        """Cut what has waited too long for the end of its sentence."""
        self._cutter.poll(now_ms)

    def deadline_ms(self) -> float | None:
        """When ``poll`` will cut something, if no text comes before."""
        return self._cutter.deadline_ms()

    # --- speech out ------------------------------------------------------------------------------------------------

    def can_begin(self) -> bool:
        """Whether its turn may come: until then it may be withdrawn without a trace."""
        return self.closed or bool(self.opened) or (self.speakable and self.has_segment())

    def has_segment(self) -> bool:
        """Whether ``open_next`` may be called."""
        return self._cutter.first() is not None

    def next_is_between(self) -> bool:
        """Whether ``open_next`` would open a pause or sound."""
        return isinstance(self._cutter.first(), Pause | Sound)

    def forecasts(self, now_ms: float) -> list[Forecast]:
        """What is likely to come, in order: from the open streams, and else from the text that will be cut next."""
        coming = [stream.forecast for stream in self.streams]
        cut_at_ms = self.deadline_ms()
        if len(coming) > 1 or self._cutter.has_cut or cut_at_ms is None or self._last_stream is None:
            return coming
        until_cut_ms = max(0.0, cut_at_ms - now_ms)
        rate = self._cutter.size / max(1.0, now_ms - self._cutter.first_text_ms)
        following = self._last_stream.next_forecast(self._cutter.uncut_size + rate * until_cut_ms)
        return [*coming, replace(following, sound_in_ms=until_cut_ms + following.sound_in_ms)]

    def waits_for_text(self) -> bool:
        """Whether it has nothing to say at the moment, and more may come."""
        return not (self.closed or self.opened or self.has_segment())

    def open_next(self) -> None:
        """Give the next segment to an engine. If that raises, the segment stays where it is."""
        piece, start = self._readable_piece(), self._spoken_characters
        if piece is None:
            raise RuntimeError("There is nothing to open.")
        if not isinstance(piece, Piece):
            self._cutter.pop()
            self.opened.append(Opened(piece, len(self.spoken_text), start))
            return
        if piece.speakable:
            stream = self._open_stream(piece.text, self._cutter.following(), piece.manner)
            stream.push(
                Span(piece.text, start, continues=piece.continues, pronunciations=piece.pronunciations)
            )
            stream.end_input()
            self._open(stream, piece.manner)
        self._cutter.pop()
        self._spoken(piece.text)
        self._outline.segment(piece.text, start, ends=piece.ends)

    def skip_next(self) -> tuple[int, int]:
        """Leave out the next segment, which nobody can speak. Returns where its text lies in the text of the
        response."""
        piece, start = self._cutter.first(), self._spoken_characters
        assert isinstance(piece, Piece), "a pause or sound needs no engine"
        self._cutter.pop()
        self._spoken(piece.text)
        self._outline.segment(piece.text, start, ends=piece.ends)
        return start, start + len(piece.text.rstrip())

    def _readable_piece(self) -> Piece | Pause | Sound | None:
        piece = self._cutter.first()
        if self._readable_parts is not None and isinstance(piece, Piece) and piece.speakable:
            parts = self._readable_parts(piece.text, self._cutter.following(), piece.manner)
            if len(parts) > 1:
                self._cutter.cut_first(parts)
                return self._cutter.first()
        return piece

    def first_start(self) -> int:
        """Where the text of what is being sent begins in the text of the response."""
        return self.opened[0].start

    def begun(self) -> list[SegmentBegun]:
        """The parts of the text that begin now that the first stream sounds, each once. For one that is fed, call it
        with each chunk."""
        first = self.opened[0]
        if first.stream is None:
            return self._outline.begun_between(first.start)
        reached = first.start + 1
        if first.fed:
            end = self.opened[1].start if len(self.opened) > 1 else self._spoken_characters
            reached = max(reached, end - first.stream.waiting_characters)
        return self._outline.begun(reached)

    def begun_before_next(self) -> list[SegmentBegun]:
        """The parts of the text before that of the first stream which have not begun yet."""
        return self._outline.begun(self.first_start() if self.opened else self._spoken_characters)

    def first_text(self) -> str:
        """Of what is being sent."""
        end = self.opened[1].before if len(self.opened) > 1 else None
        return "".join(self.spoken_text[self.opened[0].before : end])

    def first_sent(self) -> str:
        """Returns its text, with what followed it and could not be spoken."""
        start = self.opened.popleft().before
        end = self.opened[0].before if self.opened else None
        return "".join(self.spoken_text[start:end])

    def first_failed(self, *, heard: bool) -> str:
        """As ``first_sent``, for a stream that broke off.

        What an engine had taken of a text that it is fed is lost; the rest is fed to another stream, unless nothing
        was ``heard``: then the text itself may be at fault, and the response takes no more. Raises what opening a
        stream raises.
        """
        failed = self.opened[0].stream
        text = self.first_sent()
        if failed is None or failed is not self._feed:
            return text
        left = failed.waiting_characters
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
        feed = self._open_stream(text, "", _PLAIN)
        self.spoken_text[:] = [given[:-num_characters]]
        self._spoken_characters -= num_characters
        self._feed = feed
        self._open(feed, fed=True)
        start = self._spoken_characters
        told = pronunciations_within(self._told, start, start + num_characters)
        feed.push(Span(text, start, pronunciations=told))
        self._spoken(text)
        if self.closed:
            feed.end_input()

    def _note_told(self, feed: StreamHandle, pronunciations: Iterable[Pronunciation]) -> None:
        """Those of the text that is fed next; what the engine has spoken is forgotten."""
        spoken = self._spoken_characters - feed.waiting_characters
        while self._told and self._told[0].end <= spoken:
            self._told.popleft()
        self._told += (each.shifted(self._spoken_characters) for each in pronunciations)

    # --- ends ------------------------------------------------------------------------------------------------------

    def drop_unspoken(self) -> None:
        """Forget the text that is not yet being sent."""
        self._cutter.take_text()
        while len(self.opened) > 1:
            dropped = self.opened.pop()
            if dropped.stream is not None:
                dropped.stream.cancel()
            self._spoken_characters -= sum(map(len, self.spoken_text[dropped.before :]))
            del self.spoken_text[dropped.before :]
        self._outline.forget(self._spoken_characters)
        if self.plain is not None:
            self.plain.drop(self._spoken_characters)

    def cancel(self, *, fades_out: bool) -> None:
        """End at once, for its listener. ``fades_out``: the listener has all that was sent, so a fade can follow."""
        self._advance("fade" if fades_out else "cancel")
        self._end()

    def stop(self) -> None:
        """End at once; no more of it is heard. Calling it again does no harm."""
        self._advance("stop")
        self._end()

    def _end(self) -> None:
        self._cutter.take_text()
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

    def _end_feed(self) -> None:
        if self._feed is not None:
            self._feed.end_input()
            self._outline.fed_to_end()

    def _spoken(self, text: str) -> None:
        self.spoken_text.append(text)
        self._spoken_characters += len(text)

    def _open(self, stream: StreamHandle, manner: Manner = _PLAIN, *, fed: bool = False) -> None:
        self.opened.append(Opened(stream, len(self.spoken_text), self._spoken_characters, manner, fed))
        self._last_stream = stream
