from __future__ import annotations

import asyncio

import numpy as np
import pytest

from saystream.config import PoolSettings
from saystream.engines.base import Span
from saystream.errors import (
    Overloaded,
)
from saystream.hosting.front import EngineLoad
from saystream.hosting.playback import Playback
from saystream.hosting.streams import PoolStream

from .pools import LONG_TEXT, REQUEST, heard, load_of, pool_of, say, spoken

pytestmark = pytest.mark.slow

# --- speaking


async def test_a_stream_gives_exactly_what_the_engine_says_at_its_rate() -> None:
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


async def test_a_hundred_streams_over_four_slots_all_speak_their_own_text() -> None:
    texts = ["word " * (1 + n % 7) for n in range(100)]
    async with pool_of(PoolSettings(hosts_per_engine=2), concurrency=2) as pool:
        assert load_of(pool).hosts == 2
        streams = [say(pool, text, Playback(n)) for n, text in enumerate(texts)]
        assert load_of(pool).running == 4
        assert load_of(pool).waiting == 96
        for text, audio in zip(texts, await asyncio.gather(*map(heard, streams)), strict=True):
            np.testing.assert_array_equal(audio, spoken(text))
        assert load_of(pool) == EngineLoad(engine="tone", hosts=2, restarts=0, waiting=0, running=0)


async def test_an_incremental_engine_speaks_while_text_comes() -> None:
    async with pool_of(incremental=True) as pool:
        stream = pool.open("tone", REQUEST, playback=Playback(0))
        assert load_of(pool).running == 0
        for _ in range(3):
            stream.push(Span("word "))
            await anext(stream)
        stream.end_input()
        assert not [chunk async for chunk in stream if chunk.duration_ms == 0]
        assert load_of(pool).running == 0


async def test_a_stream_that_waits_for_its_text_holds_no_slot() -> None:
    async with pool_of(concurrency=1) as pool:
        early = pool.open("tone", REQUEST, playback=Playback(0))
        early.push(Span("first"))
        assert len(await heard(say(pool, "second")))
        early.end_input()
        np.testing.assert_array_equal(await heard(early), spoken("first"))


async def test_text_after_the_end_of_input_is_a_bug_of_the_caller() -> None:
    async with pool_of() as pool:
        stream = say(pool, "text")
        stream.end_input()
        with pytest.raises(RuntimeError, match="end_input"):
            stream.push(Span("more"))
        stream.cancel()


async def test_the_stream_whose_listener_runs_dry_first_goes_first() -> None:
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


async def test_one_stream_more_than_may_wait_is_refused_and_the_others_speak() -> None:
    async with pool_of(PoolSettings(max_waiting=2), concurrency=1) as pool:
        streams = [say(pool, LONG_TEXT), say(pool, "a"), say(pool, "b")]
        with pytest.raises(Overloaded, match="2"):
            say(pool, "c")
        assert all(len(audio) for audio in await asyncio.gather(*map(heard, streams)))


async def test_audio_that_nobody_reads_stays_bounded_and_is_all_there_later() -> None:
    text = LONG_TEXT[:400]  # 27 s of audio
    async with pool_of(PoolSettings(buffered_audio_s=1.0), concurrency=2, real_time_factor=0.05) as pool:
        unread = say(pool, text)
        await heard(say(pool, text))  # as long to make as the unread one
        assert 1000 < unread.buffered_ms < 10_000
        np.testing.assert_array_equal(await heard(unread), spoken(text))
        assert unread.buffered_ms == pytest.approx(0, abs=1e-6)


# --- cancelling


async def test_a_cancelled_stream_ends_at_once_and_its_slot_goes_to_the_next() -> None:
    async with pool_of(concurrency=1, real_time_factor=1.0) as pool:
        endless, following = say(pool, LONG_TEXT), say(pool, "a")
        await anext(endless)
        endless.cancel()
        assert [chunk async for chunk in endless] == []
        async with asyncio.timeout(60):
            await anext(following)
        following.cancel()


async def test_a_cancelled_waiting_stream_never_runs() -> None:
    async with pool_of(concurrency=1) as pool:
        first, second = say(pool, LONG_TEXT), say(pool, "text")
        second.cancel()
        assert load_of(pool).waiting == 0
        assert len(await heard(second)) == 0
        first.cancel()


