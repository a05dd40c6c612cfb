from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import psutil
import pytest
import uvloop

from saystream.config import PoolSettings
from saystream.engines.base import SynthesisRequest
from saystream.engines.tone import ToneEngine
from saystream.errors import (
    Draining,
    EngineCrashed,
    EngineFailed,
    EngineOutputInvalid,
    EngineStalled,
    EngineUnavailable,
    Overloaded,
)
from saystream.hosting.pool import EngineLoad, EnginePool, PoolStream
from saystream.hosting.scheduler import Playback

REQUEST = SynthesisRequest(voice=ToneEngine().info.voices[0], language="en")
LONG_TEXT = "This goes on and on. " * 60
PATIENCE_S = 20.0


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def the_child() -> int:
    (pid,) = children()
    return pid


@asynccontextmanager
async def pool_of(settings: PoolSettings | None = None, **tone_options: object) -> AsyncIterator[EnginePool]:
    """A pool of tone engines; afterwards no process is left."""
    pool = EnginePool(settings or PoolSettings(), {"tone": tone_options})
    async with asyncio.timeout(PATIENCE_S):
        try:
            await pool.start(["tone"])
            yield pool
        finally:
            await pool.aclose()
    assert not children()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - nobody tells when a process has come up
            await asyncio.sleep(0)


def load_of(pool: EnginePool) -> EngineLoad:
    (load,) = pool.load()
    return load


def say(pool: EnginePool, text: str, playback: Playback | None = None) -> PoolStream:
    stream = pool.open("tone", REQUEST, playback=playback or Playback(0))
    stream.push_text(text)
    stream.end_input()
    return stream


async def heard(stream: PoolStream) -> np.ndarray:
    chunks = [chunk.samples async for chunk in stream]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)


def spoken(text: str) -> np.ndarray:
    """What the engine says without a pool."""
    stream = ToneEngine().open(REQUEST)
    stream.push_text(text)
    stream.end_input()
    return np.concatenate(list(stream.chunks()))


# --- speaking


async def test_a_stream_gives_exactly_what_the_engine_says_at_its_rate():
    async with pool_of() as pool:
        assert pool.engine("tone").name == "tone"
        assert pool.engines() == {"tone": pool.engine("tone")}
        stream = say(pool, "Hello there.")
        chunks = [chunk async for chunk in stream]
        np.testing.assert_array_equal(np.concatenate([c.samples for c in chunks]), spoken("Hello there."))
        assert {chunk.sample_rate for chunk in chunks} == {pool.engine("tone").sample_rate}
        assert max(chunk.duration_ms for chunk in chunks) <= 200
        assert stream.over
        assert load_of(pool) == EngineLoad(engine="tone", hosts=1, restarts=0, waiting=0, running=0)


async def test_a_hundred_streams_over_four_slots_all_speak_their_own_text():
    texts = ["word " * (1 + n % 7) for n in range(100)]
    async with pool_of(PoolSettings(hosts_per_engine=2), concurrency=2) as pool:
        assert load_of(pool).hosts == 2
        streams = [say(pool, text, Playback(n)) for n, text in enumerate(texts)]
        assert load_of(pool).running == 4
        assert load_of(pool).waiting == 96
        for text, audio in zip(texts, await asyncio.gather(*map(heard, streams)), strict=True):
            np.testing.assert_array_equal(audio, spoken(text))
        assert load_of(pool) == EngineLoad(engine="tone", hosts=2, restarts=0, waiting=0, running=0)


async def test_an_incremental_engine_speaks_while_text_comes():
    async with pool_of(incremental=True) as pool:
        stream = pool.open("tone", REQUEST, playback=Playback(0))
        assert load_of(pool).running == 0
        for _ in range(3):
            stream.push_text("word ")
            await anext(stream)
        stream.end_input()
        assert not [chunk async for chunk in stream if chunk.duration_ms == 0]
        assert load_of(pool).running == 0


async def test_a_stream_that_waits_for_its_text_holds_no_slot():
    async with pool_of(concurrency=1) as pool:
        early = pool.open("tone", REQUEST, playback=Playback(0))
        early.push_text("first")
        assert len(await heard(say(pool, "second")))
        early.end_input()
        np.testing.assert_array_equal(await heard(early), spoken("first"))


