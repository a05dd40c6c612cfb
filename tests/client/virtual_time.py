"""A loop whose clock jumps to the next timer instead of waiting for it. Not for tests with sockets or threads."""

from __future__ import annotations

import asyncio
import functools
import inspect
import selectors
from collections.abc import Awaitable, Callable, Mapping
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing will ever happen in this test")
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """``time()`` starts at 0 and passes only while nothing is left to do."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def on_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test on a VirtualTimeLoop of its own."""

    async def whole(arguments: Mapping[str, Any]) -> None:
        await test(**arguments)

    def run(**arguments: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(whole(arguments))

    # The name, the place and the arguments, but pytest is to see a plain function.
    updated: Any = functools.update_wrapper(run, test)
    del updated.__wrapped__
    updated.__signature__ = inspect.signature(test)
    return run
