"""The engine's side: the process that owns one engine, ``python -m saystream.hosting.worker NAME``.

``process.py`` starts it and is its other end. It reads frames from standard input and writes frames to standard output,
and ends when its input is closed, so that it never outlives a gateway that was killed. What the engine or its libraries
print goes to standard error.

The main thread only reads frames, so that a cancel is always seen; as many threads as the engine has slots run the
streams, and as many of them compute at once as the engine says. Recordings are enrolled by a thread beside them.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import numpy as np

from saystream.audio import Mark, PhonemeMark, SpeechChunk
from saystream.engines.base import Engine, EngineStream, Span
from saystream.engines.registry import load_engine_class
from saystream.errors import EngineUnavailable, SaystreamError, quote
from saystream.hosting.enroller import Enroller
from saystream.hosting.frames import (
    HostedFault,
    Kind,
    LoadFailure,
    Opening,
    pack,
    pack_count,
    pack_marks,
    read_frame,
    unpack_span,
)
from saystream.hosting.normalized import needs_words, open_stream
from saystream.hosting.turns import Turn, Turns
from saystream.text.normalizer import load_grammars

if TYPE_CHECKING:
    from saystream.audio import Samples
    from saystream.engines.ahead import StepsAhead

__all__ = ["EngineHost", "main", "why_not_loaded"]

_PIECE_MS = 200
"""Longest stretch of audio in one frame: the gateway serves other sessions between two frames."""

_MAX_MAGNITUDE = 4.0
"""Samples are nominally within 1; some engines overshoot. Values far above are integers that were not scaled."""


_MS = 1000

_END = object()
"""Instead of a chunk: there are no more."""


class _InvalidOutput(Exception):
    """The engine returned something that is not float32 mono audio."""


class _Job:
    """One stream under way. What the gateway sends before the engine's stream is open is kept for it."""

    def __init__(self, number: int, opening: Opening, further: int) -> None:
        self.number = number
        self.request = opening.request
        self.turn = Turn(_now_ms(), opening.lead_ms)
        self.further = [self.turn.further() for _ in range(further)]
        """Turns in which others do steps of it."""
        self.ahead: StepsAhead[Any] | None = None
        self.cancelled = False
        self.marks: tuple[Mark, ...] = ()
        """Marks of the audio that is sent next."""
        self._may_go_on = threading.Event()
        self._may_go_on.set()
        self._lock = threading.Lock()
        self._told_early: list[Callable[[EngineStream], None]] = []
        self._stream: EngineStream | None = None
        self._pushed_characters = 0
        self._taken_characters = 0
        self._refusal: Exception | None = None

    def attach(self, stream: EngineStream) -> None:
        with self._lock:
            self._stream = stream
            self.ahead = stream.ahead
            for act in self._told_early:
                self._act(act, stream)
            self._told_early.clear()

    def tell(self, act: Callable[[EngineStream], None]) -> None:
        with self._lock:
            if self._stream is None:
                self._told_early.append(act)
            else:
                self._act(act, self._stream)

    def push(self, span: Span) -> None:
        def push(stream: EngineStream) -> None:
            stream.push(span)
            self._pushed_characters += len(span.text)

        self.tell(push)

    def newly_taken(self) -> int | None:
        """How much text is being spoken or was spoken, if that is more than at the last call."""
        with self._lock:
            assert self._stream is not None
            taken = self._pushed_characters - self._stream.waiting_characters
        if taken <= self._taken_characters:
            return None
        self._taken_characters = taken
        return taken

    def cancel(self) -> None:
        self.cancelled = True
        self._may_go_on.set()
        self.tell(lambda stream: stream.cancel())

    def hold(self) -> None:
        if not self.cancelled:
            self._may_go_on.clear()

    def resume(self) -> None:
        self._may_go_on.set()

    @property
    def held(self) -> bool:
        return not self._may_go_on.is_set()

    def wait_while_held(self) -> None:
        self._may_go_on.wait()

    def raise_refusal(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    def _act(self, act: Callable[[EngineStream], None], stream: EngineStream) -> None:
        """An error of the engine here belongs to the stream, not to the thread that reads frames."""
        try:
            act(stream)
        except Exception as refusal:  # an engine is someone else's code
            if self._refusal is None:
                self._refusal = refusal
                with contextlib.suppress(Exception):
                    stream.cancel()


class _TakingTurns:
    """``Turns`` for threads."""

    def __init__(self, count: int) -> None:
        self._turns = Turns(count)
        self._changed = threading.Condition()
        self._helped: dict[Turn, _Job] = {}
        """Further turns that are asked for, or taken and not yet in use."""
        self._closed = False

    def ask(self, job: _Job) -> bool:
        """Whether it has its turn at once. It needs none if what it reads next is made by others."""
        with self._changed:
            needed = job.ahead is None or not job.ahead.next_is_taken
            if needed:
                self._turns.ask(job.turn, _now_ms())
            else:
                self._turns.leave(job.turn, _now_ms())
            self._ask_for_help(job)
            self._changed.notify_all()
            return job.turn.taken or not needed

    def wait(self, job: _Job) -> None:
        """Until it has its turn or is cancelled."""
        with self._changed:
            self._changed.wait_for(lambda: job.turn.taken or job.cancelled)

    def leave(self, job: _Job) -> None:
        """It wants no turn and no help for now."""
        with self._changed:
            self._turns.leave(job.turn, _now_ms())
            for turn in job.further:
                if self._helped.pop(turn, None):
                    self._turns.leave(turn, _now_ms())
            self._changed.notify_all()

    def cancelled(self) -> None:
        """A job has been cancelled."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def ask_for_help(self, job: _Job) -> None:
        """There are steps of it to take."""
        with self._changed:
            self._ask_for_help(job)
            self._changed.notify_all()

    def next_help(self) -> tuple[_Job, Turn] | None:
        """Wait for a job that may be helped, in a turn that ``helped`` ends; ``None`` once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or any(turn.taken for turn in self._helped))
            if self._closed:
                return None
            turn = next(turn for turn in self._helped if turn.taken)
            return self._helped.pop(turn), turn

    def helped(self, job: _Job, turn: Turn) -> None:
        with self._changed:
            self._turns.leave(turn, _now_ms())
            self._ask_for_help(job)
            self._changed.notify_all()

    def _ask_for_help(self, job: _Job) -> None:
        if job.ahead is None or job.cancelled or job.held:
            return
        idle = (turn for turn in job.further if not turn.taken and turn not in self._helped)
        for turn, _ in zip(idle, range(job.ahead.num_steps), strict=False):
            if self._turns.ask_further(turn, _now_ms()):
                self._helped[turn] = job


