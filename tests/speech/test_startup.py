"""A response begins when it will not run dry, and no later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.virtual_time import on_virtual_time
from fake_pool import FakePool
from saystream.dsp.chain import EncodedAudio
from saystream.errors import EngineCrashed
from saystream.hosting.front import Forecast
from saystream.speech.events import ResponseAudio, ResponseEnded, ResponseStarted
from saystream.speech.startup import held_back, hold_ms

from .sessions import THREE_SENTENCES, heard, listening, now_s, session_on

DELTA = EncodedAudio(b"..", 100.0)


# --- the rule


def test_nothing_is_held_back_if_nothing_is_known_to_follow() -> None:
    assert hold_ms(40, []) == 0
    assert hold_ms(40, [Forecast(0, 5000), Forecast(0, 5000)]) == 0


def test_a_short_first_segment_waits_for_a_late_second_one() -> None:
    assert hold_ms(500, [Forecast(0, 0), Forecast(2000, 3000)]) == pytest.approx(2000 * 1.15 + 20 - 500)


def test_a_long_first_segment_does_not_wait() -> None:
    assert hold_ms(200, [Forecast(0, 4000), Forecast(2000, 3000)]) == 0


def test_what_comes_soon_does_not_bridge_a_later_wait() -> None:
    assert hold_ms(500, [Forecast(100, 500), Forecast(2000, 0)]) == pytest.approx(2320 - 900)


def test_sound_that_is_made_more_slowly_than_it_is_heard_waits_until_the_rest_will_be_there_in_time() -> None:
    slow = Forecast(0, 10_000, made_in_ms=12_000, chunk_ms=1200)
    assert hold_ms(1200, [slow]) == pytest.approx(12_000 * 1.15 + 20 - 1200 - 8800)
    assert hold_ms(6000, [slow]) == 0
    fast = Forecast(0, 10_000, made_in_ms=5000, chunk_ms=1200)
    assert hold_ms(1200, [fast]) == 0
    assert hold_ms(0, [Forecast(0, 1000, made_in_ms=1000, chunk_ms=1000)]) == 0, "it is the last"


@given(
    lead_ms=st.floats(0, 5000),
    coming=st.lists(st.builds(Forecast, st.floats(0, 5000), st.floats(0, 5000)), max_size=4),
)
def test_after_the_hold_each_sound_comes_before_the_one_before_has_ended(
    lead_ms: float, coming: list[Forecast]
) -> None:
    left_ms = lead_ms + hold_ms(lead_ms, coming)
    for forecast in coming:
        assert forecast.sound_in_ms == 0 or left_ms > forecast.sound_in_ms
        left_ms += forecast.sound_ms


# --- the holding back


async def came(deltas: AsyncGenerator[EncodedAudio, None]) -> list[float]:
    return [now_s() async for _ in deltas]


async def one_each(*pauses_s: float, fault: Exception | None = None) -> AsyncGenerator[EncodedAudio, None]:
    for pause_s in pauses_s:
        await asyncio.sleep(pause_s)
        yield DELTA
    if fault is not None:
        raise fault


@on_virtual_time
async def test_held_sound_leaves_together_as_soon_as_there_is_enough() -> None:
    began_s = now_s()
    times = await came(held_back(one_each(0, 1, 1, 1), lambda held_ms: 300 - held_ms))
    assert [time - began_s for time in times] == pytest.approx([2, 2, 2, 3])


@on_virtual_time
async def test_it_leaves_when_the_time_has_come_although_nothing_follows() -> None:
    began_s = now_s()
    times = await came(held_back(one_each(0, 5), lambda _: (began_s + 1.5 - now_s()) * 1000))
    assert [time - began_s for time in times] == pytest.approx([1.5, 5])


@on_virtual_time
async def test_the_end_releases_it() -> None:
    began_s = now_s()
    times = await came(held_back(one_each(0, 1), lambda _: 60_000))
    assert [time - began_s for time in times] == pytest.approx([1, 1])
    assert await came(held_back(one_each(), lambda _: 60_000)) == []


@on_virtual_time
async def test_nothing_is_held_back_longer_than_ten_seconds() -> None:
    began_s = now_s()
    times = await came(held_back(one_each(0, 30), lambda _: 60_000))
    assert [time - began_s for time in times] == pytest.approx([10, 30])


@on_virtual_time
async def test_a_fault_comes_after_the_sound_before_it() -> None:
    taken = []
    with pytest.raises(EngineCrashed):
        async for delta in held_back(one_each(0, 1, fault=EngineCrashed("gone")), lambda _: 60_000):
            taken.append(delta)
    assert taken == [DELTA, DELTA]


@on_virtual_time
async def test_a_listener_who_leaves_leaves_nothing_behind() -> None:
    for fault, pause_s in ((None, 5.0), (EngineCrashed("gone"), 0.0)):
        deltas = one_each(0, fault=fault) if fault else one_each(0, pause_s)
        waits_ms = iter([10.0, 10.0, 0.0])
        passing = held_back(deltas, lambda _, waits_ms=waits_ms: next(waits_ms))  # type: ignore[misc]
        assert await anext(passing) == DELTA
        await asyncio.sleep(0.1)
        await passing.aclose()
        await deltas.aclose()


# --- in a session


@on_virtual_time
async def test_the_first_sound_of_a_session_waits_for_the_second_segment() -> None:
    pool = FakePool()
    pool.forecasts = {2: Forecast(1000, 2000)}
    pool.speak = lambda text: iter([1.0, 300] if pool.texts[1:] == [text] else [300])
    session = session_on(pool)
    session.push(THREE_SENTENCES)
    began_s = now_s()
    listener = await heard(session)
    assert listener.times_of(ResponseStarted) == [began_s]
    assert listener.times_of(ResponseAudio)[0] - began_s == pytest.approx(1.0, abs=0.06)
    assert max(audio.late_ms for audio in listener.audio) == 0


@on_virtual_time
async def test_text_that_will_be_cut_later_is_waited_for() -> None:
    pool = FakePool()
    pool.speak = lambda text: iter([0.2, 300])
    pool.next_forecast = Forecast(200, 1000)
    session = session_on(pool)
    async with listening(session) as listener:
        began_s = now_s()
        session.push("Hello there. And now it goes")
        first_s = await listener.until(ResponseAudio)
        assert 0.4 < first_s - began_s < 0.7
    assert max(audio.late_ms for audio in listener.audio) == 0


@on_virtual_time
async def test_a_cancel_while_sound_is_held_back_ends_in_silence() -> None:
    pool = FakePool()
    pool.forecasts = {2: Forecast(60_000, 2000)}
    pool.speak = lambda text: iter([300] if pool.texts[:1] == [text] else [60.0])
    session = session_on(pool)
    async with listening(session) as listener:
        session.push(THREE_SENTENCES)
        await listener.until(ResponseStarted)
        await asyncio.sleep(1)
        session.cancel()
        assert await listener.until(ResponseEnded) == now_s()
        assert listener.audio == []
