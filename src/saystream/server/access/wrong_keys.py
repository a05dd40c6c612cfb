"""Slows down those who try keys that do not exist."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WrongKeys"]

_BURST = 20
"""Wrong keys that an address may send at once: a program with an old key in its configuration is told so each time."""

_MOST_ADDRESSES = 10_000
"""Remembered, about 200 bytes each; the one that was heard of longest ago goes first."""


class WrongKeys:
    """How many wrong keys came from each address, as a bucket that drains at a steady rate."""

    def __init__(self, *, per_minute: float, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds that never go back."""
        self._interval_s = 60.0 / per_minute
        self._clock = clock
        self._empty_at_s: OrderedDict[str, float] = OrderedDict()
        """When the bucket of an address will have drained."""

    def wait_s(self, peer: str) -> float:
        """How long ``peer`` must wait before another wrong key would be heard; 0 if it need not."""
        empty_at_s = self._empty_at_s.get(_network(peer), 0.0)
        return max(0.0, empty_at_s - self._clock() - (_BURST - 1) * self._interval_s)

    def count(self, peer: str) -> None:
        """A wrong key came from ``peer``."""
        network, now_s = _network(peer), self._clock()
        self._empty_at_s[network] = max(now_s, self._empty_at_s.get(network, 0.0)) + self._interval_s
        self._empty_at_s.move_to_end(network)
        if len(self._empty_at_s) > _MOST_ADDRESSES:
            self._empty_at_s.popitem(last=False)


def _network(peer: str) -> str:
    """Who has one address of IPv6 has the other 2⁶⁴ of its network too."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    return peer if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
