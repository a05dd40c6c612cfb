"""The task door in trouble: keys that change, engines that fail, peers that do not read, and bugs of ours."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from saystream.errors import ServerFault
from saystream.protocol.task.events import TaskFailed, TaskFinished
from saystream.server.doors.spoken_task import SpokenTask
from saystream.server.doors.task_connection import TaskConnection
from server.live import PATIENCE_S, Live, live_server, small_socket, until

from .task_peer import TaskPeer, audio_of, task_peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "Hello there."  # 12 billed characters
LONG_TEXT = "This goes on and on without an end in sight. " * 20


async def speaks(peer: TaskPeer, task_id: str = "t") -> bool:
    """Whether a task can be run."""
    await peer.begin(task_id)
    await peer.say(TEXT, task_id)
    await peer.finish(task_id)
    heard = await peer.until_end(task_id)
    return isinstance(heard[-1], TaskFinished) and bool(audio_of(heard))


async def until_audio(peer: TaskPeer) -> None:
    while not isinstance(await peer.next(), bytes):
        pass


# --- faults ----------------------------------------------------------------------------------------------------------


async def test_an_engine_that_fails_fails_the_task(tmp_path: Path) -> None:
    failing = {"tone": {"fault": "error", "fault_text": "FAULT"}}
    async with live_server(tmp_path, engines=failing) as live:
        async with task_peer(live) as peer, task_peer(live) as other:
            await peer.begin()
            await peer.say("A FAULT. And more.")
            code, message = await peer.failure()
            assert code == "InternalError"
            assert "FAULT" not in message
            assert await speaks(other)
        assert await live.metric("saystream_responses_total", status="failed") == 1
        await live.quiet()


async def test_a_bug_of_ours_is_told(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError(TEXT)

    for owner, broken in ((SpokenTask, "_tell"), (SpokenTask, "push"), (TaskConnection, "_check_text")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, broken, break_down)
            async with task_peer(server) as peer:
                await peer.run()
                await peer.say(TEXT)
                code, message = await peer.failure()
            assert (code, TEXT in message) == (ServerFault.http_code, False)
    async with task_peer(server) as peer:
        assert await speaks(peer)
    await server.quiet()


async def test_who_does_not_read_holds_up_nobody_and_can_cancel(tmp_path: Path) -> None:
    async with live_server(
        tmp_path, realtime={"outbox_high_bytes": 20_000, "outbox_low_bytes": 5_000}
    ) as live:
        async with (
            task_peer(live, sock=small_socket(live.port), max_queue=1) as stalled,
            task_peer(live) as other,
        ):
            await stalled.begin()
            stalled.socket.transport.pause_reading()
            await stalled.say(LONG_TEXT)
            assert await speaks(other)
            await stalled.finish(cancel=True)
            await until(lambda: live.room.num_taken == 0)
            stalled.socket.transport.resume_reading()
            heard = await stalled.until_end()
            assert isinstance(heard[-1], TaskFinished)
            assert await speaks(stalled, "next")
        await live.quiet()


async def test_who_vanishes_frees_all_its_places(slow_server: Live) -> None:
    async with task_peer(slow_server) as peer:
        for task_id in ("a", "b"):
            await peer.run(task_id)
            await peer.say(LONG_TEXT, task_id)
        await until(lambda: slow_server.room.num_taken == 2)
        await until_audio(peer)
        peer.vanish()
        await slow_server.quiet()
    assert await slow_server.metric("saystream_tasks") == 0


# --- limits, and the end of the server -------------------------------------------------------------------------------


async def test_a_frame_over_the_limit_fails_every_task_and_closes(server: Live) -> None:
    with server.limited(max_frame_bytes=5000):
        async with task_peer(server) as peer:
            for task_id in ("a", "b"):
                await peer.begin(task_id)
            await peer.say("x" * 6000, "a")
            heard, code, reason = await peer.until_closed()
    failed = [event for event in heard if isinstance(event, TaskFailed)]
    assert [event.task_id for event in failed] == ["a", "b"]
    assert all("5000" in event.error_message for event in failed)
    assert (code, "5000" in reason) == (1009, True)
    await server.quiet()


async def test_a_draining_server_lets_tasks_finish_and_begins_none(tmp_path: Path) -> None:
    async with live_server(tmp_path, engines={"tone": {"real_time_factor": 0.1}}) as live:
        async with (
            task_peer(live) as idle,
            task_peer(live) as waiting,
            task_peer(live) as finishing,
            task_peer(live) as speaking,
        ):
            await waiting.begin()
            for peer in (finishing, speaking):
                await peer.begin()
                await peer.say(LONG_TEXT[:180])
            await finishing.finish()
            for peer in (finishing, speaking):
                await until_audio(peer)
            drain = asyncio.create_task(live.room.drain(PATIENCE_S))
            await until(lambda: live.room.draining)
            assert (await idle.until_closed())[1] == 1012
            heard, code, _ = await waiting.until_closed()
            assert isinstance(heard[-1], TaskFailed) and "shutting down" in heard[-1].error_message
            heard, code, _ = await finishing.until_closed()
            assert (isinstance(heard[-1], TaskFinished), code) == (True, 1012)
            await speaking.run("late")
            await speaking.say("And more.")
            await speaking.finish()
            heard, code, _ = await speaking.until_closed()
            ends = {each.task_id: each for each in heard if isinstance(each, TaskFailed | TaskFinished)}
            assert isinstance(ends["late"], TaskFailed)
            assert isinstance(ends["t"], TaskFinished)
            await drain
