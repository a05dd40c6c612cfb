"""What becomes of the times of marks when silence is cut or added and the tempo is changed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from saystream.audio import Mark

if TYPE_CHECKING:
    from saystream.dsp.silence import SegmentEdges

__all__ = ["MarkTimes"]


class MarkTimes:
    """Takes the marks of segments, with times in their own audio, and gives those of one response, in its audio.

    Between the two lie ``SegmentEdges``, whose rate may change from one segment to another, and a change of tempo.
    What comes after these leaves times as they are.
    """

    def __init__(self, speech_rate: float) -> None:
        self._speech_rate = speech_rate
        self._before_ms = 0.0
        """Audio that came out at earlier rates."""
        self.unplaced: list[Mark] = []
        """Those of a segment that has had no sound yet: it is not known how much silence will be cut before it."""
        self.placed: deque[Mark] = deque()
        """With times in the response; not yet taken."""

    def push(self, marks: tuple[Mark, ...], edges: SegmentEdges) -> None:
        """More marks of the present segment. Its samples are pushed to ``edges`` before."""
        self.unplaced += marks
        if edges.begun:
            samples_per_ms = edges.sample_rate / 1000
            for mark in self.unplaced:
                start, end = (edges.place(ms * samples_per_ms) for ms in (mark.start_ms, mark.end_ms))
                self.placed.append(Mark(mark.start, mark.end, self._ms(start, edges), self._ms(end, edges)))
            self.unplaced.clear()

    def take(self, before_ms: float) -> tuple[Mark, ...]:
        """The next of those that begin before ``before_ms`` of the response."""
        marks: list[Mark] = []
        while self.placed and self.placed[0].start_ms < before_ms:
            marks.append(self.placed.popleft())
        return tuple(marks)

    def end_segment(self, edges: SegmentEdges) -> None:
        """The marks that come next are of another segment. None of this one is later than its last sound."""
        self.unplaced.clear()
        if self.placed:
            latest_ms = self._ms(edges.num_out, edges)
            self.placed = deque(
                Mark(mark.start, mark.end, min(mark.start_ms, latest_ms), min(mark.end_ms, latest_ms))
                for mark in self.placed
            )

    def change_rate(self, edges: SegmentEdges) -> None:
        """The segments that come next have other edges, of another rate."""
        self.end_segment(edges)
        self._before_ms = self._ms(edges.num_out, edges)

    def _ms(self, num_samples: float, edges: SegmentEdges) -> float:
        return self._before_ms + num_samples * 1000 / edges.sample_rate / self._speech_rate
