"""A session on an engine that takes text while it speaks."""

from __future__ import annotations

import asyncio

import pytest

from client.virtual_time import on_virtual_time
from fake_pool import FakePool, synthesizer_on
from saystream.errors import Overloaded, TextTooLong
from saystream.speech.events import ResponseAudio, ResponseEnded, SpeechConfig

from .sessions import IDLE_S, THREE_SENTENCES, Listener, listening, session_on, settings, slowly


@on_virtual_time
async def test_an_incremental_engine_gets_the_pieces_as_they_come() -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool)
    pieces = [" ", "Hel", "lo. And", " so ", "on"]
    async with listening(session) as listener:
        for piece in pieces:
            session.push(piece)
            await asyncio.sleep(0.1)
        (stream,) = pool.streams
        assert stream.pieces == [" Hel", "lo. And", " so ", "on"]
        assert not stream.input_ended
        assert len(listener.audio) > 4
        session.commit()
        assert stream.input_ended
        await listener.until(ResponseEnded)
        session.push("Next")
    assert [ended.text for ended in listener.ends] == ["".join(pieces), "Next"]
    assert len(pool.streams) == 2


@on_virtual_time
async def test_text_fed_to_an_engine_counts_as_waiting_until_it_is_spoken() -> None:
    pool = FakePool(incremental=True)
    pool.speak = slowly
    session = synthesizer_on(pool, settings(max_buffered_characters=60)).session(SpeechConfig("Cherry"))
    async with listening(session) as listener:
        session.push("x" * 30)
        await listener.until(ResponseAudio)
        assert session.waiting_characters == 0
        session.push("y" * 60)
        with pytest.raises(TextTooLong, match="1 characters do not fit: 60 of at most 60"):
            session.push("z")
        session.cancel()
        await listener.until(ResponseEnded)
        session.push("z" * 60)


@on_virtual_time
async def test_a_fed_response_ends_when_nothing_came_for_a_while() -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("Hello")
        await asyncio.sleep(0.7)
        session.push(" there")
        assert await listener.until(ResponseEnded) == pytest.approx(0.7 + IDLE_S)
        session.push("Again")
        assert await listener.until(ResponseEnded, 2) == pytest.approx(0.7 + 2 * IDLE_S)
    assert [ended.text for ended in listener.ends] == ["Hello there", "Again"]


@on_virtual_time
async def test_in_commit_mode_an_incremental_engine_gets_the_whole_text_and_the_buffer_is_left_alone() -> (
    None
):
    pool = FakePool(incremental=True)
    session = session_on(pool, server_commit=False)
    async with listening(session) as listener:
        session.push(THREE_SENTENCES)
        session.commit()
        session.push("Not yet.")
        await listener.until(ResponseEnded)
        await asyncio.sleep(10 * IDLE_S)
        assert pool.texts == [THREE_SENTENCES]
        session.push(" Now.")
        session.commit()
    assert pool.texts == [THREE_SENTENCES, "Not yet. Now."]


@on_virtual_time
async def test_a_closed_session_frees_the_engine_that_it_fed() -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool)
    session.push("Hello")
    listener = Listener(session)
    await listener.until(ResponseAudio)
    listener.task.cancel()
    session.close()
    await asyncio.sleep(2 * IDLE_S)
    assert pool.streams[0].cancelled
    assert not pool.streams[0].input_ended


@on_virtual_time
async def test_a_fed_response_can_be_cancelled_and_cleared() -> None:
    pool = FakePool(incremental=True)
    pool.speak = slowly
    session = session_on(pool)
    async with listening(session) as listener:
        session.push("Hello")
        await listener.until(ResponseAudio)
        session.clear()
        assert not pool.streams[0].cancelled
        session.cancel()
        assert pool.streams[0].cancelled
        await listener.until(ResponseEnded)
        session.push("Again")
        session.clear()
        assert pool.streams[1].cancelled
    assert [ended.status for ended in listener.ends] == ["cancelled"]


@pytest.mark.parametrize("server_commit", [True, False])
@on_virtual_time
async def test_text_that_the_engine_refuses_leaves_no_response_and_can_be_sent_again(
    server_commit: bool,
) -> None:
    pool = FakePool(incremental=True)
    session = session_on(pool, server_commit=server_commit)
    pool.refusals.append(Overloaded("busy"))
    if server_commit:
        with pytest.raises(Overloaded):
            session.push("Hello.")
        session.push("Hello.")
    else:
        session.push("Hello.")
        with pytest.raises(Overloaded):
            session.commit()
    async with listening(session) as listener:
        session.commit()
    assert [ended.text for ended in listener.ends] == ["Hello."]
