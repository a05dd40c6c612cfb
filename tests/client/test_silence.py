from __future__ import annotations

import asyncio
from collections.abc import Callable

from saystream.client.silence import SilenceAlarm

from .virtual_time import on_virtual_time


def rings() -> tuple[list[float], Callable[[], None]]:
    """The times at which an alarm rang, and what it calls."""
    times: list[float] = []
    return times, lambda: times.append(asyncio.get_running_loop().time())


@on_virtual_time
async def test_it_rings_once_after_the_limit() -> None:
    times, ring = rings()
    alarm = SilenceAlarm(90, ring)
    alarm.start()
    await asyncio.sleep(1000)
    assert times == [90]
    assert alarm.rang


@on_virtual_time
async def test_what_is_heard_starts_the_time_again() -> None:
    times, ring = rings()
    alarm = SilenceAlarm(90, ring)
    alarm.start()
    for _ in range(5):
        await asyncio.sleep(60)
        alarm.heard()
    await asyncio.sleep(1000)
    assert times == [5 * 60 + 90]


@on_virtual_time
async def test_time_stands_still_while_it_is_held() -> None:
    times, ring = rings()
    alarm = SilenceAlarm(90, ring)
    alarm.start()
    alarm.hold()
    await asyncio.sleep(1000)
    alarm.heard()
    await asyncio.sleep(89)
    assert times == []
    await asyncio.sleep(2)
    assert times == [1090]


@on_virtual_time
async def test_a_stopped_alarm_does_not_ring() -> None:
    times, ring = rings()
    alarm = SilenceAlarm(90, ring)
    alarm.stop()
    alarm.start()
    alarm.stop()
    await asyncio.sleep(1000)
    assert times == []


@on_virtual_time
async def test_without_a_limit_it_never_rings() -> None:
    times, ring = rings()
    alarm = SilenceAlarm(None, ring)
    alarm.start()
    await asyncio.sleep(1000)
    assert times == []
