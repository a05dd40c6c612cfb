"""What happens in one slot of an engine's process (``process.py``), as our side sees it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Protocol

from saystream.audio import AudioChunk, Mark
from saystream.hosting.frames import Kind, pack_span

if TYPE_CHECKING:
    from saystream.audio import Samples
    from saystream.engines.base import Span
    from saystream.errors import EngineFault, ServerFault

__all__ = ["Host", "HostedStream", "Listener"]

_LEAST_CPU_SHARE = 0.02
"""A process that uses less than this of one core is not computing."""


class Listener(Protocol):
    """What a hosted stream reports."""

    def audio_came(self, chunk: AudioChunk) -> None: ...

    def text_taken(self, num_characters: int) -> None:
        """An incremental engine has begun to speak this much of the text so far."""

    def waits(self, waiting: bool) -> None:
        """From now on it waits for its turn to compute, or no longer."""

    def ended(self, fault: ServerFault | None, used_ms: float = 0.0) -> None:
        """The stream has ended and its slot is free. Without a ``fault`` it spoke everything, or was cancelled, and
        computed for ``used_ms`` on all cores together."""

    def lost(self, fault: EngineFault) -> None:
        """The process ended while the stream was running."""


class Host(Protocol):
    """The process of a stream."""

    @property
    def chunk_timeout_s(self) -> float: ...

    @property
    def first_chunk_timeout_s(self) -> float: ...

    def send(self, kind: Kind, number: int, payload: bytes = b"") -> None: ...

    def now_s(self) -> float: ...

    def watch(self, deadline: float) -> None:
        """Look at the stream again no later than then."""


class HostedStream:
    """One stream in the process. Once it has ended, it sends and reports nothing."""

    __slots__ = (
        "_host",
        "_input_ended",
        "_limit_s",
        "_marks",
        "_number",
        "_sounding",
        "_used_s",
        "_waits_for_turn",
        "deadline",
        "listener",
    )

    def __init__(self, host: Host, number: int, listener: Listener, *, input_ended: bool) -> None:
        self._host = host
        self._number = number
        self._input_ended = input_ended
        self._sounding = False
        self._waits_for_turn = False
        self._marks: tuple[Mark, ...] = ()
        """Marks of the audio that comes next."""
        self.listener = listener
        self.deadline = inf
        """When the process counts as hung, in seconds of the clock, if this process has run all the time until then and
        the engine's does not compute. A stream that may still be waiting for text, or waits for its turn, has none."""
        self._limit_s = inf
        self._used_s: tuple[float, float] | None = None
        """CPU time of the process when audio became due, and at the last deadline; ``None`` until it was looked at."""

    def push(self, span: Span) -> None:
        self._host.send(Kind.TEXT, self._number, pack_span(span))

    def end_input(self) -> None:
        self._input_ended = True
        self._host.send(Kind.END_INPUT, self._number)
        self.expect_audio()

    def cancel(self) -> None:
        self._host.send(Kind.CANCEL, self._number)
        if self.deadline == inf:
            self._is_due_within(self._host.chunk_timeout_s)
        self.deadline = min(self.deadline, self._host.now_s() + self._host.chunk_timeout_s)
        self._host.watch(self.deadline)

    def hold(self) -> None:
        self._host.send(Kind.HOLD, self._number)
        self.deadline = inf

    def resume(self) -> None:
        self._host.send(Kind.RESUME, self._number)
        self.expect_audio()

    def marks_came(self, marks: tuple[Mark, ...]) -> None:
        self._marks = marks

    def audio_came(self, samples: Samples, sample_rate: int) -> None:
        self._sounding = True
        if self.deadline != inf:
            self._is_due_within(self._host.chunk_timeout_s)
        marks, self._marks = self._marks, ()
        self.listener.audio_came(AudioChunk(samples, sample_rate, marks))

    def waits(self, waiting: bool) -> None:
        self._waits_for_turn = waiting
        self.deadline = inf
        self.expect_audio()
        self.listener.waits(waiting)

    def expect_audio(self) -> None:
        """Audio is due from now on, unless the stream may still be waiting for text or for its turn."""
        if self._input_ended and not self._waits_for_turn:
            host = self._host
            self._is_due_within(host.chunk_timeout_s if self._sounding else host.first_chunk_timeout_s)

    def look(self, cpu_s: float) -> bool:
        """Note how much CPU time the process has used. False if it hangs.

        On a busy machine a long pass may take many times as long as alone. So a process whose time is up is given as
        much again while it computes, until it has used the time as CPU time: then it computes without end.
        """
        if self._used_s is None:
            self._used_s = (cpu_s, cpu_s)
        if self._host.now_s() < self.deadline:
            return True
        at_start_s, at_last_s = self._used_s
        self._used_s = (at_start_s, cpu_s)
        if cpu_s - at_last_s < _LEAST_CPU_SHARE * self._limit_s or cpu_s - at_start_s >= self._limit_s:
            return False
        self.deadline = self._host.now_s() + self._limit_s
        return True

    def _is_due_within(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._used_s = None
        self.deadline = self._host.now_s() + limit_s
        self._host.watch(self.deadline)
