import asyncio
import threading
from collections.abc import Iterator

import pytest

from saystream.engines.upstream.runtime import Handover, LoopThread
from saystream.engines.upstream.sound import AudioPiece, Encoding

from .fake_server import PATIENCE_S

ENCODING = Encoding("pcm", 24000)


def piece(num_bytes: int) -> AudioPiece:
    return AudioPiece(bytes(num_bytes), ENCODING)


@pytest.fixture
def runtime() -> Iterator[LoopThread]:
    made = LoopThread()
    yield made
    made.close()


def test_the_loop_runs_what_other_threads_ask_of_it(runtime: LoopThread) -> None:
    called = threading.Event()
    runtime.call(called.set)
    assert called.wait(PATIENCE_S)

    async def where() -> threading.Thread:
        return threading.current_thread()

    assert runtime.run(where()) is not threading.current_thread()


def test_an_error_of_the_loop_reaches_who_asked(runtime: LoopThread) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        runtime.run(fail())


def test_what_still_runs_at_the_end_is_cancelled() -> None:
    runtime = LoopThread()
    began, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    tasks: list[asyncio.Future[None]] = []
    runtime.call(lambda: tasks.append(asyncio.ensure_future(wait())))
    assert began.wait(PATIENCE_S)
    runtime.close()
    assert ended.is_set()


def test_pieces_come_in_order_and_then_the_end(runtime: LoopThread) -> None:
    handover = Handover(runtime.loop, max_bytes=100)

    async def give() -> None:
        for num_bytes in (1, 2, 3):
            await handover.put(piece(num_bytes))
        handover.end()

    runtime.run(give())
    assert [len(item.encoded) for item in iter(handover.get, None)] == [1, 2, 3]


def test_an_error_comes_after_what_came_before_it(runtime: LoopThread) -> None:
    handover = Handover(runtime.loop, max_bytes=100)

    async def give() -> None:
        await handover.put(piece(1))
        handover.end(ZeroDivisionError())

    runtime.run(give())
    assert handover.get() == piece(1)
    with pytest.raises(ZeroDivisionError):
        handover.get()


def test_a_task_that_is_ahead_waits_until_half_is_read(runtime: LoopThread) -> None:
    handover = Handover(runtime.loop, max_bytes=10)
    given: list[int] = []
    all_given = threading.Event()

    async def give() -> None:
        for number in range(4):
            await handover.put(piece(6))
            given.append(number)
        all_given.set()

    work = asyncio.run_coroutine_threadsafe(give(), runtime.loop)
    runtime.run(asyncio.sleep(0))
    assert given == [0]  # the second is in, and its giver waits
    assert handover.get() == piece(6)
    runtime.run(asyncio.sleep(0))
    assert given == [0]
    assert handover.get() == piece(6)
    assert handover.get() == piece(6)
    assert handover.get() == piece(6)
    assert all_given.wait(PATIENCE_S)
    work.result()


def test_a_reader_that_waits_wakes_when_nothing_more_is_wanted(runtime: LoopThread) -> None:
    handover = Handover(runtime.loop, max_bytes=10)
    got: list[AudioPiece | None] = []
    reader = threading.Thread(target=lambda: got.append(handover.get()))
    reader.start()
    handover.close()
    reader.join(PATIENCE_S)
    assert got == [None]


def test_what_is_held_is_dropped_when_nothing_more_is_wanted(runtime: LoopThread) -> None:
    handover = Handover(runtime.loop, max_bytes=10)
    runtime.run(handover.put(piece(4)))
    handover.close()
    assert handover.get() is None