async def test_text_after_the_end_of_input_is_a_bug_of_the_caller():
    async with pool_of() as pool:
        stream = say(pool, "text")
        stream.end_input()
        with pytest.raises(RuntimeError, match="end_input"):
            stream.push_text("more")
        stream.cancel()


async def test_the_stream_whose_listener_runs_dry_first_goes_first():
    leads_ms = {"far": 9000, "near": 1000, "between": 5000}
    order: list[str] = []

    async def note(name: str, stream: PoolStream) -> None:
        await heard(stream)
        order.append(name)

    async with pool_of(concurrency=1) as pool:
        first = say(pool, LONG_TEXT)
        readers = []
        for name, lead_ms in leads_ms.items():
            playback = Playback(asyncio.get_running_loop().time() * 1000)
            playback.audio_sent(lead_ms + 60_000, asyncio.get_running_loop().time() * 1000)
            readers.append(note(name, say(pool, "text", playback)))
        await asyncio.gather(heard(first), *readers)
    assert order == ["near", "between", "far"]


async def test_one_stream_more_than_may_wait_is_refused_and_the_others_speak():
    async with pool_of(PoolSettings(max_waiting=2), concurrency=1) as pool:
        streams = [say(pool, LONG_TEXT), say(pool, "a"), say(pool, "b")]
        with pytest.raises(Overloaded, match="2"):
            say(pool, "c")
        assert all(len(audio) for audio in await asyncio.gather(*map(heard, streams)))


async def test_audio_that_nobody_reads_stays_bounded_and_is_all_there_later():
    text = LONG_TEXT[:400]  # 27 s of audio
    async with pool_of(PoolSettings(buffered_audio_s=1.0), concurrency=2, real_time_factor=0.05) as pool:
        unread = say(pool, text)
        await heard(say(pool, text))  # as long to make as the unread one
        assert 1000 < unread.buffered_ms < 10_000
        np.testing.assert_array_equal(await heard(unread), spoken(text))
        assert unread.buffered_ms == pytest.approx(0, abs=1e-6)


# --- cancelling


async def test_a_cancelled_stream_ends_at_once_and_its_slot_goes_to_the_next():
    async with pool_of(concurrency=1, real_time_factor=1.0) as pool:
        endless, following = say(pool, LONG_TEXT), say(pool, "a")
        await anext(endless)
        endless.cancel()
        assert [chunk async for chunk in endless] == []
        async with asyncio.timeout(2):
            await anext(following)
        following.cancel()


async def test_a_cancelled_waiting_stream_never_runs():
    async with pool_of(concurrency=1) as pool:
        first, second = say(pool, LONG_TEXT), say(pool, "text")
        second.cancel()
        assert load_of(pool).waiting == 0
        assert len(await heard(second)) == 0
        first.cancel()


async def test_a_cancelled_stream_wakes_its_reader():
    async with pool_of(concurrency=1) as pool:
        stream = pool.open("tone", REQUEST, playback=Playback(0))
        reader = asyncio.create_task(heard(stream))
        await asyncio.sleep(0)
        stream.cancel()
        assert len(await reader) == 0


async def test_cancelling_again_or_after_the_end_is_harmless():
    async with pool_of() as pool:
        stream = say(pool, "text")
        await heard(stream)
        stream.cancel()
        stream.cancel()
        other = pool.open("tone", REQUEST, playback=Playback(0))
        other.cancel()
        other.cancel()
        other.push_text("ignored")
        other.end_input()
        assert len(await heard(other)) == 0
        assert len(await heard(say(pool, "text")))


async def test_a_cancelled_stream_lets_a_later_one_of_its_session_start():
    session = Playback(0)
    async with pool_of() as pool:
        first = pool.open("tone", REQUEST, playback=session)
        second = say(pool, "text", session)
        first.cancel()
        assert len(await heard(second))


# --- admission