class EngineHost:
    """Runs the streams of one loaded engine for the other end of two pipes."""

    def __init__(self, engine: Engine, commands: BinaryIO, replies: BinaryIO) -> None:
        self._engine = engine
        self._piece_samples = max(1, engine.info.sample_rate * _PIECE_MS // 1000)
        self._commands = commands
        self._replies = replies
        self._replying = threading.Lock()
        self._jobs: dict[int, _Job] = {}
        self._turns = _TakingTurns(engine.info.turns)
        self._further = engine.info.parallel if engine.info.parallel > 1 else 0
        """Turns that a stream can have beside its own, which it leaves while others make what it reads next."""
        self._opened: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._enroller = Enroller(engine, self._reply)

    def serve(self) -> None:
        """Report that the engine is ready, then do what the frames say until their pipe is closed."""
        workers = [
            threading.Thread(target=self._work, name=f"stream-{n}", daemon=True)
            for n in range(self._engine.info.concurrency)
        ]
        helpers = [
            threading.Thread(target=self._help, name=f"helper-{n}", daemon=True) for n in range(self._further)
        ]
        for thread in (*workers, *helpers):
            thread.start()
        self._reply(Kind.READY, 0, msgspec.json.encode(self._engine.info))
        while (frame := read_frame(self._commands)) is not None:
            self._obey(*frame)
        for _ in workers:
            self._opened.put(None)
        self._turns.close()

    def _obey(self, kind: int, number: int, payload: bytes) -> None:
        if kind == Kind.OPEN:
            job = _Job(number, msgspec.json.decode(payload, type=Opening), self._further)
            self._jobs[number] = job
            self._opened.put(job)
            return
        if kind == Kind.ENROLL:
            self._enroller.ask(number, payload)
            return
        opened = self._jobs.get(number)
        if opened is None:  # it ended while this frame was on its way
            return
        match kind:
            case Kind.TEXT:
                opened.push(unpack_span(payload))
            case Kind.END_INPUT:
                opened.tell(lambda stream: stream.end_input())
            case Kind.CANCEL:
                opened.cancel()
                self._turns.cancelled()
            case Kind.HOLD:
                opened.hold()
            case Kind.RESUME:
                opened.resume()

    def _work(self) -> None:
        while (job := self._opened.get()) is not None:
            kind, reason = self._outcome(job)
            self._turns.leave(job)
            del self._jobs[job.number]
            told = pack_count(round(job.turn.stream_used_ms * 1000)) if kind == Kind.DONE else reason.encode()
            try:
                self._reply(kind, job.number, told)
            except OSError:  # the gateway is gone; the main thread sees that too
                return

    def _help(self) -> None:
        """Do steps of streams on cores that nobody else wants. What a step raises comes to its reader."""
        while (helped := self._turns.next_help()) is not None:
            job, turn = helped
            if job.ahead is not None and (step := job.ahead.take()) is not None:
                step()
            self._turns.helped(job, turn)

    def _outcome(self, job: _Job) -> tuple[Kind, str]:
        """Run one stream, and tell how it ended. The message of an error that is not ours may hold spoken text, so only
        its type is reported."""
        try:
            if not job.cancelled:
                self._speak(job)
        except _InvalidOutput as fault:
            return Kind.INVALID_OUTPUT, str(fault)
        except (
            BaseException
        ) as error:  # an engine is someone else's code; its slot must be freed whatever it does
            if (told := HostedFault.of(error)) is not None:
                return Kind.FAULT, msgspec.json.encode(told).decode()
            return Kind.FAILED, quote(type(error).__name__)
        return Kind.DONE, ""

    def _speak(self, job: _Job) -> None:
        stream = open_stream(self._engine, job.request)
        job.attach(stream)
        if job.ahead is not None:
            job.ahead.on_steps = partial(self._turns.ask_for_help, job)
        chunks = iter(stream.chunks())
        try:
            while self._has_turn(job) and (chunk := next(chunks, _END)) is not _END:
                self._send(job, chunk)
            job.raise_refusal()
        finally:
            # A generator's own clean-up must be over before its slot is given to another stream.
            if (close := getattr(chunks, "close", None)) is not None:
                close()

    def _has_turn(self, job: _Job) -> bool:
        """Wait until it may compute; False once it is cancelled."""
        if not self._turns.ask(job) and not job.cancelled:
            self._reply(Kind.WAITING, job.number, b"")
            self._turns.wait(job)
            if not job.cancelled:
                self._reply(Kind.TURN, job.number, b"")
        return not job.cancelled

    def _send(self, job: _Job, chunk: Any) -> None:
        if self._engine.info.incremental_text and (taken := job.newly_taken()) is not None:
            self._reply(Kind.TAKEN, job.number, pack_count(taken))
        job.marks += _checked_marks(chunk)
        for piece in _pieces(_checked_samples(chunk.samples), self._piece_samples):
            if job.held:
                self._turns.leave(job)
                job.wait_while_held()
            if job.cancelled:
                return
            if job.marks:
                self._reply(Kind.MARKS, job.number, pack_marks(job.marks))
                job.marks = ()
            self._reply(Kind.AUDIO, job.number, piece.data.cast("B"))
            job.turn.playback.audio_sent(len(piece) * _MS / self._engine.info.sample_rate, _now_ms())

    def _reply(self, kind: Kind, number: int, payload: bytes | memoryview) -> None:
        frame = pack(kind, number, payload)
        with self._replying:
            self._replies.write(frame)
            self._replies.flush()


def _now_ms() -> float:
    return time.monotonic() * _MS


def _checked_marks(chunk: Any) -> tuple[Mark, ...]:
    """The marks of ``chunk``, if both are what base.py promises. Raises _InvalidOutput."""
    if not isinstance(chunk, SpeechChunk):
        raise _InvalidOutput(f"a {quote(type(chunk).__name__)} instead of a SpeechChunk")
    for mark in chunk.marks:
        # Written so that NaN fails too.
        if not (
            isinstance(mark, Mark)
            and 0 <= mark.start <= mark.end
            and 0 <= mark.start_ms <= mark.end_ms < math.inf
            and all(
                isinstance(each, PhonemeMark) and 0 <= each.start_ms <= each.end_ms < math.inf
                for each in mark.phonemes
            )
        ):
            raise _InvalidOutput("marks that are not in the text or not in the audio")
    return chunk.marks


def _checked_samples(samples: Any) -> Samples:
    """``samples``, if they are what base.py promises. Raises _InvalidOutput."""
    if not isinstance(samples, np.ndarray):
        raise _InvalidOutput(f"a {quote(type(samples).__name__)} instead of an array")
    if samples.dtype != np.float32:
        raise _InvalidOutput(f"dtype {samples.dtype} instead of float32")
    if samples.ndim != 1:
        raise _InvalidOutput(f"{samples.ndim} dimensions instead of 1")
    # Written so that NaN fails too.
    if samples.size and not (samples.max() <= _MAX_MAGNITUDE and samples.min() >= -_MAX_MAGNITUDE):
        raise _InvalidOutput(f"samples that are not finite or beyond {_MAX_MAGNITUDE}")
    return np.ascontiguousarray(samples)


def _pieces(samples: Samples, num_samples: int) -> Iterator[Samples]:
    for start in range(0, len(samples), num_samples):
        yield samples[start : start + num_samples]


def why_not_loaded(error: Exception) -> LoadFailure:
    """Why an engine did not load. Only our own errors and import errors are certain not to contain a secret option."""
    if isinstance(error, EngineUnavailable):
        return LoadFailure(f"{type(error).__name__}: {error}", error.remedy, error.languages)
    if isinstance(error, SaystreamError | ImportError):
        return LoadFailure(f"{type(error).__name__}: {error}")
    return LoadFailure(type(error).__name__)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep standard input and output for frames alone: the engine reads nothing and prints to stderr."""
    commands = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return commands, replies


def _load(name: str, options: bytes) -> Engine:
    engine = load_engine_class(name)(**msgspec.json.decode(options, type=dict[str, Any]))
    engine.load()
    if needs_words(engine.info):
        # Grammars take half a second: loaded beside the engine, which can already speak text without numbers.
        languages = tuple(engine.info.languages)
        threading.Thread(target=load_grammars, args=(languages,), name="normalizer", daemon=True).start()
    return engine


def main(name: str) -> None:
    """Load the engine and serve; never returns."""
    # The gateway decides when to stop: it sees Ctrl-C and SIGTERM, and may still let sessions finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    commands, replies = _take_pipes()
    first = read_frame(commands)
    if first is not None and first[0] == Kind.OPTIONS:
        try:
            engine = _load(name, first[2])
        except Exception as error:  # an engine is someone else's code
            replies.write(pack(Kind.NOT_LOADED, 0, msgspec.json.encode(why_not_loaded(error))))
            replies.flush()
            os._exit(1)
        EngineHost(engine, commands, replies).serve()
    # The engine's threads may be busy, and a normal exit slow: there is nothing worth waiting for.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
