"""What every streaming step on samples looks like, and how steps are chained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from saystream.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saystream.audio import Samples

__all__ = ["Stage", "flush_all", "push_all", "within"]


class Stage(Protocol):
    """One streaming step on mono float32 audio."""

    @property
    def delay_ms(self) -> float:
        """At most this much input goes in before the first output comes."""

    def push(self, samples: Samples) -> list[Samples]:
        """Take any number of samples; return what is ready, in arrays that are never empty."""

    def flush(self) -> list[Samples]:
        """The rest. Nothing may be pushed afterwards."""


def push_all(stages: Sequence[Stage], stretches: Iterable[Samples]) -> list[Samples]:
    """``stretches`` sent through ``stages`` one after the other."""
    ready = list(stretches)
    for stage in stages:
        ready = [output for samples in ready for output in stage.push(samples)]
    return ready


def flush_all(stages: Sequence[Stage]) -> list[Samples]:
    """What all stages held back, each part sent through the stages that follow."""
    rest: list[Samples] = []
    for position, stage in enumerate(stages):
        rest += push_all(stages[position + 1 :], stage.flush())
    return rest


def within(param: str, value: float, allowed: tuple[float, float]) -> float:
    """``value``. Raises ``InvalidValue`` outside ``allowed``, and for NaN."""
    low, high = allowed
    if not low <= value <= high:
        raise InvalidValue(param, value, f"a number from {low} to {high}")
    return value
