from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest

from saystream.server.transport.turns import Share, Turns


class Loop:
    """A clock, and what is due in the next round."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.due: deque[Callable[[], None]] = deque()
        self.done: list[str] = []
        self.turns = Turns(lambda: self.now_s, self.due.append)

    def work(self, name: str, seconds: float) -> Callable[[], None]:
        def handle() -> None:
            self.done.append(name)
            self.now_s += seconds

        return handle

    def next_round(self) -> list[str]:
        """What was done in it."""
        self.done.clear()
        for _ in range(len(self.due)):
            self.due.popleft()()
        return list(self.done)


def test_while_there_is_time_all_is_done_at_once() -> None:
    loop = Loop()
    for number in range(10):
        assert loop.turns.take(Share(), loop.work(str(number), 0.0004))
    assert len(loop.done) == 10
    assert not loop.turns.crowded
    assert loop.next_round() == []
    assert not loop.due


def test_a_round_takes_no_more_time_than_it_may() -> None:
    loop = Loop()
    called = [loop.turns.take(Share(), loop.work(str(number), 0.002)) for number in range(10)]
    assert called == [True] * 3 + [False] * 7
    assert loop.turns.crowded
    assert loop.next_round() == ["3", "4", "5"]
    assert loop.next_round() == ["6", "7", "8"]
    assert loop.next_round() == ["9"]
    assert not loop.turns.crowded
    assert not loop.due


def test_who_has_used_less_comes_first() -> None:
    loop = Loop()
    busy, quiet = Share(), Share()
    loop.turns.take(busy, loop.work("busy", 0.02))
    loop.turns.take(busy, loop.work("busy again", 0.02))
    loop.turns.take(Share(), loop.work("a session", 0.01), as_if_used_s=0.01)
    loop.turns.take(quiet, loop.work("quiet", 0.01))
    assert [loop.next_round() for _ in range(3)] == [["quiet"], ["a session"], ["busy again"]]


def test_what_was_used_is_forgotten() -> None:
    share = Share()
    share.use(0.02, 100.0)
    assert share.used_s(101.0) == pytest.approx(0.01)
    share.use(0.03, 101.0)
    assert share.used_s(103.0) == pytest.approx(0.01)


def test_a_part_of_a_turn_is_done_in_it() -> None:
    loop = Loop()
    share = Share()

    def whole() -> None:
        loop.work("whole", 0.006)()
        assert loop.turns.take(share, loop.work("part", 0.002), as_if_used_s=1.0)

    loop.turns.take(share, whole)
    assert loop.done == ["whole", "part"]
    assert share.used_s(loop.now_s) == pytest.approx(0.008)


def test_a_part_of_a_turn_waits_while_others_wait() -> None:
    loop = Loop()

    def whole() -> None:
        loop.work("whole", 0.006)()
        assert not loop.turns.take(share, loop.work("part", 0.002), as_if_used_s=1.0)

    share = Share()
    loop.turns.take(Share(), loop.work("first", 0.01))
    loop.turns.take(share, whole)
    loop.turns.take(Share(), loop.work("other", 0.01))
    assert [loop.next_round() for _ in range(3)] == [["whole"], ["other"], ["part"]]


def test_one_that_fails_does_not_hold_up_the_others() -> None:
    loop = Loop()

    def fail() -> None:
        loop.now_s += 0.001
        raise RuntimeError("a bug")

    loop.turns.take(Share(), loop.work("first", 0.01))
    loop.turns.take(Share(), fail)
    loop.turns.take(Share(), loop.work("last", 0.01))
    with pytest.raises(RuntimeError):
        loop.next_round()
    assert loop.next_round() == ["last"]
