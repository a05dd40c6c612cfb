"""How many connections the file descriptors of this process allow."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from saystream.config import Settings

__all__ = ["budget_connections", "connections_within"]

_FOR_ITSELF = 64
"""The log, the database, pipes of the loop, and what a library opens for a moment."""
_PER_ENGINE_PROCESS = 16
"""One that runs, and another that is being started in its place."""
_PER_UPLOAD = 8
_RESERVED_SHARE = 4
"""One of so many descriptors is for audio files, and for connections that are accepted only to be refused."""

_log = structlog.get_logger(__name__)


def budget_connections(settings: Settings) -> int:
    """Raise the soft limit of descriptors as far as needed and possible. Returns how many connections there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reserved = len(os.listdir("/dev/fd")) + _reserved(settings)
    wanted = settings.limits.max_connections
    needed = (wanted + reserved) * _RESERVED_SHARE // (_RESERVED_SHARE - 1) + 1
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = _raised(needed, hard) or soft
    allowed = wanted if soft == resource.RLIM_INFINITY else connections_within(soft, reserved)
    if allowed < wanted:
        _log.warning(
            "file descriptors allow fewer connections than the limits",
            connections=allowed,
            max_connections=wanted,
            max_sessions=settings.limits.max_sessions,
            remedy=f"ulimit -n {needed}",
        )
    return min(allowed, wanted)


def connections_within(num_descriptors: int, reserved: int) -> int:
    """Of ``num_descriptors``, those for connections; at least one."""
    return max(1, num_descriptors - num_descriptors // _RESERVED_SHARE - reserved)


def _reserved(settings: Settings) -> int:
    engines = len(settings.wanted_engines) * settings.pool.hosts_per_engine
    return _FOR_ITSELF + engines * _PER_ENGINE_PROCESS + settings.uploads.max_concurrent * _PER_UPLOAD


def _raised(needed: int, hard: int) -> int | None:
    soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (OSError, ValueError):
        return None  # macOS has another limit besides
    return soft