async def test_a_new_session_waits_while_another_needs_all_of_the_engine_and_comes_next():
    async with pool_of(concurrency=1, first_chunk_delay_ms=100) as pool:
        first, second = say(pool, LONG_TEXT), say(pool, "text")
        assert (load_of(pool).running, load_of(pool).held) == (1, 1)
        await heard(first)
        np.testing.assert_array_equal(await heard(second), spoken("text"))
        assert load_of(pool).held == 0


async def test_a_session_that_sounds_is_not_held_up_by_the_line():
    sounding = Playback(0)
    async with pool_of(concurrency=1, first_chunk_delay_ms=100) as pool:
        running, held = say(pool, LONG_TEXT), say(pool, "held")
        sounding.audio_sent(60_000, asyncio.get_running_loop().time() * 1000)
        following = say(pool, "text", sounding)
        assert load_of(pool).held == 1
        running.cancel()
        await heard(following)
        await heard(held)


async def test_a_session_that_has_waited_too_long_is_refused_and_the_others_go_on():
    settings = PoolSettings(admission_timeout_s=0.05)
    async with pool_of(settings, concurrency=1, first_chunk_delay_ms=300) as pool:
        running, late = say(pool, "text"), say(pool, "late")
        with pytest.raises(Overloaded, match=r"within 0\.05 s\. 1 sessions"):
            await heard(late)
        np.testing.assert_array_equal(await heard(running), spoken("text"))
        np.testing.assert_array_equal(await heard(say(pool, "again")), spoken("again"))


async def test_one_too_many_in_the_line_is_refused_at_once():
    async with pool_of(PoolSettings(max_held_sessions=1), concurrency=1, first_chunk_delay_ms=300) as pool:
        running, held = say(pool, "text"), say(pool, "held")
        with pytest.raises(Overloaded, match="1 sessions wait"):
            say(pool, "too many")
        held.cancel()
        again = say(pool, "again")
        await heard(running)
        await heard(again)


async def test_a_fast_engine_lets_everybody_in_once_its_speed_is_known():
    async with pool_of(concurrency=1) as pool:
        await heard(say(pool, LONG_TEXT))
        streams = [say(pool, "text") for _ in range(20)]
        assert load_of(pool).held == 0
        await asyncio.gather(*map(heard, streams))


# --- faults of an engine


@pytest.mark.parametrize(
    ("fault", "error"),
    [("error", EngineFailed), ("nan", EngineOutputInvalid), ("wrong_dtype", EngineOutputInvalid)],
)
async def test_a_fault_ends_its_stream_and_the_process_lives_on(fault, error):
    async with pool_of(fault=fault, fault_text="poison") as pool:
        with pytest.raises(error) as raised:
            await heard(say(pool, "poison"))
        assert "poison" not in str(raised.value)
        assert len(await heard(say(pool, "text")))
        assert load_of(pool).restarts == 0


async def test_a_crash_after_the_first_audio_ends_the_stream_after_what_it_said():
    async with pool_of(fault="crash", fault_text="poison", fault_after_ms=300) as pool:
        audio = []
        with pytest.raises(EngineCrashed, match="exit code|SIG"):
            async for chunk in say(pool, "poison " * 20):
                audio.append(chunk.duration_ms)
        assert sum(audio) > 0
        assert len(await heard(say(pool, "text")))
        assert load_of(pool).restarts == 1


async def test_a_stream_without_audio_runs_again_when_its_process_is_killed():
    async with pool_of(first_chunk_delay_ms=200) as pool:
        stream = say(pool, "text")
        os.kill(the_child(), signal.SIGKILL)
        np.testing.assert_array_equal(await heard(stream), spoken("text"))
        assert (stream.attempts, load_of(pool).restarts) == (2, 1)


async def test_streams_without_audio_move_to_a_process_that_is_up():
    async with pool_of(PoolSettings(hosts_per_engine=2), first_chunk_delay_ms=200) as pool:
        before = children()
        streams = [say(pool, str(n)) for n in range(2)]
        os.kill(min(before), signal.SIGKILL)
        for n, stream in enumerate(streams):
            np.testing.assert_array_equal(await heard(stream), spoken(str(n)))
        assert sorted(stream.attempts for stream in streams) == [1, 2]


