"""The streams of a pool: each runs in one process, and once more in another where that ends too early."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

import structlog

from saystream.audio import AudioChunk
from saystream.engines.base import Span, SynthesisRequest, joined
from saystream.errors import EngineFault, SaystreamError, ServerFault
from saystream.hosting.process import HostedEngine, HostedStream

__all__ = ["PoolStream", "StreamOwner"]

_MS = 1000

_ANY_TEXT_MS = 30.0 * _MS
"""Audio that any text may have, however short."""

_log = structlog.get_logger(__name__)


class StreamOwner(Protocol):
    """What a stream tells the queue that it is in."""

    def can_start(self, stream: PoolStream) -> None:
        """There is enough text to run it. Told at most once."""

    def withdrawn(self, stream: PoolStream) -> None:
        """Its caller cancelled it before it ran."""

    def slot_freed(self, stream: PoolStream, fault: ServerFault | None) -> None:
        """It has ended in its process."""

    def process_lost(self, stream: PoolStream) -> bool:
        """Its process ended before it gave audio. True when it will run again."""


class PoolStream(AsyncIterator[AudioChunk]):
    """A ``front.StreamHandle``."""

    def __init__(
        self,
        owner: StreamOwner,
        request: SynthesisRequest,
        *,
        incremental_text: bool,
        buffered_audio_s: float,
        max_audio_s_per_character: float,
    ) -> None:
        self.request = request
        self.attempts = 0
        """How often it was started."""
        self._owner = owner
        self._incremental_text = incremental_text
        self._high_ms = buffered_audio_s * _MS
        self._max_ms_per_character = max_audio_s_per_character * _MS
        self._pushed_characters = 0
        self._taken_characters = 0
        self._sounded_ms = 0.0
        self._spans: list[Span] = []
        """All of it until the first audio, so that it can be run again; then nothing."""
        self._input_ended = False
        self._could_start = False
        self._hosted: HostedStream | None = None
        self._sounding = False
        self._chunks: deque[AudioChunk] = deque()
        self.buffered_ms = 0.0
        """Audio that has come and was not read."""
        self._held = False
        self._never_waited = False
        """Since it was started: neither for text nor for its reader."""
        self.speech_ms: float | None = None
        """What it spoke, once it has spoken everything without a wait; else how long it took tells nothing."""
        self._over = False
        self._fault: SaystreamError | None = None
        self._reader: asyncio.Future[None] | None = None

    # For the caller.

    def push(self, span: Span) -> None:
        """More text; ignored once the stream is over. Raises RuntimeError after ``end_input``."""
        if self._input_ended:
            raise RuntimeError("push after end_input")
        if self._over or not span.text:
            return
        self._pushed_characters += len(span.text)
        if not self._sounding:
            self._spans.append(span)
        if self._hosted is not None:
            self._hosted.push(span)
        elif self._incremental_text:
            self._tell_can_start()

    def end_input(self) -> None:
        """No more text comes. Harmless when said again."""
        if self._input_ended or self._over:
            return
        self._input_ended = True
        if self._hosted is not None:
            self._hosted.end_input()
        else:
            self._tell_can_start()

    def cancel(self) -> None:
        """Give up what was not read and free the slot; harmless again and after the end."""
        if not self._over:
            if self._hosted is not None:
                self._hosted.cancel()
            else:
                self._owner.withdrawn(self)
        self._chunks.clear()
        self._spans.clear()
        self._fault = None
        self._end()

    async def __anext__(self) -> AudioChunk:
        while not self._chunks:
            if self._fault is not None:
                raise self._fault
            if self._over:
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        chunk = self._chunks.popleft()
        self.buffered_ms -= chunk.duration_ms
        if self._held and self.buffered_ms <= self._high_ms / 2:
            self._held = False
            if self._hosted is not None and not self._over:
                self._hosted.resume()
        return chunk

    @property
    def waiting_characters(self) -> int:
        """Text that an incremental engine has not begun to speak; 0 with one that takes a segment whole."""
        return (
            0
            if self._over or not self._incremental_text
            else self._pushed_characters - self._taken_characters
        )

    # For its owner.

    @property
    def over(self) -> bool:
        """Nothing more comes: it has ended, failed or was cancelled. Its slot may still be in use."""
        return self._over

    def run_on(self, host: HostedEngine) -> None:
        """Start it in a process, from its beginning."""
        self.attempts += 1
        self._taken_characters = 0
        self._never_waited = self._input_ended
        span = joined(self._spans)
        self._hosted = host.open(self.request, self, span=span, input_ended=self._input_ended)

    def fail(self, fault: SaystreamError) -> None:
        """End it with ``fault``, which its reader gets after the audio that came before."""
        if not self._over:
            self._fault = fault
            self._spans.clear()
            self._end()

    # For its process (process.Listener).

    def audio_came(self, chunk: AudioChunk) -> None:
        if self._over:
            return
        if not self._sounding:
            self._sounding = True
            self._spans.clear()
        self._chunks.append(chunk)
        self.buffered_ms += chunk.duration_ms
        if self.buffered_ms > self._high_ms and not self._held and self._hosted is not None:
            self._held = True
            self._never_waited = False
            self._hosted.hold()
        self._wake_reader()
        self._sounded_ms += chunk.duration_ms
        if self._sounded_ms > _ANY_TEXT_MS + self._pushed_characters * self._max_ms_per_character:
            self._stop_run_away()

    def text_taken(self, num_characters: int) -> None:
        self._taken_characters = min(num_characters, self._pushed_characters)

    def ended(self, fault: ServerFault | None) -> None:
        self._hosted = None
        if fault is not None:
            self.fail(fault)
        elif not self._over:
            self.speech_ms = self._sounded_ms if self._never_waited else None
            self._spans.clear()
            self._end()
        self._owner.slot_freed(self, fault)

    def lost(self, fault: EngineFault) -> None:
        self._hosted = None
        if self._over or self._sounding or not self._owner.process_lost(self):
            self.fail(fault)
            self._owner.slot_freed(self, fault)

    def _stop_run_away(self) -> None:
        """What came is heard, and the rest of the session goes on: it has heard all of the text long ago."""
        _log.warning(
            "engine_ran_away", characters=self._pushed_characters, audio_s=round(self._sounded_ms / _MS, 1)
        )
        if self._hosted is not None:
            self._hosted.cancel()
        self._spans.clear()
        self._end()

    def _tell_can_start(self) -> None:
        if not self._could_start:
            self._could_start = True
            self._owner.can_start(self)

    def _end(self) -> None:
        self._over = True
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
