"""How long the client waits, and how much it holds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "DEFAULT_TIMEOUTS", "Limits", "Timeouts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. Each wait of the client is limited by one of these."""

    open_s: float = 10.0
    """From the first packet to ``session.created``; in a pool, for a connection that is free."""
    reply_s: float = 10.0
    """For the answer to ``session.update``, ``run-task``, a cancel or a ping."""
    send_s: float = 30.0
    """For a server that does not read to take one frame."""
    receive_s: float | None = 90.0
    """For anything at all to arrive. A server ends an idle session after 60 s, so longer silence means a dead
    connection; ``None`` waits for ever."""
    close_s: float = 3.0
    """For the server's side of the closing handshake; then the socket is dropped."""
    ping_s: float = 15.0
    """A pool looks this often whether its idle connections still answer."""
    idle_s: float = 45.0
    """A pool replaces a connection that had no task for this long: a server closes it after 60 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection may hold in memory."""

    max_frame_bytes: int = 16 * 1024 * 1024
    """A larger frame from the server ends the connection."""
    max_queued_events: int = 64
    """Events that wait for the caller; above this, the socket is not read until the caller has taken some."""


DEFAULT_TIMEOUTS = Timeouts()
DEFAULT_LIMITS = Limits()
