"""Our side of one engine process: starts it, talks to it, notices when it hangs or ends.

The other side is ``worker.py``, which runs in that process; ``frames.py`` is what they say to each other. A
``HostedEngine`` is one process with its slots (``slots.py``). Which stream gets a slot, and what becomes of it when the
process ends, is up to the pool, which is told as a ``Listener``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from math import inf
from pathlib import Path
from typing import cast

import msgspec
import psutil
import structlog

from saystream.config import PoolSettings
from saystream.engines.base import EngineInfo, Enrolled, Recording, Span, SynthesisRequest
from saystream.errors import (
    EngineCrashed,
    EngineFailed,
    EngineFault,
    EngineOutputInvalid,
    EngineStalled,
    EngineUnavailable,
    SaystreamError,
    ServerFault,
)
from saystream.hosting.environment import engine_environment
from saystream.hosting.frames import (
    FrameSplitter,
    HostedFault,
    HostedRefusal,
    Kind,
    LoadFailure,
    Opening,
    pack,
    pack_recording,
    pack_span,
    unpack_count,
    unpack_enrolled,
    unpack_json,
    unpack_marks,
    unpack_samples,
    unpack_text,
)
from saystream.hosting.slots import HostedStream, Listener

__all__ = ["HostedEngine"]

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_MAX_KEPT_LINES = 20
_MAX_LINE_CHARACTERS = 300
_STREAM_NUMBERS = 1 << 32

_LOOK_S = 1.0
"""The watchdog looks at least this often while something is due…"""
_LATE_S = 0.25
"""…and a look that comes so much later than it should shows that this process did not run."""

_log = structlog.get_logger(__name__)


class HostedEngine(asyncio.SubprocessProtocol):
    """One engine process. ``start`` it once; after ``wait_gone`` it has ended and its streams have been told."""

    def __init__(
        self,
        name: str,
        options: Mapping[str, object],
        settings: PoolSettings,
        *,
        clock: Callable[[], float],
        models_dir: Path | None = None,
    ) -> None:
        """``models_dir`` is where the engine looks for weights; with ``None`` the environment decides."""
        self._name = name
        self._options = options
        self._models_dir = models_dir
        self._settings = settings
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._splitter = FrameSplitter()
        self._numbers = count(1)
        self._streams: dict[int, HostedStream] = {}
        self._enrolments: dict[int, asyncio.Future[Enrolled]] = {}
        self._hangs_enrolling = False
        self._info: EngineInfo | None = None
        self._loaded: asyncio.Future[EngineInfo] = self._loop.create_future()
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._exited = False
        self._group_killed = False
        self._stdout_closed = False
        self._gone = asyncio.Event()
        self._fault: EngineFault | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._look_at = inf
        """When the watchdog looks next."""
        self._load_deadline = inf
        self._load_output: deque[str] = deque(maxlen=_MAX_KEPT_LINES)
        self._printed_bytes = 0

    async def start(self) -> EngineInfo:
        """Start the process and load the engine.

        Raises EngineUnavailable if the engine says that it cannot run, and EngineFault if its process cannot be
        started, ends or does not load in time: another one may. Then no process is left.
        """
        try:
            # A session of its own, so that Ctrl-C does not reach it, and whatever it starts is killed with it.
            await self._loop.subprocess_exec(
                lambda: self,
                sys.executable,
                "-P",  # import nothing from the folder that the gateway was started in
                "-m",
                "saystream.hosting.worker",
                self._name,
                env=self._environment(),
                start_new_session=True,
            )
            self.send(Kind.OPTIONS, 0, msgspec.json.encode(self._options))
            self._load_deadline = self._clock() + self._settings.load_timeout_s
            self.watch(self._load_deadline)
            return await self._loaded
        except OSError as error:
            await self.stop()
            message = f"The process of engine '{self._name}' could not be started: {error.strerror}."
            raise EngineCrashed(message) from error
        except BaseException:
            await self.stop()
            raise

    def _environment(self) -> dict[str, str]:
        told = {} if self._models_dir is None else {"SAYSTREAM_MODELS_DIR": str(self._models_dir.absolute())}
        needed = engine_environment(os.environ, self._options, further=self._settings.engine_environment)
        return {**needed, **told}

    @property
    def free_slots(self) -> int:
        """Streams that it can take now; none before it is loaded or after it has ended, and none if it is to end."""
        if self._info is None or self._stdin is None or self._hangs_enrolling:
            return 0
        return self._info.concurrency - len(self._streams)

    @property
    def turns(self) -> int:
        """Streams that compute at once; none before it is loaded or after it has ended."""
        return self._info.turns if self._info is not None and self._stdin is not None else 0

    def open(
        self,
        request: SynthesisRequest,
        listener: Listener,
        *,
        span: Span,
        input_ended: bool,
        lead_ms: float | None = None,
    ) -> HostedStream:
        """Open a stream in one of the free slots, with ``span``, the text so far; ``lead_ms`` as in ``turns.Turn``."""
        number = next(self._numbers) % _STREAM_NUMBERS
        stream = self._streams[number] = HostedStream(self, number, listener, input_ended=input_ended)
        # In one write, so that the process wakes once.
        self._write(
            pack(Kind.OPEN, number, msgspec.json.encode(Opening(request, lead_ms)))
            + (pack(Kind.TEXT, number, pack_span(span)) if span.text else b"")
            + (pack(Kind.END_INPUT, number) if input_ended else b"")
        )
        stream.expect_audio()
        return stream

    async def enroll(self, recording: Recording) -> Enrolled:
        """What the engine makes of ``recording``; one at a time.

        Raises AudioRefused for a recording of no use, and EngineFault if the engine fails or takes longer than the
        limit: then the process is ended as soon as it speaks no stream.
        """
        number = next(self._numbers) % _STREAM_NUMBERS
        outcome: asyncio.Future[Enrolled] = self._loop.create_future()
        self._enrolments[number] = outcome
        self.send(Kind.ENROLL, number, pack_recording(recording))
        if self._stdin is None:
            self._enrolments.pop(number)
            raise EngineCrashed(f"The process of engine '{self._name}' has ended.")
        limit_s = self._settings.enroll_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await outcome
        except TimeoutError:
            self._hangs_enrolling = True
            self._end_if_idle()
            message = f"Engine '{self._name}' did not enroll a recording within {limit_s:g} s."
            raise EngineStalled(message) from None

    def _end_if_idle(self) -> None:
        if self._hangs_enrolling and not self._streams:
            self._kill(
                EngineStalled(f"Engine '{self._name}' enrolled a recording for too long and was stopped.")
            )

    async def wait_gone(self) -> None:
        await self._gone.wait()

    async def stop(self) -> None:
        """Kill the process, whatever it is doing, and wait until it is gone."""
        if self._transport is not None:
            self._kill(EngineCrashed(f"Engine '{self._name}' was stopped."))
            await self._gone.wait()

    def _write(self, frames: bytes) -> None:
        # The process may have ended before we were told; uvloop's pipe raises then.
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(frames)

    # Called by its streams.

    def send(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        self._write(pack(kind, number, payload))

    def now_s(self) -> float:
        return self._clock()

    @property
    def chunk_timeout_s(self) -> float:
        return self._settings.chunk_timeout_s

    @property
    def first_chunk_timeout_s(self) -> float:
        return self._settings.first_chunk_timeout_s

    def watch(self, deadline: float) -> None:
        """Check all deadlines no later than ``deadline``, and until then now and then: one timer serves them all."""
        now = self._clock()
        look_at = min(deadline, now + _LOOK_S)
        if look_at < self._look_at and deadline < inf and self._stdin is not None:
            if self._watchdog is not None:
                self._watchdog.cancel()
            self._look_at = look_at
            self._watchdog = self._loop.call_later(look_at - now, self._look)

    def _look(self) -> None:
        now = self._clock()
        late_s, self._look_at = now - self._look_at, inf
        if late_s > _LATE_S:
            self._grant(late_s, until=now + _LOOK_S)
        cpu_s = self._cpu_s()
        hangs = not all(stream.look(cpu_s) for stream in self._streams.values() if stream.deadline < inf)
        deadline = min((self._load_deadline, *(stream.deadline for stream in self._streams.values())))
        if deadline > now and not hangs:
            self.watch(deadline)
        elif self._info is None:
            limit_s = self._settings.load_timeout_s
            self._kill(EngineStalled(f"Engine '{self._name}' did not load within {limit_s:g} s."))
        else:
            self._kill(EngineStalled(f"Engine '{self._name}' gave no audio for too long and was stopped."))

    def _cpu_s(self) -> float:
        """CPU time that the process has used; 0 once it has ended."""
        if self._transport is None:
            return 0.0
        try:
            times = psutil.Process(self._transport.get_pid()).cpu_times()
        except psutil.Error:
            return 0.0
        return times.user + times.system

    def _grant(self, late_s: float, *, until: float) -> None:
        """A late look means that this process was stopped or busy: that is not the engine's fault, and what it sent
        meanwhile has not been read."""
        for stream in self._streams.values():
            stream.deadline = max(stream.deadline + late_s, until)
        self._load_deadline = max(self._load_deadline + late_s, until)

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(_STDIN))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == _STDERR:
            self._printed(data)
            return
        try:
            for frame in self._splitter.push(data):
                self._obey(*frame)
        except EngineCrashed as fault:
            self._kill(fault)

    def _obey(self, kind: int, number: int, payload: bytes) -> None:
        if kind == Kind.READY:
            self._ready(payload)
        elif kind == Kind.NOT_LOADED:
            self._not_loaded(self._unavailable(unpack_json(payload, LoadFailure)))
        elif number in self._enrolments:
            self._enrolled(kind, self._enrolments.pop(number), payload)
        elif (stream := self._streams.get(number)) is None or self._info is None:
            raise EngineCrashed(f"The process of engine '{self._name}' mentioned a stream that is not open.")
        elif kind == Kind.AUDIO:
            stream.audio_came(unpack_samples(payload), self._info.sample_rate)
        elif kind == Kind.MARKS:
            stream.marks_came(unpack_marks(payload))
        elif kind == Kind.TAKEN:
            stream.listener.text_taken(unpack_count(payload))
        elif kind in (Kind.WAITING, Kind.TURN):
            stream.waits(kind == Kind.WAITING)
        else:
            used_ms = unpack_count(payload) / 1000 if kind == Kind.DONE else 0.0
            fault = None if kind == Kind.DONE else self._stream_fault(kind, payload)
            del self._streams[number]
            stream.listener.ended(fault, used_ms)
            self._end_if_idle()

    def _enrolled(self, kind: int, outcome: asyncio.Future[Enrolled], payload: bytes) -> None:
        told: Enrolled | SaystreamError
        if kind == Kind.ENROLLED:
            told = unpack_enrolled(payload)
        elif kind == Kind.REFUSED:
            told = unpack_json(payload, HostedRefusal).refusal()
        else:
            told = self._stream_fault(kind, payload)
        if outcome.done():  # nobody waits for it any more
            return
        if isinstance(told, Enrolled):
            outcome.set_result(told)
        else:
            outcome.set_exception(told)

    def _stream_fault(self, kind: int, payload: bytes) -> ServerFault:
        """How a stream has failed. Raises EngineCrashed for a frame that does not say that."""
        if kind == Kind.FAULT:
            return unpack_json(payload, HostedFault).fault()
        if kind == Kind.FAILED:
            return EngineFailed(f"Engine '{self._name}' raised {unpack_text(payload)}.")
        if kind == Kind.INVALID_OUTPUT:
            return EngineOutputInvalid(f"Engine '{self._name}' gave {unpack_text(payload)}.")
        raise EngineCrashed(f"The process of engine '{self._name}' wrote a frame of an unknown kind.")

    def _ready(self, payload: bytes) -> None:
        info = unpack_json(payload, EngineInfo)
        if info.concurrency < 1 or info.sample_rate < 1 or not 0 <= info.parallel <= info.concurrency:
            wanted = "its concurrency and sample rate must be at least 1, parallel at most its concurrency"
            self._not_loaded(self._unavailable(LoadFailure(wanted)))
            return
        self._info = info
        self._load_deadline = inf
        if self._load_output:
            _log.debug("engine printed while loading", engine=self._name, lines=list(self._load_output))
            self._load_output.clear()
        if not self._loaded.done():
            self._loaded.set_result(info)

    def _not_loaded(self, fault: ServerFault) -> None:
        if not self._loaded.done():
            if self._load_output:
                _log.warning("engine printed while loading", engine=self._name, lines=list(self._load_output))
            self._loaded.set_exception(fault)

    def _unavailable(self, failure: LoadFailure) -> EngineUnavailable:
        # No full stop after a command: it is to be copied as it is.
        end = "" if failure.remedy and failure.reason.endswith(failure.remedy) else "."
        return EngineUnavailable(
            f"Engine '{self._name}' is not available: {failure.reason.rstrip('.')}{end}",
            remedy=failure.remedy,
            languages=failure.languages,
        )

    def _printed(self, output: bytes) -> None:
        """What an engine prints while it loads is kept for the log. Later it may print the text that it speaks, so that
        is only counted."""
        self._printed_bytes += len(output)
        if self._info is None:
            for line in output.decode(errors="replace").splitlines():
                self._load_output.append(line[:_MAX_LINE_CHARACTERS])

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == _STDOUT:
            self._stdout_closed = True
            self._ended()

    def process_exited(self) -> None:
        self._exited = True
        self._ended()

    def _ended(self) -> None:
        self._kill(None)
        if self._exited and self._stdout_closed and self._transport is not None:
            self._transport.close()

    def _kill(self, fault: EngineFault | None) -> None:
        self._stdin = None
        if self._fault is None:
            self._fault = fault
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._transport is not None and not self._group_killed:
            self._group_killed = self._exited  # from here on its number may belong to another process
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._transport.get_pid(), signal.SIGKILL)

    def connection_lost(self, exc: Exception | None) -> None:
        """All pipes have been read to their end and the process is gone."""
        how = self._how_it_ended()
        when = "" if self._info else " while it loaded"
        fault = self._fault or EngineCrashed(f"The process of engine '{self._name}' ended ({how}){when}.")
        self._not_loaded(type(fault)(fault.message))
        _log.info("engine process ended", engine=self._name, how=how, printed_bytes=self._printed_bytes)
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.listener.lost(type(fault)(fault.message))
        enrolments, self._enrolments = self._enrolments, {}
        for outcome in enrolments.values():
            if not outcome.done():
                outcome.set_exception(type(fault)(fault.message))
        self._gone.set()

    def _how_it_ended(self) -> str:
        code = self._transport.get_returncode() if self._transport is not None else None
        if code is None or code >= 0:
            return f"exit code {code}"
        return signal.Signals(-code).name
