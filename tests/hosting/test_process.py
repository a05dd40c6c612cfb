from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import msgspec
import pytest
import uvloop
from structlog.testing import capture_logs

from saystream.audio import AudioChunk
from saystream.config import PoolSettings
from saystream.engines.base import EngineInfo, Span
from saystream.errors import EngineCrashed, EngineStalled, EngineUnavailable, ServerFault
from saystream.hosting.frames import Kind, LoadFailure, pack
from saystream.hosting.process import HostedEngine
from saystream.hosting.slots import HostedStream

from .engines_for_tests import PATIENCE_S, REQUEST, engine_processes


class Notes:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.heard_ms = 0.0
        self.taken_characters = 0
        self.waited: list[bool] = []
        self.fault: ServerFault | None = None
        self.sounding = asyncio.Event()
        self.over = asyncio.Event()

    def audio_came(self, chunk: AudioChunk) -> None:
        self.heard_ms += chunk.duration_ms
        self.sounding.set()

    def text_taken(self, num_characters: int) -> None:
        self.taken_characters = num_characters

    def waits(self, waiting: bool) -> None:
        self.waited.append(waiting)

    def ended(self, fault: ServerFault | None, used_ms: float = 0.0) -> None:
        self.fault = fault
        self.over.set()

    lost = ended


def tone(**options: object) -> HostedEngine:
    return HostedEngine("tone", options, PoolSettings(), clock=time.monotonic)


@asynccontextmanager
async def loaded(**options: object) -> AsyncIterator[HostedEngine]:
    host = tone(**options)
    async with asyncio.timeout(PATIENCE_S):
        await host.start()
        try:
            yield host
        finally:
            await host.stop()
    assert not engine_processes()


async def test_a_stream_takes_a_slot_until_it_has_ended() -> None:
    async with loaded(concurrency=2) as host:
        assert host.free_slots == 2
        notes = Notes()
        host.open(REQUEST, notes, span=Span("text"), input_ended=True)
        assert host.free_slots == 1
        await notes.over.wait()
        assert (notes.heard_ms > 0, notes.fault, host.free_slots) == (True, None, 2)


async def test_a_stream_is_taken_to_hang_only_while_audio_is_due() -> None:
    async with loaded(incremental=True, real_time_factor=0.1) as host:
        notes = Notes()
        stream = host.open(REQUEST, notes, span=Span("some words"), input_ended=False)
        assert stream.deadline == inf
        await notes.sounding.wait()
        assert stream.deadline == inf, "it may wait for more text"
        stream.end_input()
        assert stream.deadline < inf
        stream.hold()
        assert stream.deadline == inf
        stream.resume()
        assert stream.deadline < inf
        await notes.over.wait()
        assert notes.taken_characters == len("some words")


async def test_a_cancelled_stream_has_to_end_soon_also_when_it_waited_for_text() -> None:
    async with loaded(incremental=True) as host:
        notes = Notes()
        stream = host.open(REQUEST, notes, span=Span(""), input_ended=False)
        stream.cancel()
        assert stream.deadline < inf
        await notes.over.wait()


async def test_the_first_audio_may_take_longer_than_the_next() -> None:
    settings = PoolSettings(first_chunk_timeout_s=1000.0, chunk_timeout_s=100.0)
    host = HostedEngine("tone", {"real_time_factor": 0.1}, settings, clock=lambda: 0.0)
    await host.start()
    notes = Notes()
    stream = host.open(REQUEST, notes, span=Span("some words"), input_ended=True)
    assert stream.deadline == 1000
    await notes.sounding.wait()
    assert stream.deadline == 100
    await host.stop()


class Busy(HostedEngine):
    """Its process seems to have used as much CPU time as a test says."""

    cpu_s = 0.0

    def _cpu_s(self) -> float:
        return self.cpu_s


@asynccontextmanager
async def never_sounding() -> AsyncIterator[tuple[Busy, Notes, HostedStream, Callable[[float, float], None]]]:
    """A stream with 20 s of time, and what lets time pass by the clock and as CPU time."""
    now_s = 0.0
    host = Busy("tone", {"first_chunk_delay_ms": 3_600_000}, PoolSettings(), clock=lambda: now_s)
    await host.start()
    notes = Notes()
    stream = host.open(REQUEST, notes, span=Span("some words"), input_ended=True)
    host._look()

    def passes(passed_s: float, used_s: float) -> None:
        nonlocal now_s
        now_s += passed_s
        host.cpu_s += used_s
        host._look_at = now_s  # in time
        host._look()

    try:
        async with asyncio.timeout(PATIENCE_S):
            yield host, notes, stream, passes
    finally:
        await host.stop()


