"""An answer that is sent while it is made, on an ASGI server of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest

from saystream.errors import EngineCrashed
from saystream.server.web.streaming import StreamedAnswer


class Peer:
    """Takes messages, and leaves when it is told to."""

    def __init__(self) -> None:
        self.messages: list[MutableMapping[str, Any]] = []
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


class Chunks:
    """Pieces, and whether they were closed."""

    def __init__(self, *chunks: bytes | Exception, endless: bool = False) -> None:
        self._chunks = chunks
        self._endless = endless
        self.closed = False
        self.waiting = asyncio.Event()

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            for chunk in self._chunks:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
            if self._endless:
                self.waiting.set()
                await asyncio.Event().wait()
        finally:
            self.closed = True


async def answer(chunks: Chunks, peer: Peer, **how: Any) -> None:
    response = StreamedAnswer(chunks(), media_type="audio/wav", **how)
    await response({"type": "http"}, peer.receive, peer.send)


async def test_chunks_go_out_one_by_one_with_no_length_known() -> None:
    peer = Peer()
    chunks = Chunks(b"one", b"two")
    await answer(chunks, peer)
    start, *parts = peer.messages
    assert start["status"] == 200
    assert dict(start["headers"]) == {b"content-type": b"audio/wav"}
    assert [part["body"] for part in parts] == [b"one", b"two", b""]
    assert [part["more_body"] for part in parts] == [True, True, False]
    assert chunks.closed


async def test_what_is_raised_before_the_first_chunk_is_raised_before_anything_is_sent() -> None:
    peer = Peer()
    with pytest.raises(EngineCrashed):
        await answer(Chunks(EngineCrashed("gone")), peer)
    assert not peer.messages


async def test_a_fault_that_comes_later_leaves_the_answer_without_its_end() -> None:
    peer = Peer()
    await answer(Chunks(b"one", EngineCrashed("gone")), peer)
    assert peer.messages[-1]["more_body"]


async def test_a_mistake_of_ours_that_comes_later_is_raised_too() -> None:
    peer = Peer()
    with pytest.raises(KeyError):
        await answer(Chunks(b"one", KeyError("secret")), peer)
    assert peer.messages[-1]["more_body"]


async def test_a_long_chunk_goes_out_in_pieces_that_a_slow_reader_can_take() -> None:
    peer = Peer()
    long = bytes(range(256)) * 1000
    await answer(Chunks(long), peer)
    assert peer.body == long
    assert max(len(message.get("body", b"")) for message in peer.messages) <= 64 * 1024


async def test_a_length_and_a_status_that_are_known_are_told() -> None:
    peer = Peer()
    await answer(Chunks(b"one"), peer, status_code=206, headers={"content-length": "3"})
    assert peer.messages[0]["status"] == 206
    assert dict(peer.messages[0]["headers"])[b"content-length"] == b"3"


@pytest.mark.parametrize("chunks", [(), (b"one",)])
async def test_a_peer_that_leaves_closes_the_chunks_at_once(chunks: tuple[()] | tuple[bytes]) -> None:
    peer = Peer()
    endless = Chunks(*chunks, endless=True)
    answering = asyncio.create_task(answer(endless, peer))
    async with asyncio.timeout(60):
        await endless.waiting.wait()
        peer.left.set()
        await answering
    assert endless.closed


async def test_an_answer_without_a_chunk_is_empty() -> None:
    peer = Peer()
    await answer(Chunks(), peer)
    assert peer.body == b""
    assert not peer.messages[-1]["more_body"]


async def test_an_answer_that_is_cancelled_before_it_began_is_over_all_the_same() -> None:
    told: list[str] = []
    answering = asyncio.create_task(answer(Chunks(b"one"), Peer(), over=lambda: told.append("over")))
    for _ in range(2):
        await asyncio.sleep(0)
        answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert told == ["over"]


async def test_what_is_complete_soon_is_sent_whole_with_its_length() -> None:
    peer = Peer()
    await answer(Chunks(b"one", b"two"), peer, held_s=60.0, completed=bytes.upper)
    assert peer.body == b"ONETWO"
    assert dict(peer.messages[0]["headers"])[b"content-length"] == b"6"


async def test_what_takes_longer_is_sent_as_it_comes() -> None:
    peer = Peer()
    endless = Chunks(b"one", endless=True)
    answering = asyncio.create_task(answer(endless, peer, held_s=0.01, completed=bytes.upper))
    async with asyncio.timeout(60):
        await endless.waiting.wait()
        while not peer.body:  # noqa: ASYNC110 - the peer has no event for it
            await asyncio.sleep(0)
        peer.left.set()
        await answering
    assert peer.body == b"one"
    assert b"content-length" not in dict(peer.messages[0]["headers"])
    assert endless.closed


async def test_what_comes_after_the_hold_follows_in_order() -> None:
    gate = asyncio.Event()

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"one"
        await gate.wait()
        yield b"two"
        yield b"three"

    peer = Peer()
    response = StreamedAnswer(chunks(), media_type="audio/wav", held_s=0.01)
    answering = asyncio.create_task(response({"type": "http"}, peer.receive, peer.send))
    async with asyncio.timeout(60):
        while not peer.body:  # noqa: ASYNC110 - the peer has no event for it
            await asyncio.sleep(0)
        gate.set()
        await answering
    assert peer.body == b"onetwothree"


async def test_an_error_during_the_hold_is_raised_before_anything_is_sent() -> None:
    peer = Peer()
    with pytest.raises(EngineCrashed):
        await answer(Chunks(b"one", EngineCrashed("gone")), peer, held_s=60.0)
    assert peer.messages == []
