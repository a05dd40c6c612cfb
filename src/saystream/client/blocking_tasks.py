"""The pool of the task door for programs without an event loop: the same calls, each of which blocks its caller."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from typing import Any, Self, TypeVar, Unpack

from saystream.client.speech import Speech
from saystream.client.tasks import TaskPool, TaskSettings
from saystream.errors import InvalidState
from saystream.protocol.task.client import TaskAudio, TaskOutput

__all__ = ["BlockingSpeech", "BlockingTaskPool"]

_Result = TypeVar("_Result")


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="saystream tasks", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Wait for ``work``; whatever interrupts the caller cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


class BlockingTaskPool:
    """``TaskPool`` with blocking calls, from any number of threads; the arguments are the same."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._pool = TaskPool(*args, **options)
        self._loop: _Loop | None = None

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise InvalidState("the pool is open already")
        self._loop = _Loop()
        try:
            self._loop.call(self._pool.__aenter__())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """As ``TaskPool.close``."""
        if self._loop is not None:
            loop, self._loop = self._loop, None
            loop.call(self._pool.close())
            loop.stop()

    @property
    def num_idle(self) -> int:
        """As ``TaskPool.num_idle``."""
        return self._pool.num_idle

    def task(self, *, model: str, **settings: Unpack[TaskSettings]) -> AbstractContextManager[BlockingSpeech]:
        """As ``TaskPool.task``."""
        return self._entered(self._pool.task(model=model, **settings))

    def speak(
        self, text: str, *, model: str, **settings: Unpack[TaskSettings]
    ) -> AbstractContextManager[BlockingSpeech]:
        """As ``TaskPool.speak``."""
        return self._entered(self._pool.speak(text, model=model, **settings))

    def synthesize(self, text: str, *, model: str, **settings: Unpack[TaskSettings]) -> bytes:
        """As ``TaskPool.synthesize``."""
        return self._running().call(self._pool.synthesize(text, model=model, **settings))

    def _entered(self, task: AbstractAsyncContextManager[Speech]) -> AbstractContextManager[BlockingSpeech]:
        return _entered(self._running(), task)

    def _running(self) -> _Loop:
        if self._loop is None:
            raise InvalidState("the pool is not open")
        return self._loop


class BlockingSpeech:
    """``Speech`` with blocking calls."""

    def __init__(self, speech: Speech, loop: _Loop) -> None:
        self._speech = speech
        self._loop = loop

    @property
    def task_id(self) -> str:
        """As ``Speech.task_id``."""
        return self._speech.task_id

    @property
    def characters(self) -> int:
        """As ``Speech.characters``."""
        return self._speech.characters

    def send(self, text: str) -> None:
        """As ``Speech.send``."""
        self._loop.call(self._speech.send(text))

    def flush(self) -> None:
        """As ``Speech.flush``."""
        self._loop.call(self._speech.flush())

    def finish(self) -> None:
        """As ``Speech.finish``."""
        self._loop.call(self._speech.finish())

    def cancel(self) -> None:
        """As ``Speech.cancel``."""
        self._loop.call(self._speech.cancel())

    def close(self) -> None:
        """As ``Speech.close``."""
        self._loop.call(self._speech.close())

    def __iter__(self) -> Iterator[TaskOutput]:
        """As iterating a ``Speech``."""
        while (event := self._loop.call(self._speech.next())) is not None:
            yield event

    def audio(self) -> Iterator[bytes]:
        """As ``Speech.audio``."""
        for event in self:
            if isinstance(event, TaskAudio):
                yield event.audio


@contextmanager
def _entered(loop: _Loop, task: AbstractAsyncContextManager[Speech]) -> Iterator[BlockingSpeech]:
    speech = loop.call(_enter(task))
    try:
        yield BlockingSpeech(speech, loop)
    finally:
        loop.call(_leave(task))


async def _enter(task: AbstractAsyncContextManager[Speech]) -> Speech:
    return await task.__aenter__()


async def _leave(task: AbstractAsyncContextManager[Speech]) -> None:
    await task.__aexit__(None, None, None)