async def test_a_text_that_always_crashes_is_given_up_after_its_attempts():
    async with pool_of(PoolSettings(max_attempts=2), fault="crash", fault_text="poison") as pool:
        stream = say(pool, "poison")
        with pytest.raises(EngineCrashed):
            await heard(stream)
        assert stream.attempts == 2
        assert len(await heard(say(pool, "text")))


async def test_a_silent_engine_is_killed_and_its_stream_tried_again_then_failed():
    settings = PoolSettings(first_chunk_timeout_s=0.5, max_attempts=2)
    async with pool_of(settings, fault="hang", fault_text="poison") as pool:
        before = the_child()
        stream = say(pool, "poison")
        with pytest.raises(EngineStalled):
            await heard(stream)
        assert stream.attempts == 2
        assert len(await heard(say(pool, "text")))
        assert the_child() != before


async def test_an_engine_that_falls_silent_in_mid_speech_is_killed():
    settings = PoolSettings(chunk_timeout_s=0.5)
    async with pool_of(settings, fault="hang", fault_text="poison", fault_after_ms=300) as pool:
        stream = say(pool, "poison " * 20)
        with pytest.raises(EngineStalled):
            await heard(stream)
        assert stream.attempts == 1


async def test_a_hanging_stream_that_is_cancelled_gives_its_slot_back():
    settings = PoolSettings(chunk_timeout_s=0.5)
    async with pool_of(settings, fault="hang", fault_text="poison", concurrency=1) as pool:
        stream = say(pool, "poison")
        stream.cancel()
        assert len(await heard(say(pool, "text")))


# --- processes


async def test_an_engine_that_does_not_load_is_refused_by_name_and_others_run():
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
    assert not children()


async def test_an_option_that_an_engine_refuses_makes_it_unavailable_and_says_why():
    async with pool_of(no_such_option="secret key") as pool:
        with pytest.raises(EngineUnavailable, match="no_such_option") as raised:
            pool.engine("tone")
        assert "secret key" not in str(raised.value)
        assert not children()


async def test_an_engine_without_its_weights_says_where_it_looked_and_what_would_help(tmp_path, monkeypatch):
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


async def test_an_engine_that_loads_too_slowly_is_unavailable():
    async with pool_of(PoolSettings(load_timeout_s=0.001)) as pool:
        with pytest.raises(EngineUnavailable, match="did not load within 0.001 s"):
            pool.engine("tone")
        assert not children()


async def test_an_engine_that_was_not_started_is_refused_with_those_that_were():
    async with pool_of() as pool:
        with pytest.raises(EngineUnavailable, match="'espeak' is not started; started: tone"):
            pool.engine("espeak")


async def test_waiting_streams_fail_when_the_process_cannot_be_started_again(monkeypatch):
    python = sys.executable
    async with pool_of(concurrency=1, first_chunk_delay_ms=200) as pool:
        streams = [say(pool, "a"), say(pool, "b")]
        monkeypatch.setattr(sys, "executable", "/no/such/python")
        os.kill(the_child(), signal.SIGKILL)
        for stream in streams:
            with pytest.raises(EngineUnavailable, match="could not be started"):
                await heard(stream)
        with pytest.raises(EngineUnavailable):
            say(pool, "c")
        assert pool.engines() == {}
        monkeypatch.setattr(sys, "executable", python)
        await until(pool.engines)
        assert len(await heard(say(pool, "d")))


async def test_closing_ends_every_stream_and_leaves_no_process():
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
        assert not children()


async def test_closing_while_engines_load_leaves_no_process():
    pool = EnginePool(PoolSettings(), {})
    starting = asyncio.create_task(pool.start(["tone"]))
    await until(children)
    await pool.aclose()
    await starting
    assert not children()


def test_an_engine_process_ends_with_a_gateway_that_was_killed():
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
def test_streams_and_restarts_work_on_each_event_loop(new_loop: Callable[[], asyncio.AbstractEventLoop]):
    async def speak_across_a_crash() -> None:
        async with pool_of(first_chunk_delay_ms=100) as pool:
            stream = say(pool, "text")
            os.kill(the_child(), signal.SIGKILL)
            np.testing.assert_array_equal(await heard(stream), spoken("text"))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(speak_across_a_crash())
