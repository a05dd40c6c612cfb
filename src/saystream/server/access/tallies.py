"""What keys have used in the last minute and have open now: counted in this process, or in Redis for several.

Rates are sliding windows of a minute, as in the ``limits`` package: the count of this window, plus the share of the
window before that still overlaps the last minute. This needs two numbers for each key, and no window exceeds a limit.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import TYPE_CHECKING, Protocol

import structlog
from limits.aio.storage import MemoryStorage

from saystream.errors import ConfigurationError

if TYPE_CHECKING:
    from limits.aio.storage import RedisStorage
    from redis.asyncio import Redis

__all__ = ["LocalTally", "SharedTally", "Tally"]

WINDOW_S = 60
"""Limits are per minute."""

ANSWER_WITHIN_S = 1.0
"""If Redis takes longer, that counts as no answer: a reader of the realtime door is waiting."""

ASK_AGAIN_AFTER_S = 5.0
"""Without an answer, Redis is not asked again for this long, and every process counts by itself."""

LEASE_S = 60
"""An open session of a process that died counts for at most this long."""

_RENEW_S = 20.0
_MAX_LEFT = 10_000
"""Leases to be ended while Redis does not answer; the oldest of more will have expired."""
_CONNECTIONS = 16
_PREFIX = "saystream"

_ENTER = """
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""

_RENEW = """
local now = redis.call('TIME')
local ends = tonumber(now[1]) + tonumber(now[2]) / 1000000 + tonumber(ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[i]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""

_log = structlog.get_logger(__name__)


class Tally(Protocol):
    """Counts for keys. Nothing here is secret or text: ``key_id`` and ``kind`` are names."""

    async def take(self, kind: str, key_id: str, *, limit: int, amount: int) -> float | None:
        """Counts ``amount``, at most ``limit``, and returns ``None`` if the last minute has room for it.

        Else it counts nothing, and returns the seconds until there is room.
        """

    async def enter(self, key_id: str, *, limit: int) -> str | None:
        """Counts a session as open if fewer than ``limit`` are, and returns its name for ``leave``; else ``None``."""

    def leave(self, key_id: str, session: str) -> None:
        """The session is no longer open."""


class LocalTally:
    """Counts in this process, without ever waiting."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._open: defaultdict[str, set[str]] = defaultdict(set)

    async def take(self, kind: str, key_id: str, *, limit: int, amount: int) -> float | None:
        return await _take(self._storage, f"{kind}/{key_id}", limit, amount)

    async def enter(self, key_id: str, *, limit: int) -> str | None:
        if not self.has_room(key_id, limit=limit):
            return None
        session = token_hex(8)
        self.add(key_id, session)
        return session

    def has_room(self, key_id: str, *, limit: int) -> bool:
        """Whether one more session would be let in."""
        return len(self.open_sessions().get(key_id, ())) < limit

    def add(self, key_id: str, session: str) -> None:
        """Add a session that was admitted elsewhere."""
        self._open[key_id].add(session)

    def leave(self, key_id: str, session: str) -> None:
        sessions = self._open.get(key_id, set())
        sessions.discard(session)
        if not sessions:
            self._open.pop(key_id, None)

    def open_sessions(self) -> dict[str, set[str]]:
        """The names of the open sessions by key."""
        return self._open


