"""An engine that is loaded, and streams of it read by the test's own thread or another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from saystream.engines.base import EngineStream, Span, SynthesisRequest
from saystream.engines.upstream import UpstreamEngine

from .fake_server import PATIENCE_S

TEXT = "Good morning, dear listener."


@contextmanager
def engine(**options: Any) -> Iterator[UpstreamEngine]:
    made = UpstreamEngine(**options)
    made.load()
    try:
        yield made
    finally:
        made.close()


def opened(
    made: UpstreamEngine, *pieces: str, voice: str = "", language: str = "en", **request: Any
) -> EngineStream:
    """A stream that has all of its text."""
    stream = made.open(SynthesisRequest(voice=voice or made.info.voices[0], language=language, **request))
    for piece in pieces:
        stream.push(Span(piece))
    stream.end_input()
    return stream


def say(made: UpstreamEngine, *pieces: str, **request: Any) -> np.ndarray:
    chunks = opened(made, *(pieces or (TEXT,)), **request).chunks()
    return joined([chunk.samples for chunk in chunks])


def joined(chunks: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([*chunks, np.zeros(0, np.float32)])


class Reader(threading.Thread):
    """Reads a stream in a thread of its own."""

    def __init__(self, stream: EngineStream) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.chunks: list[np.ndarray] = []
        self.error: BaseException | None = None
        self.heard = threading.Event()
        """Set with the first chunk."""
        self.start()

    def run(self) -> None:
        try:
            for chunk in self.stream.chunks():
                self.chunks.append(chunk.samples)
                self.heard.set()
        except BaseException as error:
            self.error = error

    def ends(self, within_s: float = PATIENCE_S) -> bool:
        self.join(within_s)
        return not self.is_alive()
