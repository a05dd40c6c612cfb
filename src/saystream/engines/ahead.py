"""Steps of a stream that several threads may take, and one reads in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

__all__ = ["StepsAhead"]

StepT = TypeVar("StepT")

_DEPTH = 8
"""Steps beyond the one that is read next: what is made of them is kept until it is read."""


class StepsAhead(Generic[StepT]):
    """``in_order`` gives the results of steps; a step that no other thread has taken is done by its reader.

    So a stream whose steps do not need one another is made on one core or on several, as there are.
    """

    def __init__(self) -> None:
        self.on_steps: Callable[[], None] = lambda: None
        """Called by the reader when there are steps to take."""
        self._lock = threading.Lock()
        self._steps: Sequence[Callable[[], StepT]] = ()
        self._next = 0
        """The step that is read next."""
        self._taken: dict[int, Future[StepT]] = {}

    def in_order(self, steps: Sequence[Callable[[], StepT]]) -> Generator[StepT, None, None]:
        """Raises what a step raises, in its place. One reading at a time."""
        with self._lock:
            self._steps, self._next, self._taken = steps, 0, {}
        try:
            for place, step in enumerate(steps):
                mine = self._claim(place)
                if place == 0:
                    self.on_steps()
                if mine is not None:
                    self._do(step, mine)
                result = self._taken[place].result()
                with self._lock:
                    del self._taken[place]
                    self._next = place + 1
                yield result
        finally:
            with self._lock:
                self._steps = ()

    def take(self) -> Callable[[], None] | None:
        """The first step that nobody has taken, for whoever calls this to do; ``None`` if there is none."""
        with self._lock:
            for place in self._near():
                if place not in self._taken:
                    future = self._taken[place] = Future()
                    return partial(self._do, self._steps[place], future)
        return None

    @property
    def num_steps(self) -> int:
        """How many could be taken now."""
        with self._lock:
            return sum(place not in self._taken for place in self._near())

    @property
    def next_is_taken(self) -> bool:
        """Whether what is read next is there, or being made by another thread."""
        return self._next in self._taken

    def _near(self) -> range:
        return range(self._next, min(len(self._steps), self._next + _DEPTH))

    def _claim(self, place: int) -> Future[StepT] | None:
        with self._lock:
            if place in self._taken:
                return None
            self._taken[place] = Future()
            return self._taken[place]

    @staticmethod
    def _do(step: Callable[[], StepT], future: Future[StepT]) -> None:
        try:
            future.set_result(step())
        except BaseException as error:  # the reader's, whoever did the step
            future.set_exception(error)