class SharedTally:
    """Counts in Redis, for all processes that use the same one.

    While Redis does not answer, each process counts by itself, so limits apply in each of them separately; the
    log says when that begins and ends. A session is a lease that its process renews.
    """

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._storage = _redis_storage(redis)
        self._enter = redis.register_script(_ENTER)
        self._renew = redis.register_script(_RENEW)
        self._clock = clock
        self._local = LocalTally()
        self._asked_again_at_s = float("-inf")
        self._down = False
        self._left: deque[tuple[str, str]] = deque(maxlen=_MAX_LEFT)
        self._work = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str) -> AsyncIterator[SharedTally]:
        """Counts in the Redis at ``url``, which need not answer yet. Raises ConfigurationError."""
        redis = _client(url)
        tally = cls(redis)
        keeper = asyncio.create_task(tally.keep_leases())
        try:
            yield tally
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
            await tally.settle()
            await redis.aclose()

    async def take(self, kind: str, key_id: str, *, limit: int, amount: int) -> float | None:
        try:
            async with self._asking():
                return await _take(self._storage, f"{kind}/{key_id}", limit, amount)
        except _NoAnswer:
            return await self._local.take(kind, key_id, limit=limit, amount=amount)

    async def enter(self, key_id: str, *, limit: int) -> str | None:
        session = token_hex(8)
        try:
            async with self._asking():
                if not await self._enter(keys=[_sessions_of(key_id)], args=[limit, LEASE_S, session]):
                    return None
        except _NoAnswer:
            if not self._local.has_room(key_id, limit=limit):
                self._end_lease(key_id, session)
                return None
        except BaseException:
            self._end_lease(key_id, session)
            raise
        self._local.add(key_id, session)
        return session

    def leave(self, key_id: str, session: str) -> None:
        self._local.leave(key_id, session)
        self._end_lease(key_id, session)

    def _end_lease(self, key_id: str, session: str) -> None:
        """Soon. There may be one also if nobody waited for the answer of Redis."""
        self._left.append((key_id, session))
        self._work.set()

    async def keep_leases(self) -> None:
        """Until cancelled, renews the leases of open sessions and ends those of sessions that were left."""
        renew_at_s = self._clock() + _RENEW_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, renew_at_s - self._clock())):
                    await self._work.wait()
            await self.settle()
            if self._clock() >= renew_at_s:
                renew_at_s = self._clock() + _RENEW_S
                await self.renew()

    async def settle(self) -> None:
        """Ends the leases of sessions that were left. If Redis does not answer, it is asked again at the next renewal,
        and they expire."""
        self._work.clear()
        with suppress(_NoAnswer):
            while self._left:
                key_id, session = self._left[0]
                async with self._asking():
                    await self._redis.zrem(_sessions_of(key_id), session)
                self._left.popleft()

    async def renew(self) -> None:
        """Renews the leases of all open sessions, including any that Redis does not know or has lost."""
        for key_id, sessions in list(self._local.open_sessions().items()):
            with suppress(_NoAnswer):
                async with self._asking():
                    await self._renew(keys=[_sessions_of(key_id)], args=[LEASE_S, *sessions])

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Raises _NoAnswer if Redis does not answer, or did not a moment ago."""
        from redis.exceptions import RedisError

        if self._clock() < self._asked_again_at_s:
            raise _NoAnswer
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                yield
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._asked_again_at_s = self._clock() + ASK_AGAIN_AFTER_S
            if not self._down:
                self._down = True
                _log.error(
                    "redis does not answer; every process counts limits by itself", error=type(error).__name__
                )
            raise _NoAnswer from None
        if self._down:
            self._down = False
            _log.info("redis answers again")


class _NoAnswer(Exception):
    pass


async def _take(storage: MemoryStorage | RedisStorage, name: str, limit: int, amount: int) -> float | None:
    if await storage.acquire_sliding_window_entry(name, limit, WINDOW_S, amount):
        return None
    before, before_ttl_s, now, now_ttl_s = await storage.get_sliding_window(name, WINDOW_S)
    room = limit - amount - now
    if room >= 0:
        # There is room once the window before this one has faded enough.
        return max(0.0, before_ttl_s - WINDOW_S * room / before) if before else 0.0
    # This window has to end, and then to fade too.
    return now_ttl_s - WINDOW_S + WINDOW_S * (1 - (limit - amount) / now)


def _sessions_of(key_id: str) -> str:
    return f"{_PREFIX}:sessions:{key_id}"


def _client(url: str) -> Redis:
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise ConfigurationError(
            "limits_url needs the package redis: install 'saystream[server,redis]'", param="limits_url"
        ) from None
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=ANSWER_WITHIN_S,
            retry=Retry(NoBackoff(), 1),  # once: the connection may be to a Redis that has restarted since
        )
    except ValueError:
        # Not chained: its message may quote the URL, and so the password.
        raise ConfigurationError(
            "limits_url is not a Redis URL; an example is 'redis://127.0.0.1:6379/0'", param="limits_url"
        ) from None
    return Redis.from_pool(pool)


def _redis_storage(redis: Redis) -> RedisStorage:
    from limits.aio.storage import RedisStorage

    return RedisStorage(
        "async+redis://",  # not used: ``redis`` supplies the connections
        implementation="redispy",
        key_prefix=_PREFIX,
        connection_pool=redis.connection_pool,  # type: ignore[arg-type]
    )
