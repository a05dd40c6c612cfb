"""Engines whose every step a test decides."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import psutil

from saystream.audio import SpeechChunk
from saystream.engines.ahead import StepsAhead
from saystream.engines.base import (
    Engine,
    EngineInfo,
    EngineStream,
    SegmentEngine,
    SegmentStream,
    Span,
    SynthesisRequest,
)

INFO = EngineInfo(
    name="scripted", sample_rate=16000, languages={"*": "native"}, voices=("tone",), concurrency=2
)
REQUEST = SynthesisRequest(voice="tone", language="en")

PATIENCE_S = 60.0
"""How long a test waits for what has to come."""


def engine_processes() -> list[psutil.Process]:
    """Those that this process has started, including any that ended and were not waited for.

    Servers that other tests keep running, and their engines, do not count.
    """
    return [child for child in psutil.Process().children() if _is_engine(child)]


def _is_engine(child: psutil.Process) -> bool:
    try:
        return "saystream.hosting.worker" in child.cmdline()
    except psutil.ZombieProcess:
        return True
    except psutil.NoSuchProcess:  # it has ended since it was listed
        return False


class SpeakingEngine(SegmentEngine):
    """Says what ``speak`` yields for a text; also anything that is no audio."""

    info = INFO

    def __init__(self, speak: Callable[[str], Iterator[Any]]) -> None:
        self._speak = speak

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        return map(SpeechChunk, self._speak(span.text))


class StepsEngine(Engine):
    """Makes its chunks in steps, each of which waits until ``meet`` others are under way."""

    info = replace(INFO, concurrency=2, parallel=2, chunk_ms=500.0)

    def __init__(self, meet: int) -> None:
        self.threads: set[str] = set()
        self.meeting = threading.Barrier(meet)

    def open(self, request: SynthesisRequest) -> EngineStream:
        ahead: StepsAhead[np.ndarray] = StepsAhead()

        def speak(span: Span) -> Iterator[SpeechChunk]:
            yield SpeechChunk(np.full(1, 0.5, np.float32))
            yield from map(
                SpeechChunk, ahead.in_order([partial(self._step, 2), *[partial(self._step, 3)] * 3])
            )

        return SegmentStream(speak, ahead=ahead)

    def _step(self, num_samples: int) -> np.ndarray:
        self.threads.add(threading.current_thread().name)
        self.meeting.wait(PATIENCE_S)
        return np.full(num_samples, 0.5, np.float32)


class EchoEngine(Engine):
    """Incremental: for each character, ten samples that hold its code as a fraction of 1000."""

    info = EngineInfo(
        name="echo",
        sample_rate=16000,
        languages={"*": "native"},
        voices=("tone",),
        incremental_text=True,
        concurrency=2,
    )

    def __init__(self) -> None:
        self.may_open = threading.Event()
        self.may_open.set()

    def open(self, request: SynthesisRequest) -> EngineStream:
        assert self.may_open.wait(PATIENCE_S)
        return EchoStream()


class EchoStream(EngineStream):
    def __init__(self) -> None:
        self._text: queue.SimpleQueue[str] = queue.SimpleQueue()

    def push(self, span: Span) -> None:
        if "unpronounceable" in span.text:
            raise ValueError(span.text)
        self._text.put(span.text)

    def end_input(self) -> None:
        self._text.put("")

    def cancel(self) -> None:
        self._text.put("")

    def chunks(self) -> Iterator[SpeechChunk]:
        while text := self._text.get(timeout=PATIENCE_S):
            codes = [ord(character) / 1000 for character in text]
            yield SpeechChunk(np.repeat(codes, 10).astype(np.float32))
