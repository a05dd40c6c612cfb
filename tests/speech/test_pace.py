"""The clock of a session: lateness, and how long it waits."""

from __future__ import annotations

import asyncio

import pytest

from client.virtual_time import on_virtual_time
from saystream.audio import Mark
from saystream.dsp.chain import EncodedAudio
from saystream.speech.pace import Pace

DELTA = EncodedAudio(b"..", 100.0, (Mark(0, 1, 0.0, 10.0),))


@on_virtual_time
async def test_what_comes_after_the_listener_ran_dry_is_late() -> None:
    pace = Pace()
    first = pace.sent(DELTA)
    assert (first.encoded, first.duration_ms, first.late_ms, first.marks) == (b"..", 100.0, 0, DELTA.marks)
    await asyncio.sleep(0.25)
    assert pace.sent(DELTA).late_ms == pytest.approx(150)


@on_virtual_time
async def test_nothing_is_late_once_silence_is_nobodys_fault() -> None:
    for silence in (Pace.silenced, Pace.interrupted, Pace.silenced_if_dry):
        pace = Pace()
        pace.sent(DELTA)
        await asyncio.sleep(0.25)
        silence(pace)
        assert pace.sent(DELTA).late_ms == 0


@on_virtual_time
async def test_a_listener_who_still_hears_something_has_not_run_dry() -> None:
    pace = Pace()
    pace.sent(DELTA)
    pace.silenced_if_dry()
    await asyncio.sleep(0.25)
    assert pace.sent(DELTA).late_ms == pytest.approx(150)


@on_virtual_time
async def test_a_wait_ends_with_a_wake_or_at_its_time() -> None:
    pace = Pace()
    asyncio.get_running_loop().call_later(1, pace.wake)
    assert await pace.wait(None)
    assert pace.now_ms() == 1000
    assert not await pace.wait(1500)
    assert pace.now_ms() == 1500