async def test_an_engine_that_computes_on_a_busy_machine_does_not_hang() -> None:
    async with never_sounding() as (_, notes, stream, passes):
        for _ in range(3):
            passes(21, 5)
            assert not notes.over.is_set() and stream.deadline == pytest.approx(20, abs=65)
        passes(21, 5)
        await notes.over.wait()
        assert isinstance(notes.fault, EngineStalled), "it has computed for as long as it may take"


async def test_an_engine_that_computes_nothing_hangs() -> None:
    async with never_sounding() as (_, notes, _, passes):
        passes(10, 0.1)
        assert not notes.over.is_set()
        passes(11, 0.1)
        await notes.over.wait()
        assert isinstance(notes.fault, EngineStalled)


async def test_an_engine_that_has_stopped_computing_hangs() -> None:
    async with never_sounding() as (_, notes, _, passes):
        passes(21, 5)
        passes(21, 0)
        await notes.over.wait()
        assert isinstance(notes.fault, EngineStalled)


async def test_the_cpu_time_of_a_process_is_that_of_the_engine() -> None:
    async with loaded() as host:
        assert host._cpu_s() > 0
    assert host._cpu_s() == 0


async def test_a_stopped_process_has_no_slots_and_says_nothing_more() -> None:
    async with loaded() as host:
        notes = Notes()
        stream = host.open(REQUEST, notes, span=Span(""), input_ended=False)
        await host.stop()
        assert isinstance(notes.fault, EngineCrashed)
        assert host.free_slots == 0
        stream.push(Span("text"))
        stream.end_input()
        stream.cancel()
        await host.stop()


