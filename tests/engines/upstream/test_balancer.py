from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from client.virtual_time import on_virtual_time
from saystream.engines.upstream.balancer import Balancer, Upstream
from saystream.engines.upstream.failures import Failure, Verdict, unreachable
from saystream.errors import EngineFailed, EngineUnavailable, Overloaded

from .doubles import ScriptedServer

PROBE_S = 10.0
FAILED = Failure(EngineFailed("It failed."), Verdict.SUSPECT)
BUSY = Failure(Overloaded("It is busy."), Verdict.BUSY)


@asynccontextmanager
async def balanced(*servers: ScriptedServer) -> AsyncIterator[Balancer]:
    clock = asyncio.get_running_loop().time
    balancer = Balancer(servers, probe_s=PROBE_S, probe_timeout_s=3.0, clock=clock)
    for upstream in balancer.upstreams:
        await balancer.look(upstream)
    balancer.watch()
    yield balancer
    await balancer.aclose()
    assert all(server.closed for server in servers)


async def borrow(balancer: Balancer, *tried: Upstream, said_busy: tuple[Upstream, ...] = ()) -> Upstream:
    return await balancer.borrow(tried=set(tried), said_busy=set(said_busy))


async def names(balancer: Balancer, count: int) -> str:
    return "".join([(await borrow(balancer)).server.name for _ in range(count)])


@on_virtual_time
async def test_the_least_busy_server_is_asked_and_equals_take_turns() -> None:
    async with balanced(ScriptedServer("a"), ScriptedServer("b")) as balancer:
        assert await names(balancer, 4) == "abab"


@on_virtual_time
async def test_a_server_that_takes_more_gets_more() -> None:
    async with balanced(ScriptedServer("a", concurrency=1), ScriptedServer("b", concurrency=3)) as balancer:
        assert sorted(await names(balancer, 4)) == list("abbb")


@on_virtual_time
async def test_a_request_waits_for_room_and_gets_it() -> None:
    async with balanced(ScriptedServer("a", concurrency=1)) as balancer:
        first = await borrow(balancer)
        second = asyncio.create_task(borrow(balancer))
        await asyncio.sleep(1)
        assert not second.done()
        await balancer.give_back(first)
        assert await second is first
        assert first.active == 1


@on_virtual_time
async def test_a_server_that_was_tried_is_the_last_choice() -> None:
    async with balanced(ScriptedServer("a", concurrency=1), ScriptedServer("b", concurrency=4)) as balancer:
        a, b = balancer.upstreams
        assert await borrow(balancer, a) is b
        assert await borrow(balancer, a) is b
        assert await borrow(balancer, a, b) is a


@on_virtual_time
async def test_a_busy_server_is_left_alone_for_a_second() -> None:
    async with balanced(ScriptedServer("a"), ScriptedServer("b")) as balancer:
        a, b = balancer.upstreams
        balancer.note(a, BUSY)
        assert await names(balancer, 3) == "bbb"
        await asyncio.sleep(1.1)
        assert await borrow(balancer) is a
        assert b.fault is None


@on_virtual_time
async def test_a_busy_server_is_left_alone_for_as_long_as_it_says() -> None:
    async with balanced(ScriptedServer("a"), ScriptedServer("b")) as balancer:
        a, _ = balancer.upstreams
        balancer.note(a, Failure(BUSY.fault, Verdict.BUSY, busy_s=7))
        await asyncio.sleep(6)
        assert await names(balancer, 3) == "bbb"
        await asyncio.sleep(2)
        assert await borrow(balancer) is a


@on_virtual_time
async def test_when_all_have_said_that_they_are_busy_the_request_is_not_made_to_wait() -> None:
    async with balanced(ScriptedServer("a"), ScriptedServer("b")) as balancer:
        with pytest.raises(Overloaded, match="a, b"):
            await borrow(balancer, said_busy=balancer.upstreams)


@on_virtual_time
async def test_a_server_that_is_down_is_left_out_and_looked_after_until_it_answers() -> None:
    server = ScriptedServer("a")
    async with balanced(server, ScriptedServer("b")) as balancer:
        a, _ = balancer.upstreams
        server.health = unreachable("a", "connection refused")
        balancer.note(a, server.health)
        assert await names(balancer, 3) == "bbb"
        looks: list[float] = []
        server.on_probe = lambda: looks.append(asyncio.get_running_loop().time())
        await asyncio.sleep(100)
        # At once, after half a second, and after twice as long each time, to half a minute at most.
        assert looks == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5]
        server.health = None
        await asyncio.sleep(30)
        assert a.fault is None
        assert await borrow(balancer) is a


@on_virtual_time
async def test_a_server_that_stops_answering_is_found_out_without_a_request() -> None:
    server = ScriptedServer("a")
    async with balanced(server) as balancer:
        server.hangs = True
        await asyncio.sleep(PROBE_S + 3.2)
        assert await names(balancer, 1) == "a"  # it may only have much to do
        await asyncio.sleep(3.5)
        with pytest.raises(EngineUnavailable, match="a did not answer within 3 s"):
            await borrow(balancer)
        server.hangs = False
        await asyncio.sleep(5)
        assert await names(balancer, 1) == "a"


@on_virtual_time
async def test_a_doubt_is_settled_at_once_and_takes_nobody_out() -> None:
    server = ScriptedServer("a")
    async with balanced(server) as balancer:
        (a,) = balancer.upstreams
        probes = server.probes
        balancer.note(a, FAILED)
        assert a.fault is None
        await asyncio.sleep(0.001)
        assert server.probes == probes + 1


@on_virtual_time
async def test_a_refused_request_is_no_doubt_about_the_server() -> None:
    server = ScriptedServer("a")
    async with balanced(server) as balancer:
        probes = server.probes
        balancer.note(balancer.upstreams[0], Failure(EngineFailed("Bad voice."), Verdict.FINE, final=True))
        await asyncio.sleep(0.001)
        assert server.probes == probes


@on_virtual_time
async def test_a_server_that_is_costly_to_look_at_is_only_looked_at_in_doubt() -> None:
    server = ScriptedServer("a", free_to_probe=False)
    async with balanced(server) as balancer:
        probes = server.probes
        await asyncio.sleep(1000)
        assert server.probes == probes
        balancer.note(balancer.upstreams[0], FAILED)
        await asyncio.sleep(1)
        assert server.probes == probes + 1


@on_virtual_time
async def test_whoever_waits_for_room_is_told_when_the_last_server_goes_down() -> None:
    server = ScriptedServer("a", concurrency=1)
    async with balanced(server) as balancer:
        held = await borrow(balancer)
        waiting = asyncio.create_task(borrow(balancer))
        await asyncio.sleep(1)
        server.health = unreachable("a", "connection refused")
        balancer.note(held, server.health)
        with pytest.raises(EngineUnavailable, match="connection refused"):
            await waiting


@on_virtual_time
async def test_with_no_server_the_reason_of_each_is_given() -> None:
    async with balanced(ScriptedServer("a"), ScriptedServer("b")) as balancer:
        for upstream in balancer.upstreams:
            balancer.note(upstream, unreachable(upstream.server.name, "connection refused"))
        with pytest.raises(EngineUnavailable, match="server a cannot.* server b cannot"):
            await borrow(balancer)
