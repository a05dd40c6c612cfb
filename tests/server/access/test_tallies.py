"""Counting in one process and in Redis: exact under parallel requests, and what happens without an answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio
from limits.aio.storage import memory
from structlog.testing import capture_logs

from saystream.errors import ConfigurationError
from saystream.server.access import tallies
from saystream.server.access.tallies import ASK_AGAIN_AFTER_S, LEASE_S, LocalTally, SharedTally, Tally
from server.live import PATIENCE_S
from server.redis import RedisServer, redis_server

SESSIONS = "saystream:sessions:key_a"


class Clock:
    """Stands in for the module ``time`` too."""

    def __init__(self, seconds: float = 6000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds

    def time(self) -> float:
        return self.seconds


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisServer]:
    monkeypatch.setattr(tallies, "ANSWER_WITHIN_S", 60.0)  # one that answers late is counted without
    async with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
async def shared(server: RedisServer) -> AsyncIterator[SharedTally]:
    async with SharedTally.connected(server.url) as tally:
        yield tally


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[redis.asyncio.Redis]:
    """Looks at what is in Redis."""
    async with redis.asyncio.Redis.from_url(server.url, decode_responses=True) as asking:
        yield asking


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What counting in this process takes for the time of day; 6000 is when a window begins."""
    clock = Clock()
    monkeypatch.setattr(memory, "time", clock)
    return clock


@pytest.fixture(params=["local", "shared"])
async def tally(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Tally]:
    if request.param == "local":
        yield LocalTally()
        return
    monkeypatch.setattr(tallies, "ANSWER_WITHIN_S", 60.0)  # a Redis that answers late is counted without
    async with redis_server(tmp_path) as server, SharedTally.connected(server.url) as shared:
        yield shared


async def test_two_hundred_at_once_never_get_more_than_the_limit(tally: Tally) -> None:
    waits = await asyncio.gather(*(tally.take("requests", "key_a", limit=50, amount=1) for _ in range(200)))
    assert waits.count(None) == 50
    assert all(0 < wait <= 120 for wait in waits if wait is not None)


async def test_two_hundred_at_once_share_the_characters(tally: Tally) -> None:
    amounts = [1 + number % 7 for number in range(200)]
    waits = await asyncio.gather(
        *(tally.take("characters", "key_a", limit=100, amount=amount) for amount in amounts)
    )
    taken = sum(amount for amount, wait in zip(amounts, waits, strict=True) if wait is None)
    assert 100 - 7 < taken <= 100


async def test_keys_and_kinds_are_counted_apart(tally: Tally) -> None:
    for kind, key_id in (("requests", "key_a"), ("requests", "key_b"), ("characters", "key_a")):
        assert await tally.take(kind, key_id, limit=1, amount=1) is None
        assert await tally.take(kind, key_id, limit=1, amount=1) is not None


async def test_a_raised_limit_counts_from_where_the_old_one_stood(tally: Tally) -> None:
    assert await tally.take("requests", "key_a", limit=2, amount=2) is None
    assert await tally.take("requests", "key_a", limit=3, amount=1) is None
    assert await tally.take("requests", "key_a", limit=3, amount=1) is not None


async def test_two_hundred_at_once_never_open_more_sessions_than_the_limit(tally: Tally) -> None:
    sessions = await asyncio.gather(*(tally.enter("key_a", limit=7) for _ in range(200)))
    names = [session for session in sessions if session is not None]
    assert len(names) == len(set(names)) == 7
    assert await tally.enter("key_b", limit=1) is not None

    tally.leave("key_a", names[0])
    async with asyncio.timeout(60):
        while await tally.enter("key_a", limit=7) is None:  # noqa: ASYNC110 - Redis is told a moment later
            await asyncio.sleep(0.005)
    assert await tally.enter("key_a", limit=7) is None


