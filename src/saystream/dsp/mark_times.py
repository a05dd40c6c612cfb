"""Moves the times of marks when silence is cut or added and the tempo changes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from saystream.audio import Mark

if TYPE_CHECKING:
    from saystream.dsp.silence import SegmentEdges

__all__ = ["MarkTimes"]


class MarkTimes:
    """Takes the marks of segments, with times in their own audio, and returns those of one response, in its audio.

    Between the two lie ``SegmentEdges``, whose rate may change from one segment to another, and a change of tempo.
    Later stages do not move times.
    """

    def __init__(self, speech_rate: float) -> None:
        self._speech_rate = speech_rate
        self._before_ms = 0.0
        """Audio that came out at earlier rates."""
        self.unplaced: list[Mark] = []
        """Marks of a segment that has had no sound yet: how much silence will be cut before it is not known."""
        self.placed: deque[Mark] = deque()
        """Marks with times in the response that have not been taken yet."""

    def push(self, marks: tuple[Mark, ...], edges: SegmentEdges) -> None:
        """More marks of the present segment. Its samples must have been pushed to ``edges`` before."""
        self.unplaced += marks
        if edges.begun:
            samples_per_ms = edges.sample_rate / 1000
            for mark in self.unplaced:
                self.placed.append(mark.moved(lambda ms: self._ms(edges.place(ms * samples_per_ms), edges)))
            self.unplaced.clear()
            if edges.num_held:
                self._end_before_silence(edges)

    def take(self, before_ms: float) -> tuple[Mark, ...]:
        """The next marks that begin before ``before_ms`` of the response."""
        marks: list[Mark] = []
        while self.placed and self.placed[0].start_ms < before_ms:
            marks.append(self.placed.popleft())
        return tuple(marks)

    def end_segment(self, edges: SegmentEdges) -> None:
        """The marks that come next belong to another segment. No mark of this one is later than its last sound."""
        self.unplaced.clear()
        if self.placed:
            latest_ms = self._ms(edges.num_out, edges)
            self.placed = deque(mark.moved(lambda ms: min(ms, latest_ms)) for mark in self.placed)

    def change_rate(self, edges: SegmentEdges) -> None:
        """The segments that come next have other edges, with another rate."""
        self.end_segment(edges)
        self._before_ms = self._ms(edges.num_out, edges)

    def resume(self, before_ms: float, speech_rate: float) -> None:
        """The segments that come next have other edges and another tempo, and begin this much into the response."""
        self._before_ms, self._speech_rate = before_ms, speech_rate

    def _end_before_silence(self, edges: SegmentEdges) -> None:
        """A word that ends in silence which may never be heard ends where that silence begins."""
        heard_ms = self._ms(edges.num_out, edges)
        held_ms = self._ms(edges.num_out + edges.num_held, edges)
        self.placed = deque(
            mark.moved(lambda ms: min(ms, heard_ms))
            if mark.start_ms < heard_ms < mark.end_ms <= held_ms
            else mark
            for mark in self.placed
        )

    def _ms(self, num_samples: float, edges: SegmentEdges) -> float:
        return self._before_ms + num_samples * 1000 / edges.sample_rate / self._speech_rate
