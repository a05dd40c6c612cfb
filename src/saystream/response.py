"""One response of the spine: the text it has, and the engine streams that speak it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from saystream.engines.pool import PoolStream
    from saystream.text.segmenter import Segment

__all__ = ["Response"]


class Response:
    """Text that will be one continuous stream of audio.

    It is spoken either segment by segment, each in an engine stream of its own, or, by an engine that takes text
    while it speaks, from one open stream that is fed.
    """

    def __init__(self, open_stream: Callable[[str], PoolStream]) -> None:
        """``open_stream(text)`` gives a new stream of the engine that suits ``text``."""
        self._open_stream = open_stream
        self._segments: deque[Segment] = deque()
        self._feed: PoolStream | None = None
        self.streams: deque[PoolStream] = deque()
        """Opened and not yet sent to the end, in order; the first is the one being sent."""
        self.waiting_characters = 0
        """Of segments that no engine has yet."""
        self.spoken_text: list[str] = []
        """What was given to engines."""
        self.closed = False
        """No more text comes."""
        self.cancelled = False

    @property
    def has_segments(self) -> bool:
        return bool(self._segments)

    @property
    def is_fed(self) -> bool:
        return self._feed is not None

    @property
    def text(self) -> str:
        """All of it, spoken or not."""
        return "".join([*self.spoken_text, *(segment.text for segment in self._segments)])

    def add(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self._segments.append(segment)
            self.waiting_characters += len(segment.text)

    def open_next(self) -> None:
        """Give the next segment to an engine. It stays where it is when that raises."""
        segment = self._segments[0]
        if segment.speakable:
            stream = self._open_stream(segment.text)
            stream.push_text(segment.text)
            stream.end_input()
            self.streams.append(stream)
        self._segments.popleft()
        self.waiting_characters -= len(segment.text)
        self.spoken_text.append(segment.text)

    def feed(self, text: str) -> None:
        """Hand ``text`` uncut to the open stream; the first call opens it."""
        if self._feed is None:
            self._feed = self._open_stream(text)
            self.streams.append(self._feed)
        self._feed.push_text(text)
        self.spoken_text.append(text)

    def close(self) -> None:
        if not self.closed and self._feed is not None:
            self._feed.end_input()
        self.closed = True

    def drop_unspoken(self) -> None:
        """Forget the segments that are not yet being sent."""
        self._segments.clear()
        self.waiting_characters = 0
        while len(self.streams) > 1:
            self.streams.pop().cancel()
            self.spoken_text.pop()

    def stop(self) -> None:
        """End at once; nothing of it is heard any more."""
        self.closed = True
        self._segments.clear()
        self.waiting_characters = 0
        for stream in self.streams:
            stream.cancel()
