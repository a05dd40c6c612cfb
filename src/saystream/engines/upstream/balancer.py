"""Which of several servers gets the next request, and which are left out until they answer again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count

from saystream.engines.upstream.failures import Failure, Verdict
from saystream.engines.upstream.server import Server
from saystream.errors import EngineUnavailable, Overloaded, ServerFault

__all__ = ["Balancer", "Upstream"]

_FIRST_PROBE_DELAY_S = 0.5
_MAX_PROBE_DELAY_S = 30.0
_MAX_DOUBLINGS = 10


class Upstream:
    """A server and its state."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.active = 0
        """Requests in progress."""
        self.fault: ServerFault | None = None
        """Why it is left out; ``None`` while it works."""
        self.busy_until = 0.0
        """It said that it was busy; until then it is the last choice."""
        self.last_used = 0
        self.is_slow = False
        """It did not answer the last probe in time."""
        self.doubted = asyncio.Event()
        """A request failed: the server is probed at once."""

    @property
    def has_room(self) -> bool:
        return self.active < self.server.concurrency


class Balancer:
    """Lends servers to requests: the least busy of those that work. Belongs to one event loop."""

    def __init__(
        self, servers: Iterable[Server], *, probe_s: float, probe_timeout_s: float, clock: Callable[[], float]
    ) -> None:
        self.upstreams = tuple(Upstream(server) for server in servers)
        self._probe_s = probe_s
        self._probe_timeout_s = probe_timeout_s
        self._clock = clock
        self._uses = count(1)
        self._room = asyncio.Condition()
        self._watchers: list[asyncio.Task[None]] = []

    def watch(self) -> None:
        """Start to probe all servers."""
        self._watchers = [asyncio.create_task(self._watch(upstream)) for upstream in self.upstreams]

    async def aclose(self) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for upstream in self.upstreams:
            await upstream.server.aclose()

    async def look(self, upstream: Upstream, *, forgiving: bool = False) -> None:
        """Find out whether it works. With ``forgiving``, a server that worked may miss one probe: it may be late
        because it is busy, and leaving it out would give the others even more to do."""
        was_slow, upstream.is_slow = upstream.is_slow, False
        try:
            async with asyncio.timeout(self._probe_timeout_s):
                await upstream.server.probe()
        except TimeoutError:
            upstream.is_slow = True
            if was_slow or not forgiving:
                name = upstream.server.name
                why = f"The upstream server {name} did not answer within {self._probe_timeout_s:g} s."
                upstream.fault = EngineUnavailable(why)
        except Failure as failure:
            upstream.fault = failure.fault
        else:
            upstream.fault = None
            await self._tell()

    async def borrow(self, *, tried: set[Upstream], said_busy: set[Upstream]) -> Upstream:
        """A server with room; waits until one has some. Return it with ``give_back``.

        A server in ``tried`` is the last choice, one in ``said_busy`` is not chosen. Raises EngineUnavailable while no
        server works, and Overloaded when all of them said that they are busy.
        """
        async with self._room:
            while True:
                well = [upstream for upstream in self.upstreams if upstream.fault is None]
                if not well:
                    raise EngineUnavailable(self.why_none())
                willing = [upstream for upstream in well if upstream not in said_busy]
                if not willing:
                    names = ", ".join(upstream.server.name for upstream in well)
                    raise Overloaded(f"The upstream servers are busy: {names}.")
                free = [upstream for upstream in willing if upstream.has_room]
                if free:
                    chosen = min(free, key=lambda upstream: self._rank(upstream, tried))
                    chosen.active += 1
                    chosen.last_used = next(self._uses)
                    return chosen
                await self._room.wait()

    async def give_back(self, upstream: Upstream) -> None:
        upstream.active -= 1
        await self._tell()

    def note(self, upstream: Upstream, failure: Failure) -> None:
        """A request to it failed."""
        if failure.verdict is Verdict.DOWN:
            upstream.fault = failure.fault
        if failure.verdict is Verdict.BUSY:
            upstream.busy_until = self._clock() + failure.busy_s
        if failure.verdict in (Verdict.DOWN, Verdict.SUSPECT):
            upstream.doubted.set()

    def why_none(self) -> str:
        """What is wrong with each server, in one line."""
        return " ".join(upstream.fault.message for upstream in self.upstreams if upstream.fault is not None)

    def _rank(self, upstream: Upstream, tried: set[Upstream]) -> tuple[bool, bool, float, int]:
        cooling = upstream.busy_until > self._clock()
        return upstream in tried, cooling, upstream.active / upstream.server.concurrency, upstream.last_used

    async def _tell(self) -> None:
        async with self._room:
            self._room.notify_all()

    async def _watch(self, upstream: Upstream) -> None:
        num_failures = 0
        """Probes in a row that failed."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s(upstream, num_failures)):
                    await upstream.doubted.wait()
            upstream.doubted.clear()
            await self.look(upstream, forgiving=True)
            num_failures = 0 if upstream.fault is None else num_failures + 1
            if num_failures == 1:
                await self._tell()  # requests that wait for this server have to look elsewhere

    def _patience_s(self, upstream: Upstream, num_failures: int) -> float | None:
        """Until the next probe, unless a request fails first: short after a failure, then twice as long each time."""
        if upstream.fault is not None:
            doublings = min(max(0, num_failures - 1), _MAX_DOUBLINGS)
            return min(_MAX_PROBE_DELAY_S, _FIRST_PROBE_DELAY_S * 2.0**doublings)
        if upstream.is_slow:
            return _FIRST_PROBE_DELAY_S
        return self._probe_s if upstream.server.probed_when_well else None
