"""Keys at the task door: what they limit, and what is left of them when they are revoked."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from saystream.protocol.task.events import SentenceEnd, TaskFailed
from saystream.server.access.keys import KeyChanges, KeyStore, NewKey
from saystream.storage import open_store
from server.live import Live

from .task_peer import SAMBERT, TaskPeer, task_peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "Hello there."  # 12 billed characters


async def new_key(live: Live, **limits: Any) -> NewKey:
    chosen: KeyChanges = limits  # type: ignore[assignment]
    async with open_store(live.settings) as engine:
        return await KeyStore(engine).create("Ann", **chosen)


async def until_audio(peer: TaskPeer) -> None:
    while not isinstance(await peer.next(), bytes):
        pass


async def test_limits_of_a_key_fail_the_task_that_exceeds_them(slow_server: Live) -> None:
    key = await new_key(slow_server, characters_per_minute=20, max_sessions=1)
    async with (
        task_peer(slow_server, key=key.secret) as peer,
        task_peer(slow_server, key=key.secret) as other,
    ):
        await peer.begin()
        await other.run()
        code, message = await other.failure()
        assert (code, "1 sessions at once" in message) == ("Throttling.RateQuota", True)
        await peer.say(TEXT)
        await peer.say(TEXT)
        code, message = await peer.failure()
        assert (code, "20 characters a minute" in message) == ("Throttling.RateQuota", True)
    key = await new_key(slow_server, models=[SAMBERT])
    async with task_peer(slow_server, key=key.secret) as peer:
        await peer.run()
        assert (await peer.failure())[0] == "Model.AccessDenied"
    key = await new_key(slow_server, characters_per_minute=20)
    async with task_peer(slow_server, key=key.secret) as peer:
        await peer.run(model=SAMBERT, streaming="out", text=TEXT * 2)
        assert (await peer.failure())[0] == "InvalidParameter"
    with pytest.raises(InvalidStatus) as refused:
        async with task_peer(slow_server):
            pass
    assert refused.value.response.status_code == 401
    await slow_server.quiet()


async def test_a_revoked_key_ends_its_tasks_and_its_silent_connections(slow_server: Live) -> None:
    key = await new_key(slow_server)
    async with (
        task_peer(slow_server, key=key.secret) as speaking,
        task_peer(slow_server, key=key.secret) as waiting,
        task_peer(slow_server, key=key.secret) as silent,
    ):
        await waiting.begin()
        await speaking.begin()
        await speaking.say(TEXT)
        await until_audio(speaking)
        async with open_store(slow_server.settings) as engine:
            await KeyStore(engine).revoke(key.key.id)
        heard, code, _ = await silent.until_closed()
        assert (heard, code) == ([], 1008)
        assert (await waiting.failure())[0] == "InvalidApiKey"
        await speaking.say("More that is not spoken.")
        heard, code, _ = await speaking.until_closed()
        assert code == 1000
        assert [event.original_text for event in heard if isinstance(event, SentenceEnd)] == [TEXT]
        assert isinstance(heard[-1], TaskFailed)
        assert heard[-1].error_code == "InvalidApiKey"
    await slow_server.quiet()
