from __future__ import annotations

import asyncio

import pytest

from saystream.server.web.outbox import Outbox

RESPONSE = "resp_1"


@pytest.fixture
async def outbox() -> Outbox:
    return Outbox(high_bytes=100, low_bytes=20)


async def opens(gate: asyncio.Task[None]) -> bool:
    """Whether a task is over once everything that can run has run."""
    for _ in range(3):
        await asyncio.sleep(0)
    return gate.done()


async def taken(outbox: Outbox, count: int) -> list[str | bytes]:
    """The frames of as many groups, one after the other."""
    return [frame for _ in range(count) for frame in await outbox.take()]


async def test_frames_come_out_in_order(outbox: Outbox) -> None:
    outbox.put(["a", "b"])
    outbox.put(["c"], audio_of=RESPONSE)
    outbox.put([])
    assert len(outbox) == 2
    assert await outbox.take() == ("a", "b")
    assert await outbox.take() == ("c",)
    assert len(outbox) == 0


async def test_a_taker_waits_for_the_next_frame(outbox: Outbox) -> None:
    taker = asyncio.create_task(outbox.take())
    assert not await opens(taker)  # type: ignore[arg-type]
    outbox.put(["late"])
    assert await taker == ("late",)


async def test_a_closed_outbox_ends_after_its_last_frame(outbox: Outbox) -> None:
    outbox.put(["last"])
    outbox.close()
    assert await outbox.take() == ("last",)
    assert await outbox.take() == ()
    assert await outbox.take() == ()


async def test_a_close_wakes_the_taker(outbox: Outbox) -> None:
    taker = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    outbox.close()
    assert await taker == ()


async def test_who_makes_audio_waits_above_the_high_mark_until_the_low_one(outbox: Outbox) -> None:
    await outbox.writable()
    for _ in range(5):
        outbox.put(["x" * 20], audio_of=RESPONSE)
    await outbox.writable()
    outbox.put(["x"], audio_of=RESPONSE)
    writer = asyncio.create_task(outbox.writable())
    await taken(outbox, 4)
    assert not await opens(writer)
    await outbox.take()
    assert await opens(writer)


async def test_audio_that_nobody_reads_does_not_keep_answers_back(outbox: Outbox) -> None:
    outbox.put(["x" * 500], audio_of=RESPONSE)
    assert await opens(asyncio.create_task(outbox.answerable()))


async def test_answers_that_nobody_reads_keep_back_answers_and_audio(outbox: Outbox) -> None:
    for _ in range(3):
        outbox.put(["x" * 50])
    reader = asyncio.create_task(outbox.answerable())
    writer = asyncio.create_task(outbox.writable())
    await taken(outbox, 2)
    assert not await opens(reader)
    assert not await opens(writer)
    await outbox.take()
    assert await opens(reader)
    assert await opens(writer)


async def test_dropped_audio_makes_room_and_leaves_the_rest_in_order(outbox: Outbox) -> None:
    outbox.put(["created"])
    outbox.put(["x" * 500], audio_of=RESPONSE)
    outbox.put(["cleared"])
    outbox.put(["y" * 50], audio_of="resp_2")
    writer = asyncio.create_task(outbox.writable())
    assert not await opens(writer)
    assert outbox.drop_audio(RESPONSE)
    assert not outbox.drop_audio(RESPONSE)
    assert not await opens(writer)
    assert await taken(outbox, 3) == ["created", "cleared", "y" * 50]
    assert await opens(writer)


async def test_frames_that_were_put_together_are_dropped_or_taken_together(outbox: Outbox) -> None:
    outbox.put(["event", b"audio"], audio_of=RESPONSE)
    outbox.put(["event 2", b"audio 2"], audio_of=RESPONSE)
    outbox.put(["other"])
    assert await outbox.take() == ("event", b"audio")
    assert outbox.drop_audio(RESPONSE)
    assert await outbox.take() == ("other",)
