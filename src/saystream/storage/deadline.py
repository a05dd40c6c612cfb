"""A time limit for what asks a database, also if its driver hangs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from saystream.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["ANSWER_WITHIN_S", "in_time"]

ANSWER_WITHIN_S = 2.0
"""A request that needs the database is refused after this time."""

_STEPS = 10
"""The time is waited for in steps, so that one in which the whole machine stands still is hardly any."""

T = TypeVar("T")

_running: set[asyncio.Task[Any]] = set()


async def in_time(work: Coroutine[Any, Any, T], *, what: str, within_s: float = ANSWER_WITHIN_S) -> T:
    """What ``work`` returns, or raises.

    Raises StoreUnavailable, naming ``what`` did not answer, after ``within_s``. The work is cancelled then, as when the
    caller is, but not waited for: drivers wait for a thread or a socket that may never answer. How many are left so is
    limited by the connections of their engine.
    """
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_ended)
    try:
        for _ in range(_STEPS):
            done, _ = await asyncio.wait({task}, timeout=within_s / _STEPS)
            if done:
                break
    finally:
        task.cancel()  # does nothing if it is done
    if not task.done():
        raise StoreUnavailable(f"{what} does not answer within {within_s:g} s")
    return task.result()


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # nobody may be left to hear of it
