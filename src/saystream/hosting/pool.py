"""The engines of a server on this machine (front.Hosting): processes that are kept running, and a queue for each
engine.

A process that ends is started again, and until one is loaded its streams wait, for a limited time. A stream whose
reader has had none of its audio yet is then run again, up to ``max_attempts`` times; any other is ended with a fault,
because its listener has heard a part of it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import structlog

from saystream.config import PoolSettings
from saystream.engines.base import EngineInfo, Enrolled, Recording, SynthesisRequest
from saystream.errors import (
    Draining,
    EngineFault,
    EngineUnavailable,
    Overloaded,
    SaystreamError,
    ServerFault,
)
from saystream.hosting.admission import AdmissionQueue
from saystream.hosting.enrolments import Enrolments
from saystream.hosting.front import EngineLoad, Forecast
from saystream.hosting.playback import Playback
from saystream.hosting.process import HostedEngine
from saystream.hosting.scheduler import Scheduler
from saystream.hosting.streams import PoolStream

__all__ = ["EnginePool"]

_MS = 1000
_FIRST_RESTART_DELAY_S = 0.1
_MAX_DOUBLINGS = 20

_GO_FIRST = 0.25
"""Share of the other streams whose listeners need a chunk before this one's: most have sound enough. With less,
sessions that come at random at three quarters of an engine's speed run dry now and then; with more, they wait longer
for nothing (``tests/speech/test_startup_windows.py``)."""

_log = structlog.get_logger(__name__)


class EnginePool:
    """All engines of a server (front.Hosting). ``start`` engines, ``open`` streams, ``aclose`` at the end.

    ``models_dir`` is where engines look for weights. ``clock`` gives monotonic seconds; the ``Playback`` of every
    stream must use the same clock.
    """

    def __init__(
        self,
        settings: PoolSettings,
        engine_options: Mapping[str, Mapping[str, object]],
        *,
        models_dir: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models_dir = models_dir
        self._settings = settings
        self._engine_options = engine_options
        self._clock = clock
        self._queues: dict[str, _EngineQueue] = {}
        self._closed = False

    async def start(self, names: Iterable[str]) -> None:
        """Start the processes of these engines and wait until each is loaded, or is known not to load.

        An engine that does not load raises nothing here: ``engine`` and ``open`` say what was wrong with it.
        """
        fresh = [name for name in dict.fromkeys(names) if name not in self._queues]
        for name in fresh:
            self._queues[name] = _EngineQueue(
                name,
                self._engine_options.get(name, {}),
                self._settings,
                models_dir=self._models_dir,
                clock=self._clock,
            )
        await asyncio.gather(*(self._queues[name].start() for name in fresh))

    async def aclose(self) -> None:
        """Stop all processes. Streams that have not ended end with Draining."""
        self._closed = True
        await asyncio.gather(*(started.aclose() for started in self._queues.values()))

    def engines(self) -> dict[str, EngineInfo]:
        """The started engines that can run now."""
        return {name: started.info for name, started in self._queues.items() if started.available}

    def faults(self) -> dict[str, EngineUnavailable]:
        """Why the other engines cannot run."""
        return {name: fault for name, started in self._queues.items() if (fault := started.fault) is not None}

    def engine(self, name: str) -> EngineInfo:
        """What a started engine can do. Raises EngineUnavailable if it is not started or does not load."""
        return self._queue(name).info

    def open(self, engine: str, request: SynthesisRequest, *, playback: Playback) -> PoolStream:
        """Queue a stream; streams of the same ``playback`` keep the order of these calls.

        Raises EngineUnavailable, Overloaded if the engine's queue is full, and Draining after ``aclose``.
        """
        if self._closed:
            raise Draining("The engines are being stopped.")
        return self._queue(engine).open(request, playback)

    async def enroll(self, engine: str, recording: Recording) -> Enrolled:
        """What ``engine`` makes of ``recording``, in the order of these calls.

        Raises AudioRefused for a recording of no use, EngineFault if the engine fails, EngineUnavailable also for one
        that enrolls nobody, Overloaded if too many recordings wait, and Draining after ``aclose``.
        """
        if self._closed:
            raise Draining("The engines are being stopped.")
        return await self._queue(engine).enroll(recording)

    def load(self) -> tuple[EngineLoad, ...]:
        """How busy each started engine is."""
        return tuple(engine_queue.load for engine_queue in self._queues.values())

    def _queue(self, name: str) -> _EngineQueue:
        try:
            return self._queues[name]
        except KeyError:
            started = ", ".join(sorted(self._queues)) or "none"
            raise EngineUnavailable(f"Engine '{name}' is not started; started: {started}.") from None


class _EngineQueue:
    """The processes of one engine, and the streams that wait for them (streams.StreamOwner)."""

    def __init__(
        self,
        name: str,
        options: Mapping[str, object],
        settings: PoolSettings,
        *,
        models_dir: Path | None,
        clock: Callable[[], float],
    ) -> None:
        self._name = name
        self._models_dir = models_dir
        self._options = options
        self._settings = settings
        self._clock = clock
        self._scheduler: Scheduler[PoolStream] = Scheduler(max_waiting=settings.max_waiting)
        self._admission: AdmissionQueue[PoolStream] = AdmissionQueue(max_held=settings.max_held_sessions)
        self._overdue_timer: asyncio.TimerHandle | None = None
        self._began_ms: dict[PoolStream, float] = {}
        self._streams: set[PoolStream] = set()
        self._first_of_session: set[PoolStream] = set()
        """Those that run for a listener who has heard nothing yet."""
        self._hosts: list[HostedEngine] = []
        """The processes that are loaded."""
        self._enrolments = Enrolments(self._enrolling, max_waiting=settings.max_waiting_enrolments)
        self._keepers: list[asyncio.Task[None]] = []
        self._info: EngineInfo | None = None
        self._fault: EngineUnavailable | None = None
        """Why no process is running, if it is more than a restart under way."""
        self._restart_timer: asyncio.TimerHandle | None = None
        self._up_since_ms = 0.0
        """Since when there is a process, if there is one."""
        self._down = False
        """No process has been loaded for so long that nothing waits for one any more."""
        self._failures = 0
        """How often a process has ended since one last finished a stream."""
        self._restarts = 0

    @property
    def available(self) -> bool:
        return self._info is not None and self._fault is None and not self._down

    @property
    def fault(self) -> EngineUnavailable | None:
        """A new one each time: a raised error keeps the frames that raised it alive."""
        fault = self._fault
        if fault is None:
            return None
        return EngineUnavailable(fault.message, remedy=fault.remedy, languages=fault.languages)

    @property
    def info(self) -> EngineInfo:
        if self.fault is not None:
            raise self.fault
        if self._info is None:
            raise EngineUnavailable(f"Engine '{self._name}' is not loaded yet.")
        if self._down:
            raise self._no_process()
        return self._info

    @property
    def load(self) -> EngineLoad:
        return EngineLoad(
            engine=self._name,
            hosts=len(self._hosts),
            restarts=self._restarts,
            waiting=self._scheduler.waiting,
            running=self._scheduler.running,
            held=self._admission.held,
        )

    async def start(self) -> None:
        """Start every process. If none of them loads the engine, they are not tried again."""
        tried = [asyncio.Event() for _ in range(self._settings.hosts_per_engine)]
        self._keepers = [asyncio.create_task(self._keep_up(event)) for event in tried]
        for event in tried:
            await event.wait()
        if self._info is None:
            await self._stop_keepers()

    async def aclose(self) -> None:
        for stream in self._streams:
            stream.fail(Draining("The engines are being stopped."))
        self._forget_waiting()
        for timer in (self._overdue_timer, self._restart_timer):
            if timer is not None:
                timer.cancel()
        await self._stop_keepers()

    def open(self, request: SynthesisRequest, playback: Playback) -> PoolStream:
        stream = PoolStream(
            self,
            request,
            playback=playback,
            incremental_text=self.info.incremental_text,
            buffered_audio_s=self._settings.buffered_audio_s,
            max_audio_s_per_character=self._settings.max_audio_s_per_character,
        )
        self._admission.add(stream, playback, self.now_ms())
        try:
            self._scheduler.add(stream, playback)
        except Overloaded:
            self._admission.done(stream)
            raise
        self._streams.add(stream)
        return stream

    async def enroll(self, recording: Recording) -> Enrolled:
        return await self._enrolments.enroll(recording)

    def _enrolling(self) -> list[HostedEngine]:
        """The processes, the one with the fewest streams first."""
        if not self.info.enrolls:
            raise EngineUnavailable(f"Engine '{self._name}' enrolls no voices.")
        if not self._hosts:
            raise self._no_process()
        return sorted(self._hosts, key=lambda host: -host.free_slots)

    # Called by its streams.

    def can_start(self, stream: PoolStream) -> None:
        self._make_ready(self._admission.ready(stream, self.now_ms()))
        self._dispatch()
        self._watch_held()

    def withdrawn(self, stream: PoolStream) -> None:
        self._forget(stream)
        self._dispatch()  # a later stream of the same session may have waited behind it

    def slot_freed(self, stream: PoolStream, fault: ServerFault | None) -> None:
        if fault is None:
            self._failures = 0
        began_ms = self._began_ms.pop(stream)
        if stream.speech_ms is not None:
            speed = self._admission.speed
            speed.measured(
                stream.speech_ms,
                stream.used_ms,
                size=stream.size,
                first_ms=stream.first_audio_ms - began_ms if stream.speech_ms else math.inf,
                lag_ms=stream.lag_ms if stream in self._first_of_session else None,
            )
            self._scheduler.expect(speed.notice_ms)
        self._scheduler.done(stream)
        self._admission.done(stream)
        self._streams.discard(stream)
        self._first_of_session.discard(stream)
        self._dispatch()

    def process_lost(self, stream: PoolStream) -> bool:
        if stream.attempts >= self._settings.max_attempts:
            return False
        del self._began_ms[stream]
        self._scheduler.retry(stream)
        self._dispatch()
        return True

    def forecast(self, stream: PoolStream) -> Forecast:
        speed = self._admission.speed
        if stream.over:
            return Forecast(0.0, stream.buffered_ms)
        left_ms = max(0.0, speed.sound_ms(stream.size) - stream.sounded_ms)
        chunk_ms = min(left_ms, self._info.chunk_ms) if self._info is not None else 0.0
        made_in_ms = self._made_in_ms(stream, left_ms) if chunk_ms else 0.0
        return Forecast(self._sound_in_ms(stream), stream.buffered_ms + left_ms, made_in_ms, chunk_ms)

    def _sound_in_ms(self, stream: PoolStream) -> float:
        speed = self._admission.speed
        if stream.buffered_ms:
            return 0.0
        now_ms = self.now_ms()
        if stream.sounded_ms:
            lag_ms = stream.first_audio_ms + speed.lag_ms + self._turn_in_ms() - now_ms
            return stream.sounded_ms + lag_ms if lag_ms > 0 else 0.0
        turns = 2 if self._scheduler.crowded else 1  # its own, and one of another before it
        first_ms = speed.first_sound_ms(stream.size) * turns
        if stream in self._began_ms:
            return max(0.0, self._began_ms[stream] + first_ms - now_ms)
        return self._scheduler.starts_in_ms(stream, now_ms) + first_ms

    def _turn_in_ms(self) -> float:
        """How long a stream is likely to wait before a chunk, for those of the others that run."""
        turns = sum(host.turns for host in self._hosts)
        chunk_ms = self._info.chunk_ms if self._info is not None else 0.0
        others = max(0.0, self._scheduler.running / max(1, turns) - 1)
        return _GO_FIRST * others * self._admission.speed.work_of_sound_ms(chunk_ms)

    def _made_in_ms(self, stream: PoolStream, left_ms: float) -> float:
        """When the last ``left_ms`` of its sound are likely to be there, if all sessions compute at the same pace."""
        sessions = {each.playback for each in self._began_ms} | {stream.playback}
        turns = sum(host.turns for host in self._hosts)
        return self._admission.speed.work_of_sound_ms(left_ms) * len(sessions) / max(1, turns)

    def next_forecast(self, stream: PoolStream, size: float) -> Forecast:
        speed = self._admission.speed
        wait_ms = self._scheduler.next_starts_in_ms(stream.playback, self.now_ms())
        return Forecast(wait_ms + speed.first_sound_ms(size), speed.sound_ms(size))

    def _dispatch(self) -> None:
        free_slots = sum(host.free_slots for host in self._hosts)
        turns = sum(host.turns for host in self._hosts)
        self._make_ready(self._admission.admit(turns))
        now_ms = self.now_ms()
        side_by_side = self._info is not None and self._info.chunk_ms > 0
        for stream in self._scheduler.next(free_slots, now_ms, parallel=turns, side_by_side=side_by_side):
            lead_ms = self._lead_ms(stream, now_ms)
            if lead_ms is None:
                self._first_of_session.add(stream)
            self._began_ms[stream] = now_ms
            stream.run_on(max(self._hosts, key=lambda host: host.free_slots), lead_ms)

    def _lead_ms(self, stream: PoolStream, now_ms: float) -> float | None:
        """As in ``turns.Turn``: what was sent, and what earlier streams of its session will give."""
        before = [each for each in self._began_ms if each.playback is stream.playback]
        if not before and not stream.playback.sounds(now_ms):
            return None
        sent_ms = max(0.0, stream.playback.lead_ms(now_ms))
        return sent_ms + sum(self.forecast(each).sound_ms for each in before)

    def _make_ready(self, streams: Iterable[PoolStream]) -> None:
        for stream in streams:
            work_ms = self._admission.speed.work_ms(stream.size)
            self._scheduler.ready(stream, self.now_ms(), work_ms=work_ms)

    def now_ms(self) -> float:
        return self._clock() * _MS

    # The line of sessions.

    def _watch_held(self) -> None:
        """One timer serves the whole line: waits end in the order of the line."""
        since_ms = self._admission.waits_since_ms()
        if since_ms is not None and self._hosts and self._overdue_timer is None:
            due_s = max(since_ms, self._up_since_ms) / _MS + self._settings.admission_timeout_s
            delay_s = max(0.0, due_s - self._clock())
            self._overdue_timer = asyncio.get_running_loop().call_later(delay_s, self._refuse_overdue)

    def _refuse_overdue(self) -> None:
        self._overdue_timer = None
        wait_s = self._settings.admission_timeout_s
        limit_ms = self.now_ms() - wait_s * _MS
        # While there is no process, another limit holds (``_watch_restart``).
        is_due = bool(self._hosts) and self._up_since_ms <= limit_ms
        for stream in self._admission.overdue(limit_ms) if is_due else ():
            busy = f"Engine '{self._name}' had no room for another session within {wait_s:g} s."
            stream.fail(Overloaded(f"{busy} {self._admission.admitted} sessions are being spoken."))
            self._forget(stream)
        self._dispatch()
        self._watch_held()

    def _forget(self, stream: PoolStream) -> bool:
        """Drop a waiting stream. A running one stays: False."""
        if not self._scheduler.cancel(stream):
            return False
        self._admission.done(stream)
        self._streams.discard(stream)
        return True

    # The processes.

    async def _keep_up(self, tried: asyncio.Event) -> None:
        """Keep one process running until cancelled; ``tried`` is set once it is loaded or known not to load."""
        try:
            while True:
                host = HostedEngine(
                    self._name, self._options, self._settings, clock=self._clock, models_dir=self._models_dir
                )
                if await self._load(host):
                    tried.set()
                    try:
                        await host.wait_gone()
                    finally:
                        self._hosts.remove(host)
                        await host.stop()
                    self._watch_restart()
                tried.set()
                self._failures += 1
                await asyncio.sleep(self._restart_delay_s())
                self._restarts += 1
        finally:
            tried.set()

    async def _load(self, host: HostedEngine) -> bool:
        try:
            self._info = await host.start()
        except (EngineUnavailable, EngineFault) as fault:
            self._not_loaded(fault)
            return False
        if not self._hosts:
            self._up_since_ms = self.now_ms()
        self._hosts.append(host)
        self._admission.speed.announced(
            self._info.realtime_factor, lag_ms=self._info.chunk_ms * (self._info.alone_factor or 0.0)
        )
        self._fault = None
        self._down = False
        if self._restart_timer is not None:
            self._restart_timer.cancel()
            self._restart_timer = None
        _log.info("engine loaded", engine=self._name, hosts=len(self._hosts))
        self._dispatch()
        self._watch_held()
        return True

    def _restart_delay_s(self) -> float:
        """None after one crash, then longer with each further one in a row."""
        if self._failures <= 1:
            return 0.0
        delay_s: float = _FIRST_RESTART_DELAY_S * 2 ** min(self._failures - 2, _MAX_DOUBLINGS)
        return min(self._settings.restart_delay_max_s, delay_s)

    def _not_loaded(self, fault: EngineUnavailable | EngineFault) -> None:
        # Missing weights that can be downloaded are no fault: the server reports for each language what they would
        # improve.
        remedied = isinstance(fault, EngineUnavailable) and fault.remedy
        say = _log.info if remedied else _log.warning
        say("engine not loaded", engine=self._name, reason=fault.message)
        if self._hosts:
            return
        if isinstance(fault, EngineUnavailable):
            self._fault = fault
            self._fail_waiting(lambda: EngineUnavailable(fault.message))
        elif self._info is None:
            self._fault = EngineUnavailable(f"Engine '{self._name}' is not available: {fault.message}")

    def _watch_restart(self) -> None:
        """Streams wait for the next process if there is none, but not for ever."""
        if not self._hosts and self._restart_timer is None:
            delay_s = self._settings.restart_timeout_s
            self._restart_timer = asyncio.get_running_loop().call_later(delay_s, self._restart_overdue)

    def _restart_overdue(self) -> None:
        self._restart_timer = None
        self._down = True
        self._fail_waiting(self._no_process)

    def _no_process(self) -> Overloaded:
        return Overloaded(f"Engine '{self._name}' is being started again; try again later.")

    def _fail_waiting(self, new_fault: Callable[[], SaystreamError]) -> None:
        """No process is running, so every stream is waiting."""
        for stream in self._streams:
            stream.fail(new_fault())
        self._forget_waiting()

    def _forget_waiting(self) -> None:
        for stream in [*self._streams]:
            self._forget(stream)

    async def _stop_keepers(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
