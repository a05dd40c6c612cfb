"""The engine's event loop, in its own thread, and what passes between it and the threads that read."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

from saystream.engines.upstream.sound import AudioPiece

__all__ = ["Handover", "LoopThread"]

_Result = TypeVar("_Result")
_Args = TypeVarTuple("_Args")


class LoopThread:
    """A running event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="upstream-loop", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[*_Args], object], *args: *_Args) -> None:
        """Call it soon, in the loop."""
        self.loop.call_soon_threadsafe(function, *args)

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """What ``work`` returns or raises. Not to be called in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        """Stop it. Whatever still runs in it is cancelled."""
        self.run(_cancel_others())
        self.call(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


async def _cancel_others() -> None:
    while others := asyncio.all_tasks() - {asyncio.current_task()}:  # one may start another as it ends
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Handover:
    """Audio from a task in the loop to the thread that reads it. Holds little: a task that is ahead waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, max_bytes: int) -> None:
        self._loop = loop
        self._max_bytes = max_bytes
        self._queue: queue.SimpleQueue[AudioPiece | BaseException | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._held_bytes = 0
        self._room = asyncio.Event()
        self._task_waits = False
        self._closed = False

    # For the task.

    async def put(self, piece: AudioPiece) -> None:
        """Returns when there is room for more."""
        with self._lock:
            self._held_bytes += len(piece.encoded)
            full = self._task_waits = self._held_bytes > self._max_bytes
        self._queue.put(piece)
        if full:
            await self._room.wait()
            self._room.clear()

    def end(self, error: BaseException | None = None) -> None:
        """No more audio; ``error`` is raised to the reader after the audio before it."""
        self._queue.put(error)

    # For the reading thread.

    def get(self) -> AudioPiece | None:
        """The next piece; ``None`` at the end. Raises the error that the task ended with."""
        item = self._queue.get()
        if self._closed or item is None:
            return None
        if isinstance(item, BaseException):
            raise item
        with self._lock:
            self._held_bytes -= len(item.encoded)
            wake = self._task_waits and self._held_bytes <= self._max_bytes // 2
            if wake:
                self._task_waits = False
        if wake:
            self._loop.call_soon_threadsafe(self._room.set)
        return item

    # For any thread.

    def close(self) -> None:
        """The reader wants no more: it wakes up, and what is held is dropped."""
        self._closed = True
        self._queue.put(None)
