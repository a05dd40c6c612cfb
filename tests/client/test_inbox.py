from __future__ import annotations

import asyncio

import pytest

from saystream.client.inbox import Inbox
from saystream.errors import ConnectionLost, InvalidState
from saystream.protocol.realtime.events import ServerEvent, SessionFinished, TextCleared

FIRST, SECOND, THIRD = (TextCleared(event_id=str(number)) for number in range(3))


async def turns(count: int = 5) -> None:
    """Let the other tasks go on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_events_come_out_in_order() -> None:
    inbox = Inbox[ServerEvent](2)
    inbox.put(FIRST)
    inbox.put(SECOND)
    assert [await inbox.next(), await inbox.next()] == [FIRST, SECOND]


async def test_a_waiting_reader_gets_the_event_that_comes() -> None:
    inbox = Inbox[ServerEvent](2)
    waiting = asyncio.create_task(inbox.next())
    await turns()
    inbox.put(FIRST)
    assert await waiting == FIRST


async def test_a_full_inbox_has_room_once_one_is_taken() -> None:
    inbox = Inbox[ServerEvent](2)
    inbox.put(FIRST)
    assert not inbox.full
    inbox.put(SECOND)
    assert inbox.full
    room = asyncio.create_task(inbox.room())
    await turns()
    assert not room.done()
    await inbox.next()
    await room


async def test_an_inbox_that_is_not_full_has_room_at_once() -> None:
    room = asyncio.create_task(Inbox[ServerEvent](1).room())
    await asyncio.sleep(0)
    assert room.done()


async def test_the_end_comes_after_what_is_queued_and_stays() -> None:
    inbox = Inbox[ServerEvent](2)
    inbox.put(FIRST)
    inbox.end(None)
    inbox.put(SECOND)
    assert [await inbox.next() for _ in range(3)] == [FIRST, None, None]


async def test_the_error_of_the_end_is_raised_each_time() -> None:
    inbox = Inbox[ServerEvent](2)
    inbox.put(FIRST)
    inbox.end(ConnectionLost("gone"))
    assert await inbox.next() == FIRST
    for _ in range(2):
        with pytest.raises(ConnectionLost, match="gone"):
            await inbox.next()


async def test_the_first_end_counts() -> None:
    inbox = Inbox[ServerEvent](2)
    inbox.end(ConnectionLost("first"))
    inbox.end(None)
    with pytest.raises(ConnectionLost, match="first"):
        await inbox.next()


async def test_an_end_that_drops_gives_nothing_more() -> None:
    inbox = Inbox[ServerEvent](2)
    inbox.put(SessionFinished())
    inbox.end(None, drop=True)
    assert await inbox.next() is None


async def test_the_end_wakes_who_waits_on_either_side() -> None:
    empty, full = Inbox[ServerEvent](1), Inbox[ServerEvent](1)
    full.put(FIRST)
    reader, writer = asyncio.create_task(empty.next()), asyncio.create_task(full.room())
    await turns()
    empty.end(None)
    full.end(None)
    assert await reader is None
    await writer


async def test_two_readers_at_once_are_refused() -> None:
    inbox = Inbox[ServerEvent](1)
    waiting = asyncio.create_task(inbox.next())
    await turns()
    with pytest.raises(InvalidState):
        await inbox.next()
    inbox.put(FIRST)
    assert await waiting == FIRST


async def test_a_cancelled_reader_loses_nothing() -> None:
    inbox = Inbox[ServerEvent](1)
    waiting = asyncio.create_task(inbox.next())
    await turns()
    inbox.put(THIRD)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert await inbox.next() == THIRD


async def test_an_inbox_tells_what_it_ended_with() -> None:
    inbox = Inbox[ServerEvent](1)
    assert inbox.error is None
    inbox.end(ConnectionLost("gone"))
    assert isinstance(inbox.error, ConnectionLost)