@pytest.mark.parametrize(
    "junk",
    [
        b"Loading model... 100%\n",
        pack(Kind.AUDIO, 99, bytes(4)),
        pack(Kind.DONE, 99),
        pack(Kind.AUDIO, 1, bytes(3)),
        pack(Kind.MARKS, 1, bytes(3)),
        pack(Kind.TAKEN, 1, bytes(3)),
        pack(Kind.DONE, 1),
        pack(Kind.FAILED, 1, b"\xff"),
        pack(Kind.FAULT, 1, b"{}"),
        pack(Kind.READY, 0, b"["),
        pack(Kind.NOT_LOADED, 0, b"\xff"),
        pack(Kind.OPEN, 1),
    ],
)
async def test_a_process_that_breaks_the_framing_is_killed(junk: Any) -> None:
    async with loaded() as host:
        notes = Notes()
        host.open(REQUEST, notes, span=Span(""), input_ended=False)
        host.pipe_data_received(1, junk)
        await host.wait_gone()
        assert isinstance(notes.fault, EngineCrashed)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_is_sent_to_a_process_that_has_just_ended_is_no_error(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def send_until_lost() -> None:
        async with loaded() as host:
            notes = Notes()
            stream = host.open(REQUEST, notes, span=Span("text"), input_ended=False)
            engine_processes()[0].kill()
            while not notes.over.is_set():
                stream.push(Span("more"))
                await asyncio.sleep(0)
            assert isinstance(notes.fault, EngineCrashed)

    for _ in range(5):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(send_until_lost())


async def test_what_an_engine_prints_while_it_speaks_is_counted_and_never_logged() -> None:
    with capture_logs() as logs:
        async with loaded() as host:
            host.pipe_data_received(2, b"speaking: secret words\n")
    assert "secret" not in str(logs)
    assert logs[-1]["printed_bytes"] >= 23


async def test_what_an_engine_prints_is_logged_when_it_does_not_load() -> None:
    host = HostedEngine("no-such-engine", {}, PoolSettings(), clock=time.monotonic)
    host.pipe_data_received(2, b"the model file is broken\n")
    with capture_logs() as logs, pytest.raises(EngineUnavailable):
        await host.start()
    (entry,) = (entry for entry in logs if entry["event"] == "engine printed while loading")
    assert (entry["log_level"], entry["lines"]) == ("warning", ["the model file is broken"])


async def test_what_an_engine_prints_while_it_loads_is_a_detail() -> None:
    host = tone()
    host.pipe_data_received(2, b"one of my options is deprecated\n")
    with capture_logs() as logs:
        await host.start()
        await host.stop()
    (entry,) = (entry for entry in logs if entry["event"] == "engine printed while loading")
    assert entry["log_level"] == "debug"


@pytest.mark.parametrize("slots", [{"concurrency": 0}, {"parallel": 2}, {"parallel": -1}])
async def test_an_engine_whose_slots_cannot_be_is_unavailable(slots: dict[str, Any]) -> None:
    host = tone()
    info = EngineInfo(name="tone", sample_rate=24000, languages={"*": "native"}, voices=("tone",), **slots)
    host.pipe_data_received(1, pack(Kind.READY, 0, msgspec.json.encode(info)))
    with pytest.raises(EngineUnavailable, match="concurrency"):
        await host.start()
    assert not engine_processes()


async def test_a_remedy_that_the_process_knows_comes_with_the_refusal_and_can_be_copied() -> None:
    host = tone()
    failure = LoadFailure(
        "ModelMissing: Get it with: saystream models pull it", "saystream models pull it", {"zh": "native"}
    )
    host.pipe_data_received(1, pack(Kind.NOT_LOADED, 0, msgspec.json.encode(failure)))
    with pytest.raises(EngineUnavailable, match="Get it with: saystream models pull it$") as raised:
        await host.start()
    assert (raised.value.remedy, raised.value.languages) == ("saystream models pull it", {"zh": "native"})


async def test_a_start_that_is_given_up_leaves_no_process() -> None:
    starting = asyncio.create_task(tone().start())
    while not engine_processes():  # noqa: ASYNC110 - nobody tells when a process has been started
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not engine_processes()


async def test_a_stream_that_waits_for_its_turn_is_not_stalled() -> None:
    async with loaded() as host:
        notes = Notes()
        stream = host.open(REQUEST, notes, span=Span("text"), input_ended=False)
        stream.end_input()
        host.pipe_data_received(1, pack(Kind.WAITING, 1))
        assert stream.deadline == inf
        stream.resume()
        assert stream.deadline == inf
        host.pipe_data_received(1, pack(Kind.TURN, 1))
        assert stream.deadline < inf
        assert notes.waited == [True, False]


class JumpingClock:
    """Stands still, except that it jumps as a clock does while a signal has stopped the process."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_an_engine_is_not_blamed_for_the_time_in_which_the_gateway_did_not_run() -> None:
    clock = JumpingClock()
    settings = PoolSettings(first_chunk_timeout_s=1.5, chunk_timeout_s=1.5)
    host = HostedEngine("tone", {"first_chunk_delay_ms": 2000}, settings, clock=clock)
    await host.start()
    notes = Notes()
    host.open(REQUEST, notes, span=Span("some words"), input_ended=True)
    clock.now_s = 13.0
    await notes.over.wait()
    assert notes.fault is None
    await host.stop()


async def test_nor_for_the_time_in_which_it_loaded_and_the_gateway_did_not_run() -> None:
    clock = JumpingClock()
    host = HostedEngine("tone", {}, PoolSettings(load_timeout_s=0.3), clock=clock)
    starting = asyncio.create_task(host.start())
    while not engine_processes():  # noqa: ASYNC110 - nobody tells when a process has been started
        await asyncio.sleep(0)
    clock.now_s = 13.0
    await starting
    assert host.turns > 0, "it has loaded"
    await host.stop()


async def test_a_process_that_does_not_start_or_load_is_a_crash_that_another_may_not_repeat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = tone()
    starting = asyncio.create_task(host.start())
    while not engine_processes():  # noqa: ASYNC110 - nobody tells when a process has been started
        await asyncio.sleep(0)
    engine_processes()[0].kill()
    with pytest.raises(EngineCrashed, match=r"ended \(SIGKILL\) while it loaded"):
        await starting
    with monkeypatch.context() as without:
        without.setattr(sys, "executable", "/no/such/python")
        with pytest.raises(EngineCrashed, match="could not be started: No such file"):
            await tone().start()
    slow = HostedEngine("tone", {}, PoolSettings(load_timeout_s=0.001), clock=time.monotonic)
    with pytest.raises(EngineStalled, match=r"did not load within 0.001 s"):
        await slow.start()
    assert not engine_processes()
