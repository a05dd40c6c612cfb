from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest

from client.virtual_time import on_virtual_time
from saystream.engines.upstream.server import TextFeed, behind_proxy


async def read(feed: TextFeed) -> list[str]:
    async with aclosing(feed.pieces()) as pieces:
        return [piece async for piece in pieces]


@on_virtual_time
async def test_text_is_read_as_it_comes_and_again_from_its_beginning() -> None:
    feed = TextFeed()
    feed.push("one ")
    reading = asyncio.create_task(read(feed))
    await asyncio.sleep(1)
    feed.push("")
    feed.push("two")
    await asyncio.sleep(1)
    assert not reading.done()
    feed.end()
    assert await reading == ["one ", "two"]
    assert await read(feed) == ["one ", "two"]
    assert feed.text == "one two"


@on_virtual_time
async def test_who_wants_to_know_is_told_once_that_the_text_is_complete() -> None:
    feed, told = TextFeed(), []
    feed.when_ended = lambda: told.append(asyncio.get_running_loop().time())
    assert feed.ended_at is None
    await asyncio.sleep(3)
    feed.end()
    feed.end()
    assert told == [3]
    assert feed.ended_at == 3


@on_virtual_time
async def test_what_no_wire_carries_becomes_a_blank() -> None:
    feed = TextFeed()
    feed.push("a\0\ud800\udfffb é 你 \x1b")
    assert feed.text == "a   b é 你 \x1b"
    json.dumps(feed.text).encode()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8091/v1", False),
        ("http://127.9.9.9", False),
        ("ws://[::1]:8321", False),
        ("http://localhost:1", False),
        ("http://10.0.0.7:8091", True),
        ("https://dashscope.example", True),
    ],
)
def test_this_machine_is_behind_no_proxy(url: str, expected: bool) -> None:
    assert behind_proxy(url) is expected
