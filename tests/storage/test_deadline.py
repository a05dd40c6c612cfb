from __future__ import annotations

import asyncio
import time

import pytest

from client.virtual_time import on_virtual_time
from saystream.errors import StoreUnavailable
from saystream.storage.deadline import in_time


class Hanging:
    """Work that does not end when it is cancelled, as a driver whose thread hangs."""

    def __init__(self) -> None:
        self.num_cancelled = 0
        self.end = asyncio.Event()

    async def work(self) -> None:
        while not self.end.is_set():
            try:
                await self.end.wait()
            except asyncio.CancelledError:
                self.num_cancelled += 1


async def answer(after_s: float) -> str:
    await asyncio.sleep(after_s)
    return "answer"


async def fail() -> None:
    raise ValueError("no")


@on_virtual_time
async def test_an_answer_in_time_is_given_and_an_error_raised() -> None:
    assert await in_time(answer(1.9), what="it") == "answer"
    with pytest.raises(ValueError, match="no"):
        await in_time(fail(), what="it")


async def test_a_time_in_which_nothing_ran_does_not_count() -> None:
    """As after a stop of the whole machine: the loop finds the answer later than it may come."""
    asking = asyncio.create_task(in_time(answer(0.1), what="it", within_s=0.2))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251
    assert await asking == "answer"


@on_virtual_time
async def test_what_does_not_answer_is_left_alone_and_named() -> None:
    with pytest.raises(StoreUnavailable, match=r"it does not answer within 2 s"):
        await in_time(answer(2.1), what="it")


@on_virtual_time
async def test_what_hangs_holds_up_neither_its_caller_nor_one_who_leaves() -> None:
    hanging = Hanging()
    with pytest.raises(StoreUnavailable):
        await in_time(hanging.work(), what="it")
    leaving = asyncio.create_task(in_time(hanging.work(), what="it"))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await asyncio.sleep(0)
    assert hanging.num_cancelled == 2
    hanging.end.set()
