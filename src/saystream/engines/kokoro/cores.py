"""Cores that a process keeps to, so that its waiting threads take none from other processes."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

__all__ = ["claim_cores", "num_cores"]

_held: list[int] = []
"""Open locks of the cores that this process has claimed: they end with it."""


def num_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def claim_cores(count: int, *, folder: Path | None = None) -> bool:
    """Keep this process to ``count`` of the cores that it may use and that no other process has claimed.

    Changes nothing, and gives False, where so many are not free, where all are wanted, or where the system cannot do
    it. To be called before a library starts its threads.
    """
    if not hasattr(os, "sched_setaffinity"):
        return False
    mine = os.sched_getaffinity(0)
    if count >= len(mine):
        return False
    place = folder or Path(tempfile.gettempdir()) / f"saystream-cores-{os.getuid()}"
    locks = _locks(place, sorted(mine, reverse=True), count)
    if len(locks) < count:
        _release(locks.values())
        return False
    os.sched_setaffinity(0, locks.keys())
    _held.extend(locks.values())
    return True


def _locks(place: Path, cores: Iterable[int], count: int) -> dict[int, int]:
    """Open locks by core, at most ``count``. The last cores first: the first is busy with interrupts and gateways."""
    locks: dict[int, int] = {}
    place.mkdir(mode=0o700, exist_ok=True)
    for core in cores:
        if len(locks) == count:
            break
        lock = os.open(place / str(core), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            locks[core] = lock
    return locks


def _release(locks: Iterable[int]) -> None:
    for lock in locks:
        os.close(lock)
