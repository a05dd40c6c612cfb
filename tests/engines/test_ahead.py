from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.ahead import StepsAhead

PATIENCE_S = 60.0


def steps_to(count: int) -> list[Callable[[], int]]:
    return [partial(int, number) for number in range(count)]


def test_a_reader_alone_does_every_step_in_order() -> None:
    done: list[int] = []
    steps = [partial(done.append, number) for number in range(4)]
    for place, _ in enumerate(StepsAhead[None]().in_order(steps)):
        assert done == list(range(place + 1))


def test_steps_that_others_have_taken_are_not_done_again() -> None:
    ahead = StepsAhead[int]()
    done: list[int] = []

    def step(number: int) -> int:
        done.append(number)
        return number

    results = ahead.in_order([partial(step, number) for number in range(4)])
    assert next(results) == 0
    assert (ahead.num_steps, ahead.next_is_taken) == (3, False)
    for _ in range(2):
        take = ahead.take()
        assert take is not None
        take()
    assert (ahead.num_steps, ahead.next_is_taken) == (1, True)
    assert list(results) == [1, 2, 3]
    assert done == [0, 1, 2, 3]


def test_a_reader_waits_for_a_step_that_another_thread_does() -> None:
    ahead = StepsAhead[int]()
    results = ahead.in_order(steps_to(3))
    next(results)
    step = ahead.take()
    assert step is not None
    read: list[int] = []
    reader = threading.Thread(target=lambda: read.append(next(results)))
    reader.start()
    assert read == []
    step()
    reader.join(PATIENCE_S)
    assert read == [1]


def test_what_a_step_raises_comes_to_the_reader_in_its_place() -> None:
    def fail() -> int:
        raise ValueError("of the step")

    ahead = StepsAhead[int]()
    results = ahead.in_order([lambda: 1, lambda: 2, fail])
    next(results)
    for _ in range(2):
        take = ahead.take()
        assert take is not None
        take()
    assert next(results) == 2
    with pytest.raises(ValueError, match="of the step"):
        next(results)


@pytest.mark.parametrize("read_to_the_end", [True, False])
def test_after_the_end_there_is_nothing_to_take(read_to_the_end: bool) -> None:
    ahead = StepsAhead[int]()
    assert (ahead.take(), ahead.next_is_taken) == (None, False)
    results = ahead.in_order(steps_to(3))
    if read_to_the_end:
        assert list(results) == [0, 1, 2]
    else:
        next(results)
        results.close()
    assert (ahead.take(), ahead.num_steps) == (None, 0)


def test_no_more_is_made_than_soon_will_be_read() -> None:
    ahead = StepsAhead[int]()
    results = ahead.in_order(steps_to(100))
    next(results)
    taken = 0
    while (step := ahead.take()) is not None:
        step()
        taken += 1
    assert taken == 8
    next(results)
    assert ahead.num_steps == 1


def test_whoever_waits_for_steps_is_told_when_there_are_some() -> None:
    ahead = StepsAhead[int]()
    left: list[int] = []
    ahead.on_steps = lambda: left.append(ahead.num_steps)
    assert list(ahead.in_order(steps_to(3))) == [0, 1, 2]
    assert list(ahead.in_order(())) == []
    assert left == [2]


@given(order=st.lists(st.sampled_from("rt"), max_size=60), count=st.integers(0, 20))
def test_results_come_in_order_whoever_does_the_steps(order: Sequence[str], count: int) -> None:
    ahead = StepsAhead[int]()
    results = ahead.in_order(steps_to(count))
    read: list[int] = []
    for turn in order:
        if turn == "r":
            read += [result for result in [next(results, None)] if result is not None]
        elif (step := ahead.take()) is not None:
            step()
    assert [*read, *results] == list(range(count))
