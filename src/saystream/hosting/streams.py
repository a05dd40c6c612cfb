"""The streams of a pool: each runs in one process, and again in another if that one ends too early.

The life of a stream is a table of states.

Rule 1: a stream waits for a slot only once it has enough text: all of it, or with an incremental engine some.

Rule 2: it may run again only as long as its reader has had no audio of it: otherwise its listener would hear a part of
it twice. Audio that waits for its reader is then thrown away.

Rule 3: whatever stops it (its caller, its owner, or speech without end) ends it for its reader at once. Its slot stays
in use until its process reports the end; audio that arrives meanwhile is thrown away.

Rule 4: an event that the table does not list under the present state is a bug of ours. It raises RuntimeError and
changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, Protocol

import structlog

from saystream.audio import AudioChunk
from saystream.engines.base import Span, SynthesisRequest, joined
from saystream.errors import EngineFault, SaystreamError, ServerFault
from saystream.hosting.front import Forecast
from saystream.hosting.playback import Playback
from saystream.hosting.process import HostedEngine
from saystream.hosting.slots import HostedStream

__all__ = ["STREAM_TABLE", "PoolStream", "StreamOwner", "StreamState"]

_MS = 1000

_ANY_TEXT_MS = 30.0 * _MS
"""Audio that any text is allowed, however short."""

_AT_ONCE_MS = 10.0
"""Audio that comes within this was made in one piece."""

_log = structlog.get_logger(__name__)


class StreamState(Enum):
    """How far a stream is."""

    GATHERING = "gathering"
    """It has too little text to run."""
    WAITING = "waiting"
    """For a slot."""
    STARTED = "started"
    """It has a slot and has sent no audio."""
    SOUNDING = "sounding"
    HELD = "held"
    """It has been told to send no more audio until its reader has caught up."""
    STOPPING = "stopping"
    """Over for its reader; its slot is still in use."""
    OVER = "over"


def _frozen(
    table: dict[StreamState, dict[str, StreamState]],
) -> Mapping[StreamState, Mapping[str, StreamState]]:
    return MappingProxyType({state: MappingProxyType(row) for state, row in table.items()})


STREAM_TABLE: Final = _frozen(
    {
        StreamState.GATHERING: {
            "can start": StreamState.WAITING,
            "stop": StreamState.OVER,
        },
        StreamState.WAITING: {
            "start": StreamState.STARTED,
            "stop": StreamState.OVER,
        },
        StreamState.STARTED: {
            "audio": StreamState.SOUNDING,
            "stop": StreamState.STOPPING,
            "ended": StreamState.OVER,
            "lost unread": StreamState.WAITING,
        },
        StreamState.SOUNDING: {
            "audio": StreamState.SOUNDING,
            "hold": StreamState.HELD,
            "stop": StreamState.STOPPING,
            "ended": StreamState.OVER,
            "lost unread": StreamState.WAITING,
            "lost": StreamState.OVER,
        },
        StreamState.HELD: {
            # Audio that was on its way when it was told to hold.
            "audio": StreamState.HELD,
            "resume": StreamState.SOUNDING,
            "stop": StreamState.STOPPING,
            "ended": StreamState.OVER,
            "lost unread": StreamState.WAITING,
            "lost": StreamState.OVER,
        },
        StreamState.STOPPING: {
            "audio": StreamState.STOPPING,
            "stop": StreamState.STOPPING,
            "ended": StreamState.OVER,
            "lost unread": StreamState.OVER,
            "lost": StreamState.OVER,
        },
        StreamState.OVER: {
            "stop": StreamState.OVER,
        },
    }
)

_WITHOUT_SLOT = (StreamState.GATHERING, StreamState.WAITING)
_ENDED = (StreamState.STOPPING, StreamState.OVER)


class StreamOwner(Protocol):
    """What a stream reports to the queue that it is in."""

    def can_start(self, stream: PoolStream) -> None:
        """There is enough text to run it. Called at most once."""

    def withdrawn(self, stream: PoolStream) -> None:
        """Its caller cancelled it before it ran."""

    def slot_freed(self, stream: PoolStream, fault: ServerFault | None) -> None:
        """It has ended in its process."""

    def process_lost(self, stream: PoolStream) -> bool:
        """Its process ended before its reader had any audio. True if it will run again."""

    def forecast(self, stream: PoolStream) -> Forecast:
        """What it is likely to give, and what is there already."""

    def next_forecast(self, stream: PoolStream, size: float) -> Forecast:
        """The same of another stream of its session."""

    def now_ms(self) -> float: ...


class PoolStream(AsyncIterator[AudioChunk]):
    """A ``front.StreamHandle``."""

    def __init__(
        self,
        owner: StreamOwner,
        request: SynthesisRequest,
        *,
        incremental_text: bool,
        playback: Playback,
        buffered_audio_s: float,
        max_audio_s_per_character: float,
    ) -> None:
        self.request = request
        self.playback = playback
        self.state = StreamState.GATHERING
        self.attempts = 0
        """How often it was started."""
        self._owner = owner
        self._incremental_text = incremental_text
        self._high_ms = buffered_audio_s * _MS
        self._max_ms_per_character = max_audio_s_per_character * _MS
        self._pushed_characters = 0
        self.size = 0
        """Of its text, in bytes of UTF-8."""
        self._taken_characters = 0
        self.sounded_ms = 0.0
        """Audio that has arrived."""
        self.first_audio_ms = 0.0
        """When the first of it would have come if the stream had not waited for its turn."""
        self.lag_ms: float | None = None
        """How much later than its first audio it would have to be heard, so that it never ran dry, likewise; ``None``
        as long as it has come at once, which says nothing."""
        self.waited_ms = 0.0
        """For its turn, since its start."""
        self._waits_since_ms = 0.0
        self.used_ms = 0.0
        """For which it has computed, on all cores together, once it has ended."""
        self._spans: list[Span] = []
        """All of them until the first audio is read, so that the stream can run again; then empty."""
        self._was_read = False
        self._input_ended = False
        self._hosted: HostedStream | None = None
        self._chunks: deque[AudioChunk] = deque()
        self.buffered_ms = 0.0
        """Audio that has arrived and has not been read."""
        self._never_waited = False
        """Since its start it has waited neither for text nor for its reader."""
        self.speech_ms: float | None = None
        """Length of its speech, once it has spoken everything without a wait; otherwise the time that it took says
        nothing."""
        self._fault: SaystreamError | None = None
        self._reader: asyncio.Future[None] | None = None

    # Called by the caller.

    def push(self, span: Span) -> None:
        """More text; ignored once the stream is over. Raises RuntimeError after ``end_input``."""
        if self._input_ended:
            raise RuntimeError("push after end_input")
        if self.over or not span.text:
            return
        self._pushed_characters += len(span.text)
        self.size += len(span.text.encode())
        if not self._was_read:
            self._spans.append(span)
        if self._hosted is not None:
            self._hosted.push(span)
        elif self._incremental_text:
            self._tell_can_start()

    def end_input(self) -> None:
        """No more text comes. Calling it again does no harm."""
        if self._input_ended or self.over:
            return
        self._input_ended = True
        if self._hosted is not None:
            self._hosted.end_input()
        else:
            self._tell_can_start()

    def cancel(self) -> None:
        """Give up unread audio and free the slot; does no harm when called again or after the end."""
        before = self.state
        self._stop()
        self._chunks.clear()
        self._fault = None
        if before in _WITHOUT_SLOT:
            self._owner.withdrawn(self)
        elif before is not self.state and self._hosted is not None:
            self._hosted.cancel()

    async def __anext__(self) -> AudioChunk:
        while not self._chunks:
            if self._fault is not None:
                raise self._fault
            if self.over:
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        chunk = self._chunks.popleft()
        self.buffered_ms -= chunk.duration_ms
        if not self._was_read:
            self._was_read = True
            self._spans.clear()
        if self.state is StreamState.HELD and self.buffered_ms <= self._high_ms / 2:
            self._advance("resume")
            if self._hosted is not None:
                self._hosted.resume()
        return chunk

    @property
    def waiting_characters(self) -> int:
        """Text that an incremental engine has not begun to speak; 0 with a whole-segment engine.

        Once the stream is over, text that a fault kept from being spoken.
        """
        if not self._incremental_text or (self.over and self._fault is None):
            return 0
        return self._pushed_characters - self._taken_characters

    @property
    def forecast(self) -> Forecast:
        return self._owner.forecast(self)

    def next_forecast(self, size: float) -> Forecast:
        return self._owner.next_forecast(self, size)

    # Called by the owner.

    @property
    def over(self) -> bool:
        """Nothing more comes: it has ended, failed or been cancelled. Its slot may still be in use."""
        return self.state in _ENDED

    def run_on(self, host: HostedEngine, lead_ms: float | None = None) -> None:
        """Start it in a process, from its beginning; ``lead_ms`` as in ``turns.Turn``."""
        self._advance("start")
        self.attempts += 1
        self._taken_characters = 0
        self.waited_ms = 0.0
        self._never_waited = self._input_ended
        span = joined(self._spans)
        self._hosted = host.open(
            self.request, self, span=span, input_ended=self._input_ended, lead_ms=lead_ms
        )

    def fail(self, fault: SaystreamError) -> None:
        """End it with ``fault``, which its reader gets after the audio that came before."""
        if not self.over:
            self._fault = fault
            self._stop()

    # Called by the process (process.Listener).

    def audio_came(self, chunk: AudioChunk) -> None:
        now_ms = self._owner.now_ms() - self.waited_ms
        if self.state is StreamState.STARTED:
            self.first_audio_ms = now_ms
        elif now_ms - self.first_audio_ms > _AT_ONCE_MS:
            self.lag_ms = max(self.lag_ms or 0.0, now_ms - self.first_audio_ms - self.sounded_ms)
        self._advance("audio")
        if self.over:
            return
        self._chunks.append(chunk)
        self.playback.audio_made()
        self.buffered_ms += chunk.duration_ms
        if self.buffered_ms > self._high_ms and self.state is StreamState.SOUNDING:
            self._advance("hold")
            self._never_waited = False
            if self._hosted is not None:
                self._hosted.hold()
        self._wake_reader()
        self.sounded_ms += chunk.duration_ms
        if self.sounded_ms > _ANY_TEXT_MS + self._pushed_characters * self._max_ms_per_character:
            self._stop_run_away()

    def text_taken(self, num_characters: int) -> None:
        self._taken_characters = min(num_characters, self._pushed_characters)

    def waits(self, waiting: bool) -> None:
        now_ms = self._owner.now_ms()
        if waiting:
            self._waits_since_ms = now_ms
        else:
            self.waited_ms += now_ms - self._waits_since_ms

    def ended(self, fault: ServerFault | None, used_ms: float = 0.0) -> None:
        stopped = self.over
        self.used_ms = used_ms
        self._advance("ended")
        self._hosted = None
        if not stopped:
            self._fault = fault
            if fault is None and self._never_waited:
                self.speech_ms = self.sounded_ms
            self._stop()
        self._owner.slot_freed(self, fault)

    def lost(self, fault: EngineFault) -> None:
        stopped = self.over
        self._advance("lost" if self._was_read else "lost unread")
        self._hosted = None
        if self.state is StreamState.WAITING and self._owner.process_lost(self):
            self._chunks.clear()
            self.buffered_ms = self.sounded_ms = 0.0
            return
        if not stopped:
            self._fault = fault
            self._stop()
        self._owner.slot_freed(self, fault)

    def _stop_run_away(self) -> None:
        """What has arrived is played, and the rest of the session goes on: all of the text was heard long before."""
        _log.warning(
            "engine ran away", characters=self._pushed_characters, audio_s=round(self.sounded_ms / _MS, 1)
        )
        if self._hosted is not None:
            self._hosted.cancel()
        self._stop()

    def _tell_can_start(self) -> None:
        if self.state is StreamState.GATHERING:
            self._advance("can start")
            self._owner.can_start(self)

    def _stop(self) -> None:
        """Over for its reader, who still gets what came before."""
        self._advance("stop")
        self._spans.clear()
        self._wake_reader()

    def _advance(self, event: str) -> None:
        """Raises RuntimeError and changes nothing for an event that is illegal now (rule 4)."""
        try:
            self.state = STREAM_TABLE[self.state][event]
        except KeyError:
            raise RuntimeError(f"'{event}' is not possible while a stream is {self.state.value}.") from None

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
