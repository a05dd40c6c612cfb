"""Turns timings into the numbers that say whether a server is good enough."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from saystream.bench.load import SessionTiming
from saystream.errors import RemoteProtocolError

__all__ = ["Report", "percentile", "summarise", "table"]

_MAX_CHUNK_LAG_MS = 100.0
"""A session with a chunk later than this stutters; C100 is the share of sessions without one."""
_PLAUSIBLE_S_PER_CHARACTER = (0.03, 0.4)
"""From fast Latin to slow Chinese speech: a server that speaks something else is not measured."""
_DURATION_TOLERANCE = 0.1
"""Time cuts differ from run to run, and a segment's length is rounded; anything beyond this is a wrong answer."""


@dataclass(frozen=True, slots=True)
class Report:
    sessions: int
    failed: int
    """Sessions with an error, without audio, or with audio of another length than most."""
    first_audio_ms: dict[str, float]
    """From the first append to the first delta: p50, p95, p99."""
    chunk_lag_ms: dict[str, float]
    """How much later than due in playback a delta arrived: p50, p95, p99, max."""
    c100_percent: float
    """Sessions with no delta more than 100 ms late."""
    real_time_factor: dict[str, float]
    """First append to last delta, divided by the length of the audio: p50, p95."""
    audio_s: float
    errors: list[str]
    """The distinct ones."""


def summarise(timings: Sequence[SessionTiming], *, num_characters: int) -> Report:
    """``num_characters`` is the length of the text that each session spoke."""
    typical_s = statistics.median(timing.audio_s for timing in timings)
    shortest_s, longest_s = (num_characters * each_s for each_s in _PLAUSIBLE_S_PER_CHARACTER)
    if not shortest_s <= typical_s <= longest_s:
        raise RemoteProtocolError(
            f"{typical_s:.2f} s of sound for {num_characters} characters cannot be speech of that text; expected"
            f" {shortest_s:.1f} to {longest_s:.1f} s"
        )
    good = [timing for timing in timings if _is_right(timing, typical_s)]
    lags_ms = [lag_ms for timing in good for lag_ms in timing.lags_ms]
    first_ms = [
        (timing.first_delta_s - timing.first_append_s) * 1000 for timing in good if timing.first_delta_s
    ]
    factors = [(timing.last_delta_s - timing.first_append_s) / timing.audio_s for timing in good]
    in_time = sum(max(timing.lags_ms) <= _MAX_CHUNK_LAG_MS for timing in good)
    return Report(
        sessions=len(timings),
        failed=len(timings) - len(good),
        first_audio_ms=_percentiles(first_ms, 50, 95, 99),
        chunk_lag_ms=_percentiles(lags_ms, 50, 95, 99, 100),
        c100_percent=round(100 * in_time / len(timings), 2),
        real_time_factor=_percentiles(factors, 50, 95, digits=4),
        audio_s=round(sum(timing.audio_s for timing in good), 1),
        errors=sorted({timing.error for timing in timings if timing.error}),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of ``values`` do not exceed; 0 if there are none."""
    if not values:
        return 0.0
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def table(numbers: dict[str, Any]) -> Table:
    """Two columns for people; nested numbers one per row."""
    result = Table("figure", "value", box=None)
    for name, value in numbers.items():
        if isinstance(value, dict):
            for part, figure in value.items():
                result.add_row(f"{name} {part}", str(figure))
        else:
            result.add_row(name, str(value))
    return result


def _is_right(timing: SessionTiming, typical_s: float) -> bool:
    if timing.error is not None or not timing.audio_s:
        return False
    return abs(timing.audio_s - typical_s) <= _DURATION_TOLERANCE * typical_s


def _percentiles(values: Sequence[float], *percents: int, digits: int = 2) -> dict[str, float]:
    return {
        ("max" if percent == 100 else f"p{percent}"): round(percentile(values, percent), digits)
        for percent in percents
    }
