"""What the tests of the realtime door in trouble share: peers that misbehave, and what a client sees."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from server.live import (
    Event,
    Live,
    Peer,
    audio_of,
    kinds,
    small_socket,
)

TEXT = "Hello there."
LONG_TEXT = "This goes on and on without an end in sight. " * 20
MEGABYTE = 1 << 20


@asynccontextmanager
async def undisturbed(live: Live) -> AsyncIterator[None]:
    """Another session that begins before and goes on after what is done in the block; then nothing is left."""
    async with live.peer() as other:
        assert await speaks(other)
        yield
        await other.append("And it goes on.")
        await other.finish()
        assert kinds(await other.until("session.finished"))[-2:] == ["response.done", "session.finished"]
    await live.quiet()


async def speaks(peer: Peer) -> bool:
    """Whether the session lives on."""
    await peer.append(TEXT)
    await peer.commit()
    events = await peer.until("response.done")
    return bool(audio_of(events)) and events[-1]["response"]["status"] == "completed"


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "mine", **fields})


@asynccontextmanager
async def stalled_peer(live: Live) -> AsyncIterator[Peer]:
    """It has read ``session.created`` and reads nothing any more."""
    async with live.peer(sock=small_socket(live.port), max_queue=1) as peer:
        peer.socket.transport.pause_reading()
        try:
            yield peer
        finally:
            peer.vanish()


async def failed(peer: Peer) -> tuple[list[Event], Event, Event, tuple[int | None, str]]:
    """Until the connection is closed for a fault: events before the error, the error, the response, the close."""
    events, code, reason = await peer.until_closed()
    place = kinds_of(events).index("error")
    assert kinds_of(events)[place:] == [
        "error",
        "response.audio.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    return events[:place], events[place]["error"], events[-1]["response"], (code, reason)


def kinds_of(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


async def refusal(live: Live, key: str | None = None) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The status, the body and the headers of a refused handshake."""
    with pytest.raises(InvalidStatus) as refused:
        async with live.peer(key=key):
            pass
    response = refused.value.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return response.status_code, json.loads(response.body or b"{}"), headers