async def test_who_waits_as_long_as_was_said_is_let_in(clock: Clock) -> None:
    tally = LocalTally()
    clock.seconds += 20
    for amount in (30, 50):
        assert await tally.take("characters", "key_a", limit=100, amount=amount) is None
    wait_s = await tally.take("characters", "key_a", limit=100, amount=60)
    # This window goes on for 40 s; then its 80 have to fade to 40.
    assert wait_s == pytest.approx(40 + 30)

    clock.seconds += 70 - 1
    still_s = await tally.take("characters", "key_a", limit=100, amount=60)
    assert still_s == pytest.approx(1)
    clock.seconds += 1
    assert await tally.take("characters", "key_a", limit=100, amount=60) is None


async def test_in_no_minute_more_than_twice_the_limit_is_taken(clock: Clock) -> None:
    tally, taken_at_s = LocalTally(), []
    clock.seconds += 55
    for _ in range(1200):
        if await tally.take("requests", "key_a", limit=10, amount=1) is None:
            taken_at_s.append(clock.seconds)
        clock.seconds += 0.25
    busiest = max(sum(start <= at < start + 60 for at in taken_at_s) for start in taken_at_s)
    assert 10 <= busiest <= 20
    assert len(taken_at_s) >= 10 * 5


async def test_a_session_that_is_left_twice_is_left_once() -> None:
    tally = LocalTally()
    first, second = await tally.enter("key_a", limit=2), await tally.enter("key_a", limit=2)
    assert first is not None and second is not None
    tally.leave("key_a", first)
    tally.leave("key_a", first)
    assert await tally.enter("key_a", limit=2) is not None
    assert await tally.enter("key_a", limit=2) is None


async def test_nothing_is_kept_of_keys_that_have_no_session_open() -> None:
    tally = LocalTally()
    assert await tally.enter("key_b", limit=0) is None
    session = await tally.enter("key_a", limit=1)
    assert session is not None
    tally.leave("key_a", session)
    assert tally.open_sessions() == {}


PROGRAM = """
import asyncio, sys
from saystream.server.access import tallies
from saystream.server.access.tallies import SharedTally
tallies.ANSWER_WITHIN_S = 60.0
async def main():
    async with SharedTally.connected(sys.argv[1]) as tally:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        waits = await asyncio.gather(*(tally.take("requests", "key_a", limit=50, amount=1) for _ in range(100)))
        sessions = await asyncio.gather(*(tally.enter("key_a", limit=7) for _ in range(100)))
        print(waits.count(None), 100 - sessions.count(None), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
"""


async def test_two_processes_that_share_redis_share_the_limits(server: RedisServer) -> None:
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, server.url, stdin=pipe, stdout=pipe
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None and await process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
    counted = [[int(word) for word in (await process.stdout.readline()).split()] for process in processes]  # type: ignore[union-attr]
    print("requests and sessions taken by each process:", counted)
    assert [sum(kind) for kind in zip(*counted, strict=True)] == [50, 7]
    for process in processes:
        await process.communicate(b"\n")
        assert process.returncode == 0


async def test_a_session_of_a_process_that_died_is_forgotten(
    shared: SharedTally, client: redis.asyncio.Redis
) -> None:
    seconds, _ = await client.time()
    await client.zadd(SESSIONS, {"of one that died": seconds - 1, "of one that lives": seconds + 1000})
    assert await shared.enter("key_a", limit=2) is not None
    assert await shared.enter("key_a", limit=2) is None
    assert 0 < await client.ttl(SESSIONS) <= LEASE_S


async def test_open_sessions_are_leased_again_also_when_redis_forgot_them(
    shared: SharedTally, client: redis.asyncio.Redis
) -> None:
    session = await shared.enter("key_a", limit=1)
    assert session is not None
    await client.flushall()
    await shared.renew()
    assert await client.zrange(SESSIONS, 0, -1) == [session]
    assert await shared.enter("key_a", limit=1) is None


