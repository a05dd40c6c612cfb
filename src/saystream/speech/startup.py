"""When a response may begin to be heard: late enough that it does not run dry, and no later.

A listener's clock starts with the first sound. If that is one short word, the next sentence has to be there when the
word has been heard, and on a busy engine it is not. So the first sound is held back until what is there lasts until
more is expected. Where nothing more is known, nothing is held back.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from saystream.speech.events import SegmentBegun

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from saystream.dsp.chain import EncodedAudio
    from saystream.hosting.front import Forecast
    from saystream.speech.events import SegmentFailed

__all__ = ["held_back", "hold_ms"]

_Made = TypeVar("_Made", bound="EncodedAudio | SegmentBegun | SegmentFailed")

_CAUTION = 1.15
"""A forecast of work is taken for this many times as long, and…"""
_CERTAIN = 0.8
"""…one of sound for this share of it."""
_MARGIN_MS = 20.0
"""Time on the way, and a gap that nobody hears."""

_LONGEST_HOLD_MS = 10_000.0
"""Whatever is expected: a listener who hears nothing for longer takes it for a fault."""
_LOOK_AGAIN_MS = 50.0
"""What is expected changes with every other session."""


def hold_ms(lead_ms: float, coming: Iterable[Forecast]) -> float:
    """How much longer ``lead_ms`` of sound should be held back, given what is to follow it, in order. At most 0 if it
    should not."""
    longest_ms = 0.0
    for forecast in coming:
        if forecast.sound_in_ms > 0:
            longest_ms = max(longest_ms, forecast.sound_in_ms * _CAUTION + _MARGIN_MS - lead_ms)
        before_last_ms = max(0.0, forecast.sound_ms - forecast.chunk_ms)
        if before_last_ms and forecast.made_in_ms > 0:
            needed_ms = forecast.made_in_ms * _CAUTION + _MARGIN_MS
            longest_ms = max(longest_ms, needed_ms - lead_ms - before_last_ms)
        lead_ms += forecast.sound_ms * _CERTAIN
    return longest_ms


async def held_back(
    deltas: AsyncGenerator[_Made, None], wait_ms: Callable[[float], float]
) -> AsyncGenerator[_Made, None]:
    """``deltas``, of which the first ones are held back as long as ``wait_ms``, given their duration, is above 0: until
    they end or fail, and ten seconds at most. That a segment has begun is said at once."""
    async for first in deltas:
        if type(first) is SegmentBegun:
            yield first
            continue
        held, held_ms = [first], first.duration_ms
        until_s = asyncio.get_running_loop().time() + _LONGEST_HOLD_MS / 1000
        coming: asyncio.Future[_Made | None] | None = None
        try:
            while (left_s := _left_s(wait_ms(held_ms), until_s)) > 0:
                coming = coming or asyncio.ensure_future(anext(deltas, None))
                await asyncio.wait({coming}, timeout=left_s)
                if coming.done():
                    if coming.exception() is not None or (delta := coming.result()) is None:
                        break
                    held.append(delta)
                    held_ms += delta.duration_ms
                    coming = None
            for each in held:
                yield each
            if coming is not None and (following := await coming) is not None:
                yield following
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
                if not coming.cancelled():
                    coming.exception()  # an error that nobody waits for any more
        break
    async for each in deltas:
        yield each


def _left_s(wait_ms: float, until_s: float) -> float:
    left_s = until_s - asyncio.get_running_loop().time()
    return min(wait_ms / 1000, left_s, _LOOK_AGAIN_MS / 1000)
