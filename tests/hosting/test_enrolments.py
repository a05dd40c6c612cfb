"""Recordings that are enrolled by engines in processes."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from hums import RATE, hum
from saystream.config import PoolSettings
from saystream.engines.base import EngineInfo, Enrolled, Recording, Span, SynthesisRequest
from saystream.errors import (
    AudioSilent,
    Draining,
    EngineCrashed,
    EngineFailed,
    EngineStalled,
    EngineUnavailable,
    Overloaded,
)
from saystream.hosting.enrolments import Enrolments
from saystream.hosting.playback import Playback
from saystream.hosting.pool import EnginePool

from .pools import heard, load_of, pool_of, say, spoken, until

SPEAKER = Recording(hum(160, 1.0), RATE)


class SlowHost:
    """Enrolls when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_go_on = asyncio.Event()

    async def enroll(self, recording: Recording) -> Enrolled:
        self.asked += 1
        await self.may_go_on.wait()
        return Enrolled(b"material")


async def test_one_recording_is_enrolled_at_a_time_and_too_many_are_refused() -> None:
    host = SlowHost()
    line = Enrolments(lambda: [host], max_waiting=1)
    first, second = (asyncio.create_task(line.enroll(SPEAKER)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await line.enroll(SPEAKER)
    assert host.asked == 1
    host.may_go_on.set()
    assert await first == await second == Enrolled(b"material")
    assert await line.enroll(SPEAKER) == Enrolled(b"material")


@pytest.mark.slow
async def test_a_speaker_is_enrolled_and_spoken_beside_a_stream_that_is_heard() -> None:
    async with pool_of(real_time_factor=0.1) as pool:
        stream = say(pool, "This is heard meanwhile.")
        await anext(stream)
        enrolled = await pool.enroll("tone", SPEAKER)
        assert enrolled == Enrolled(b"160 Hz")
        await heard(stream)
        request = SynthesisRequest("", "en", material=enrolled.material)
        own = pool.open("tone", request, playback=Playback(0))
        own.push(Span("text"))
        own.end_input()
        samples = await heard(own)
        assert len(samples) == len(spoken("text"))
        assert np.abs(np.fft.rfft(samples[:24000])).argmax() * 24000 / len(samples[:24000]) == pytest.approx(
            160, abs=5
        )


@pytest.mark.slow
async def test_a_recording_of_no_use_is_refused_and_the_next_one_is_taken() -> None:
    async with pool_of() as pool:
        with pytest.raises(AudioSilent, match="no voice"):
            await pool.enroll("tone", Recording(np.zeros(RATE, np.float32), RATE))
        assert await pool.enroll("tone", SPEAKER) == Enrolled(b"160 Hz")


@pytest.mark.slow
async def test_a_process_that_ends_while_it_enrolls_is_started_again() -> None:
    async with pool_of(enroll_fault="crash") as pool:
        with pytest.raises(EngineCrashed):
            await pool.enroll("tone", SPEAKER)
        np.testing.assert_array_equal(await heard(say(pool, "text")), spoken("text"))
        assert load_of(pool).restarts == 1


@pytest.mark.slow
async def test_an_engine_that_raises_while_it_enrolls_lives_on() -> None:
    async with pool_of(enroll_fault="error") as pool:
        with pytest.raises(EngineFailed, match="RuntimeError"):
            await pool.enroll("tone", SPEAKER)
        np.testing.assert_array_equal(await heard(say(pool, "text")), spoken("text"))
        assert load_of(pool).restarts == 0


@pytest.mark.slow
async def test_an_engine_that_hangs_while_it_enrolls_speaks_to_the_end_before_it_is_killed() -> None:
    settings = PoolSettings(enroll_timeout_s=0.1)
    async with pool_of(settings, enroll_fault="hang", real_time_factor=0.1) as pool:
        stream = say(pool, "word " * 40)
        await anext(stream)
        with pytest.raises(EngineStalled, match="enroll"):
            await pool.enroll("tone", SPEAKER)
        assert load_of(pool).restarts == 0
        rest = await heard(stream)
        assert len(rest) > 0
        await until(lambda: load_of(pool).restarts == 1 and load_of(pool).hosts == 1)
        np.testing.assert_array_equal(await heard(say(pool, "text")), spoken("text"))


@pytest.mark.slow
async def test_nobody_has_to_wait_for_what_was_enrolled() -> None:
    async with pool_of() as pool:
        given_up = asyncio.create_task(pool.enroll("tone", SPEAKER))
        await asyncio.sleep(0)
        given_up.cancel()
        assert await pool.enroll("tone", SPEAKER) == Enrolled(b"160 Hz")
        assert given_up.cancelled()


async def test_an_engine_that_is_not_there_enrolls_nobody() -> None:
    pool = EnginePool(PoolSettings(), {})
    with pytest.raises(EngineUnavailable, match="not started"):
        await pool.enroll("tone", SPEAKER)
    await pool.aclose()
    with pytest.raises(Draining):
        await pool.enroll("tone", SPEAKER)


@pytest.mark.slow
async def test_an_engine_without_the_ability_enrolls_nobody() -> None:
    pool = EnginePool(PoolSettings(), {})
    await pool.start(["espeak"])
    try:
        assert isinstance(pool.engine("espeak"), EngineInfo)
        with pytest.raises(EngineUnavailable, match="enrolls no voices"):
            await pool.enroll("espeak", SPEAKER)
    finally:
        await pool.aclose()