async def test_leases_are_renewed_as_time_goes_by(
    server: RedisServer, client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "_RENEW_S", 0.01)
    async with SharedTally.connected(server.url) as tally:
        session = await tally.enter("key_a", limit=1)
        await client.flushall()
        async with asyncio.timeout(PATIENCE_S):
            while not (leased := await client.zrange(SESSIONS, 0, -1)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert leased == [session]


async def test_at_the_end_no_session_is_left_in_redis(
    server: RedisServer, client: redis.asyncio.Redis
) -> None:
    async with SharedTally.connected(server.url) as tally:
        session = await tally.enter("key_a", limit=1)
        assert session is not None
        assert await client.zcard(SESSIONS) == 1
        tally.leave("key_a", session)
    assert await client.zcard(SESSIONS) == 0


async def test_a_session_whose_peer_left_before_redis_answered_takes_no_room(
    server: RedisServer, shared: SharedTally, client: redis.asyncio.Redis
) -> None:
    assert await shared.enter("key_b", limit=1) is not None  # Redis knows the script from now on
    server.hang()
    entering = asyncio.create_task(shared.enter("key_a", limit=1))
    await asyncio.sleep(0.1)  # the question is on its way
    entering.cancel()
    await asyncio.wait({entering})
    server.go_on()
    await client.time()
    await _no_session_is_open(client)


async def test_sessions_of_a_time_without_redis_take_no_room_afterwards(
    server: RedisServer, client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("ANSWER_WITHIN_S", 0.2), ("ASK_AGAIN_AFTER_S", 0.0), ("_RENEW_S", 0.2)):
        monkeypatch.setattr(tallies, name, seconds)
    async with SharedTally.connected(server.url) as tally:
        early = await tally.enter("key_a", limit=2)
        assert early is not None
        server.hang()
        late = await tally.enter("key_a", limit=2)
        assert late is not None
        assert await tally.enter("key_a", limit=2) is None
        for session in (early, late):
            tally.leave("key_a", session)
        server.go_on()
        await _no_session_is_open(client)


async def _no_session_is_open(client: redis.asyncio.Redis) -> None:
    """Soon, and without waiting for a lease to expire."""
    async with asyncio.timeout(PATIENCE_S):
        while await client.zcard(SESSIONS):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_without_redis_a_process_counts_by_itself_and_says_so_once(
    server: RedisServer, clock: Clock
) -> None:
    now = Clock()
    asking = redis.asyncio.Redis.from_url(server.url)
    tally = SharedTally(asking, clock=now)
    early = await tally.enter("key_a", limit=2)
    assert early is not None
    await server.stop()
    with capture_logs() as logs:
        waits = [await tally.take("requests", "key_a", limit=3, amount=1) for _ in range(5)]
        assert waits.count(None) == 3
        # What is open counts on.
        sessions = [await tally.enter("key_a", limit=2) for _ in range(2)]
        assert [session is None for session in sessions] == [False, True]
        tally.leave("key_a", early)
        await tally.settle()
        await tally.renew()
        now.seconds += ASK_AGAIN_AFTER_S
        assert await tally.take("requests", "key_a", limit=3, amount=1) is not None
    assert [(log["log_level"], log["event"]) for log in logs] == [
        ("error", "redis does not answer; every process counts limits by itself")
    ]

    await server.start()
    now.seconds += ASK_AGAIN_AFTER_S
    with capture_logs() as logs:
        assert await tally.take("requests", "key_a", limit=3, amount=1) is None
    assert [log["event"] for log in logs] == ["redis answers again"]
    await asking.aclose()


async def test_a_redis_that_hangs_holds_nobody_up(
    server: RedisServer, shared: SharedTally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "ANSWER_WITHIN_S", 2.0)
    server.hang()
    async with asyncio.timeout(60):
        waits = [await shared.take("requests", "key_a", limit=3, amount=1) for _ in range(50)]
    assert waits.count(None) == 3


@pytest.mark.parametrize(
    "url", ["memory://", "secret", "redis://:secret@[half", "redis://:secret@host:port/0"]
)
async def test_what_is_no_address_of_redis_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="limits_url is not a Redis URL") as caught:
        async with SharedTally.connected(url):
            pass
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"saystream\[server,redis\]"):
        async with SharedTally.connected("redis://127.0.0.1"):
            pass