async def test_a_cancelled_stream_wakes_its_reader() -> None:
    async with pool_of(concurrency=1) as pool:
        stream = pool.open("tone", REQUEST, playback=Playback(0))
        reader = asyncio.create_task(heard(stream))
        await asyncio.sleep(0)
        stream.cancel()
        assert len(await reader) == 0


async def test_cancelling_again_or_after_the_end_is_harmless() -> None:
    async with pool_of() as pool:
        stream = say(pool, "text")
        await heard(stream)
        stream.cancel()
        stream.cancel()
        other = pool.open("tone", REQUEST, playback=Playback(0))
        other.cancel()
        other.cancel()
        other.push(Span("ignored"))
        other.end_input()
        assert len(await heard(other)) == 0
        assert len(await heard(say(pool, "text")))


async def test_a_cancelled_stream_lets_a_later_one_of_its_session_start() -> None:
    session = Playback(0)
    async with pool_of() as pool:
        first = pool.open("tone", REQUEST, playback=session)
        second = say(pool, "text", session)
        first.cancel()
        assert len(await heard(second))


async def test_with_fewer_turns_than_slots_streams_take_turns_and_only_their_turns_count_as_work() -> None:
    async with pool_of(concurrency=2, parallel=1, real_time_factor=0.1) as pool:
        await heard(say(pool, "So its speed is known."))
        long, short = say(pool, LONG_TEXT), say(pool, "Just a few words.")
        assert load_of(pool).running == 2
        np.testing.assert_array_equal(await heard(short), spoken("Just a few words."))
        assert load_of(pool).running == 1
        assert short.waited_ms > 0
        long.cancel()


# --- admission


async def test_a_new_session_waits_while_another_needs_all_of_the_engine_and_comes_next() -> None:
    async with pool_of(concurrency=1, first_chunk_delay_ms=100) as pool:
        first, second = say(pool, LONG_TEXT), say(pool, "text")
        assert (load_of(pool).running, load_of(pool).held) == (1, 1)
        await heard(first)
        np.testing.assert_array_equal(await heard(second), spoken("text"))
        assert load_of(pool).held == 0


async def test_a_session_that_sounds_is_not_held_up_by_the_line() -> None:
    sounding = Playback(0)
    async with pool_of(concurrency=1, first_chunk_delay_ms=100) as pool:
        running, held = say(pool, LONG_TEXT), say(pool, "held")
        sounding.audio_sent(60_000, asyncio.get_running_loop().time() * 1000)
        following = say(pool, "text", sounding)
        assert load_of(pool).held == 1
        running.cancel()
        await heard(following)
        await heard(held)


async def test_a_session_that_has_waited_too_long_is_refused_and_the_others_go_on() -> None:
    settings = PoolSettings(admission_timeout_s=0.05)
    async with pool_of(settings, concurrency=1, real_time_factor=0.01) as pool:
        running, late = say(pool, LONG_TEXT), say(pool, "late")
        with pytest.raises(Overloaded, match=r"within 0\.05 s\. 1 sessions"):
            await heard(late)
        np.testing.assert_array_equal(await heard(running), spoken(LONG_TEXT))
        np.testing.assert_array_equal(await heard(say(pool, "again")), spoken("again"))


async def test_one_too_many_in_the_line_is_refused_at_once() -> None:
    async with pool_of(PoolSettings(max_held_sessions=1), concurrency=1, first_chunk_delay_ms=300) as pool:
        running, held = say(pool, "text"), say(pool, "held")
        with pytest.raises(Overloaded, match="1 sessions are already waiting"):
            say(pool, "too many")
        held.cancel()
        again = say(pool, "again")
        await heard(running)
        await heard(again)


async def test_a_fast_engine_lets_everybody_in_once_its_speed_is_known() -> None:
    async with pool_of(concurrency=1) as pool:
        await heard(say(pool, LONG_TEXT))
        streams = [say(pool, "text") for _ in range(20)]
        assert load_of(pool).held == 0
        await asyncio.gather(*map(heard, streams))
