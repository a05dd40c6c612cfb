"""FFmpeg's audio filters (PyAV) as a streaming step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
from av.filter import Graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saystream.audio import Samples

__all__ = ["FilterChain"]


class FilterChain:
    """float32 mono through a row of filters. The caller must know the rate that comes out."""

    def __init__(self, sample_rate: int, filters: Sequence[tuple[str, str]]) -> None:
        """Each filter is its name and its arguments, in FFmpeg's syntax."""
        self._sample_rate = sample_rate
        self._num_in = 0
        self._graph = Graph()
        last = self._graph.add_abuffer(sample_rate=sample_rate, format="flt", layout="mono")
        for name, arguments in (*filters, ("aformat", "sample_fmts=flt"), ("abuffersink", "")):
            following = self._graph.add(name, arguments or None)
            last.link_to(following)
            last = following
        self._graph.configure()

    def push(self, samples: Samples) -> list[Samples]:
        if not len(samples):
            return []
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, dtype=np.float32)[np.newaxis, :], format="flt", layout="mono"
        )
        frame.sample_rate = self._sample_rate
        frame.pts = self._num_in
        self._num_in += len(samples)
        self._graph.push(frame)
        return self._pull()

    def flush(self) -> list[Samples]:
        if not self._num_in:  # a filter that never saw a frame has no format to end with
            return []
        self._graph.push(None)
        return self._pull()

    def _pull(self) -> list[Samples]:
        pulled: list[Samples] = []
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return pulled
            assert isinstance(frame, av.AudioFrame)
            pulled.append(frame.to_ndarray()[0])
