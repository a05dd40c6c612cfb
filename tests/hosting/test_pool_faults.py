"""A pool whose engines fail, and the processes that it starts and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import uvloop

from saystream.config import PoolSettings
from saystream.errors import (
    Draining,
    EngineCrashed,
    EngineFailed,
    EngineOutputInvalid,
    EngineStalled,
    EngineUnavailable,
    Overloaded,
)
from saystream.hosting.front import EngineLoad
from saystream.hosting.playback import Playback
from saystream.hosting.pool import EnginePool

from .engines_for_tests import engine_processes
from .pools import (
    LONG_TEXT,
    PATIENCE_S,
    REQUEST,
    heard,
    load_of,
    pool_of,
    say,
    spoken,
    the_engine_process,
    until,
)

pytestmark = pytest.mark.slow

# --- faults of an engine


@pytest.mark.parametrize(
    ("fault", "error"),
    [("error", EngineFailed), ("nan", EngineOutputInvalid), ("wrong_dtype", EngineOutputInvalid)],
)
async def test_a_fault_ends_its_stream_and_the_process_lives_on(fault: str, error: type[Exception]) -> None:
    async with pool_of(fault=fault, fault_text="poison") as pool:
        with pytest.raises(error) as raised:
            await heard(say(pool, "poison"))
        assert "poison" not in str(raised.value)
        assert len(await heard(say(pool, "text")))
        assert load_of(pool).restarts == 0


async def test_a_crash_after_the_first_audio_ends_the_stream_after_what_it_said() -> None:
    async with pool_of(fault="crash", fault_text="poison", fault_after_ms=300) as pool:
        audio = []
        with pytest.raises(EngineCrashed, match="exit code|SIG"):
            async for chunk in say(pool, "poison " * 20):
                audio.append(chunk.duration_ms)
        assert sum(audio) > 0
        assert len(await heard(say(pool, "text")))
        assert load_of(pool).restarts == 1


async def test_a_stream_without_audio_runs_again_when_its_process_is_killed() -> None:
    async with pool_of(first_chunk_delay_ms=200) as pool:
        stream = say(pool, "text")
        os.kill(the_engine_process(), signal.SIGKILL)
        np.testing.assert_array_equal(await heard(stream), spoken("text"))
        assert (stream.attempts, load_of(pool).restarts) == (2, 1)


async def test_streams_without_audio_move_to_a_process_that_is_up() -> None:
    async with pool_of(PoolSettings(hosts_per_engine=2), first_chunk_delay_ms=200) as pool:
        before = {process.pid for process in engine_processes()}
        streams = [say(pool, str(n)) for n in range(2)]
        os.kill(min(before), signal.SIGKILL)
        for n, stream in enumerate(streams):
            np.testing.assert_array_equal(await heard(stream), spoken(str(n)))
        assert sorted(stream.attempts for stream in streams) == [1, 2]


async def test_a_text_that_always_crashes_is_given_up_after_its_attempts() -> None:
    async with pool_of(PoolSettings(max_attempts=2), fault="crash", fault_text="poison") as pool:
        stream = say(pool, "poison")
        with pytest.raises(EngineCrashed):
            await heard(stream)
        assert stream.attempts == 2
        assert len(await heard(say(pool, "text")))


async def test_a_silent_engine_is_killed_and_its_stream_tried_again_then_failed() -> None:
    settings = PoolSettings(first_chunk_timeout_s=0.5, max_attempts=2)
    async with pool_of(settings, fault="hang", fault_text="poison") as pool:
        before = the_engine_process()
        stream = say(pool, "poison")
        with pytest.raises(EngineStalled):
            await heard(stream)
        assert stream.attempts == 2
        assert len(await heard(say(pool, "text")))
        assert the_engine_process() != before


async def test_an_engine_that_falls_silent_in_mid_speech_is_killed() -> None:
    settings = PoolSettings(chunk_timeout_s=0.5)
    async with pool_of(settings, fault="hang", fault_text="poison", fault_after_ms=300) as pool:
        stream = say(pool, "poison " * 20)
        with pytest.raises(EngineStalled):
            await heard(stream)
        assert stream.attempts == 1


async def test_a_hanging_stream_that_is_cancelled_gives_its_slot_back() -> None:
    settings = PoolSettings(chunk_timeout_s=0.5)
    async with pool_of(settings, fault="hang", fault_text="poison", concurrency=1) as pool:
        stream = say(pool, "poison")
        stream.cancel()
        assert len(await heard(say(pool, "text")))


# --- processes


async def test_an_engine_that_does_not_load_is_refused_by_name_and_others_run() -> None:
    pool = EnginePool(PoolSettings(), {})
    try:
        await pool.start(["no-such-engine", "tone"])
        with pytest.raises(EngineUnavailable, match="no-such-engine"):
            pool.engine("no-such-engine")
        with pytest.raises(EngineUnavailable, match="no-such-engine"):
            pool.open("no-such-engine", REQUEST, playback=Playback(0))
        assert list(pool.engines()) == ["tone"]
        assert len(await heard(say(pool, "text")))
    finally:
        await pool.aclose()
    assert not engine_processes()


async def test_an_option_that_an_engine_refuses_makes_it_unavailable_and_says_why() -> None:
    async with pool_of(no_such_option="secret key") as pool:
        with pytest.raises(EngineUnavailable, match="no_such_option") as raised:
            pool.engine("tone")
        assert "secret key" not in str(raised.value)
        assert not engine_processes()


async def test_an_engine_without_its_weights_says_where_it_looked_and_what_would_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy.py").write_text(
        "from saystream.engines.tone import ToneEngine\n"
        "from saystream.models import ModelStore\n"
        "class Needy(ToneEngine):\n"
        "    def load(self): ModelStore().path('kokoro')\n"
    )
    about = tmp_path / "needy-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: needy\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[saystream.engines]\nneedy = needy:Needy\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pool = EnginePool(PoolSettings(), {}, models_dir=tmp_path / "weights")
    try:
        await pool.start(["needy", "tone"])
        assert list(pool.faults()) == ["needy"]
        fault = pool.faults()["needy"]
        assert str(tmp_path / "weights") in fault.message
        assert fault.remedy == "saystream models pull kokoro"
        assert "zh" in fault.languages
    finally:
        await pool.aclose()


async def test_an_engine_that_loads_too_slowly_is_unavailable() -> None:
    async with pool_of(PoolSettings(load_timeout_s=0.001)) as pool:
        with pytest.raises(EngineUnavailable, match="did not load within 0.001 s"):
            pool.engine("tone")
        assert not engine_processes()


async def test_an_engine_that_was_not_started_is_refused_with_those_that_were() -> None:
    async with pool_of() as pool:
        with pytest.raises(EngineUnavailable, match="'espeak' is not started; started: tone"):
            pool.engine("espeak")


async def test_waiting_streams_outlive_processes_that_are_killed_while_they_load() -> None:
    async with pool_of(concurrency=1, first_chunk_delay_ms=200) as pool:
        streams = [say(pool, str(n)) for n in range(3)]
        before = the_engine_process()
        os.kill(before, signal.SIGKILL)
        await until(lambda: any(process.pid != before for process in engine_processes()))
        os.kill(the_engine_process(), signal.SIGKILL)
        for n, stream in enumerate([*streams, say(pool, "3")]):
            np.testing.assert_array_equal(await heard(stream), spoken(str(n)))
        assert load_of(pool).restarts == 2


async def test_time_without_a_process_does_not_count_as_waiting_for_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed_s = 0.0
    settings = PoolSettings(admission_timeout_s=60.0)
    async with pool_of(settings, clock=lambda: time.monotonic() + passed_s, concurrency=1) as pool:
        streams = [say(pool, str(n)) for n in range(3)]
        with monkeypatch.context() as without:
            without.setattr(sys, "executable", "/no/such/python")
            os.kill(the_engine_process(), signal.SIGKILL)
            await until(lambda: not load_of(pool).hosts)
            passed_s = 61.0
            pool._queues["tone"]._refuse_overdue()  # its timer would come now
        await until(lambda: load_of(pool).hosts)
        pool._queues["tone"]._refuse_overdue()
        for n, stream in enumerate(streams):
            np.testing.assert_array_equal(await heard(stream), spoken(str(n)))


async def test_waiting_streams_are_refused_for_now_if_no_process_comes_up_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = PoolSettings(restart_timeout_s=1.0)
    async with pool_of(settings, concurrency=1, first_chunk_delay_ms=200) as pool:
        streams = [say(pool, "a"), say(pool, "b")]
        with monkeypatch.context() as without:
            without.setattr(sys, "executable", "/no/such/python")
            os.kill(the_engine_process(), signal.SIGKILL)
            for stream in streams:
                with pytest.raises(Overloaded, match="started again"):
                    await heard(stream)
            with pytest.raises(Overloaded, match="started again"):
                say(pool, "c")
            assert (pool.engines(), pool.faults()) == ({}, {})
        await until(pool.engines)
        assert len(await heard(say(pool, "d")))


async def test_waiting_streams_fail_at_once_if_the_engine_says_that_it_cannot_run_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pool_of(concurrency=1, first_chunk_delay_ms=200) as pool:
        streams = [say(pool, "a"), say(pool, "b")]
        # What the next process finds: tone is not installed any more.
        (tmp_path / "sitecustomize.py").write_text(
            "import saystream.engines.registry as registry\n"
            "from saystream.errors import EngineUnavailable\n"
            "def load_engine_class(name): raise EngineUnavailable('It is gone.')\n"
            "registry.load_engine_class = load_engine_class\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
        os.kill(the_engine_process(), signal.SIGKILL)
        for stream in streams:
            with pytest.raises(EngineUnavailable, match="It is gone"):
                await heard(stream)
        with pytest.raises(EngineUnavailable, match="It is gone"):
            say(pool, "c")
        assert list(pool.faults()) == ["tone"]


async def test_closing_ends_every_stream_and_leaves_no_process() -> None:
    async with pool_of(concurrency=1, real_time_factor=1.0) as pool:
        running, waiting, unread = say(pool, LONG_TEXT), say(pool, "a"), say(pool, "b")
        reader = asyncio.create_task(heard(running))
        await asyncio.sleep(0)
        await pool.aclose()
        for ended in (reader, heard(waiting)):
            with pytest.raises(Draining):
                await ended
        unread.cancel()
        with pytest.raises(Draining):
            say(pool, "c")
        assert load_of(pool) == EngineLoad(engine="tone", hosts=0, restarts=0, waiting=0, running=0)
        assert not engine_processes()


async def test_closing_while_engines_load_leaves_no_process() -> None:
    pool = EnginePool(PoolSettings(), {})
    starting = asyncio.create_task(pool.start(["tone"]))
    await until(engine_processes)
    await pool.aclose()
    await starting
    assert not engine_processes()


def test_an_engine_process_ends_with_a_gateway_that_was_killed() -> None:
    script = (
        "import asyncio, psutil\n"
        "from saystream.config import PoolSettings\n"
        "from saystream.hosting.pool import EnginePool\n"
        "async def main():\n"
        "    pool = EnginePool(PoolSettings(), {})\n"
        "    await pool.start(['tone'])\n"
        "    print('engine', *(child.pid for child in psutil.Process().children()), flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        line = next(line for line in gateway.stdout if line.startswith("engine "))
        engine = psutil.Process(int(line.split()[1]))
        gateway.kill()
    assert has_ended(engine)


def has_ended(process: psutil.Process) -> bool:
    try:
        process.wait(PATIENCE_S)
    except psutil.TimeoutExpired:
        return process.status() == psutil.STATUS_ZOMBIE
    return True


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_streams_and_restarts_work_on_each_event_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def speak_across_a_crash() -> None:
        async with pool_of(first_chunk_delay_ms=100) as pool:
            stream = say(pool, "text")
            os.kill(the_engine_process(), signal.SIGKILL)
            np.testing.assert_array_equal(await heard(stream), spoken("text"))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(speak_across_a_crash())
