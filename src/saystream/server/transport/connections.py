"""The open connections of one server: how many there may be, and which makes room for a new one."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import structlog

from saystream.errors import Overloaded

__all__ = ["Connections", "Unfinished", "Waiting"]

_MAX_REFUSED = 64
"""Refused connections that are still open, to be told why. More are closed at once."""

_LOG_INTERVAL_S = 10.0

_log = structlog.get_logger(__name__)


class Waiting(Protocol):
    """A connection, as this module sees it."""

    peer: str
    """The address of the other machine."""

    def make_room(self) -> None:
        """Close now."""


class Connections:
    """Counts connections, all and by peer. Those without a request in progress make room for new ones, the one that
    has been so for the longest time first."""

    def __init__(self, *, max_connections: int, max_per_peer: int | None) -> None:
        self._max_connections = max_connections
        self._max_per_peer = max_per_peer
        self._open: set[Waiting] = set()
        self._refused: set[Waiting] = set()
        self._idle: dict[Waiting, None] = {}
        """The longest idle first."""
        self._by_peer: Counter[str] = Counter()
        self._logged_s = -_LOG_INTERVAL_S
        self._unlogged = 0

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Waiting, now_s: float) -> None:
        """Count a new connection; it is idle. Raises Overloaded if there is no room for it."""
        if self._max_per_peer is not None and self._by_peer[connection.peer] >= self._max_per_peer:
            self._refuse(connection, now_s)
            raise Overloaded(
                f"your address has {self._max_per_peer} connections open, as many as it may have"
            )
        if len(self._open) >= self._max_connections:
            if not self._idle:
                self._refuse(connection, now_s)
                raise Overloaded(f"all {self._max_connections} connections of this server are in use")
            self._say(now_s)
            longest = next(iter(self._idle))
            self.leave(longest)
            longest.make_room()
        self._open.add(connection)
        self._by_peer[connection.peer] += 1
        self._idle[connection] = None

    def leave(self, connection: Waiting) -> None:
        """Forget a connection. Leaving twice is harmless."""
        self._refused.discard(connection)
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._idle.pop(connection, None)
        self._by_peer[connection.peer] -= 1
        if not self._by_peer[connection.peer]:
            del self._by_peer[connection.peer]

    def is_told(self, connection: Waiting) -> bool:
        """Whether a refused connection may stay open until it has read why."""
        return connection in self._refused

    def busy(self, connection: Waiting) -> None:
        """A request of it is in progress."""
        self._idle.pop(connection, None)

    def idle(self, connection: Waiting) -> None:
        """No request of it is in progress any more."""
        if connection in self._open:
            self._idle.pop(connection, None)
            self._idle[connection] = None

    def _refuse(self, connection: Waiting, now_s: float) -> None:
        if len(self._refused) < _MAX_REFUSED:
            self._refused.add(connection)
        self._say(now_s)

    def _say(self, now_s: float) -> None:
        self._unlogged += 1
        if now_s - self._logged_s >= _LOG_INTERVAL_S:
            _log.warning(
                "connections refused or closed for lack of room", count=self._unlogged, open=len(self)
            )
            self._logged_s = now_s
            self._unlogged = 0


class Unfinished:
    """Bytes of bodies and messages that have not arrived whole, of all connections together."""

    def __init__(self, max_bytes: int, *, always_bytes: int = 32 * 1024) -> None:
        """Each connection may hold ``always_bytes``, whatever the others hold."""
        self._max_bytes = max_bytes
        self._always_bytes = always_bytes
        self._held: dict[object, int] = {}
        self.num_bytes = 0

    def check(self, num_bytes: int) -> None:
        """Raises Overloaded if a body of ``num_bytes`` has no room beside what is held now."""
        if self.num_bytes + num_bytes > self._max_bytes and num_bytes > self._always_bytes:
            raise Overloaded("the server holds as many unfinished messages as it can; send yours again later")

    def hold(self, owner: object, num_bytes: int) -> None:
        """``owner`` holds ``num_bytes`` now; 0 when its message is whole or lost.

        Raises Overloaded if that is too much; it is counted all the same, until the owner lets go of it.
        """
        self.num_bytes -= self._held.pop(owner, 0)
        try:
            self.check(num_bytes)
        finally:
            self.num_bytes += num_bytes
            if num_bytes:
                self._held[owner] = num_bytes
