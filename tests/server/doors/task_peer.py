"""A client of the task door that says whatever a test wants, and what it hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from saystream.protocol.task.codec import decode_event, encode_command
from saystream.protocol.task.commands import Command, ContinueTask, FinishTask, RunTask, Streaming
from saystream.protocol.task.events import (
    SentenceBegin,
    SentenceEnd,
    SentenceSynthesis,
    TaskEvent,
    TaskFailed,
    TaskFinished,
    TaskStarted,
)
from saystream.protocol.task.parameters import TaskParameters
from server.live import PATIENCE_S, Live

COSYVOICE = "cosyvoice-v3-flash"
SAMBERT = "sambert-zhichu-v1"
VOICE = "longanyang"

Heard = TaskEvent | bytes


class TaskPeer:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, command: Command) -> None:
        await self.socket.send(encode_command(command))

    async def run(
        self,
        task_id: str = "t",
        model: str = COSYVOICE,
        *,
        streaming: Streaming = "duplex",
        text: str = "",
        **parameters: Any,
    ) -> None:
        """Ask for a task; short raw samples unless ``parameters`` say otherwise."""
        chosen = {
            "format": "pcm",
            "sample_rate": 16000,
            **({} if model == SAMBERT else {"voice": VOICE}),
            **parameters,
        }
        await self.send(
            RunTask(
                task_id=task_id,
                model=model,
                streaming=streaming,
                text=text,
                parameters=TaskParameters(**chosen),
            )
        )

    async def begin(self, task_id: str = "t", **fields: Any) -> None:
        """Run a task, which starts."""
        await self.run(task_id, **fields)
        assert await self.next() == TaskStarted(task_id=task_id)

    async def say(self, text: str, task_id: str = "t", *, flush: bool = False) -> None:
        await self.send(ContinueTask(task_id=task_id, text=text, flush=flush))

    async def finish(self, task_id: str = "t", *, cancel: bool = False) -> None:
        await self.send(FinishTask(task_id=task_id, cancel=cancel))

    async def next(self) -> Heard:
        async with asyncio.timeout(PATIENCE_S):
            frame = await self.socket.recv()
        if isinstance(frame, bytes):
            return frame
        event = decode_event(frame)
        assert event is not None, frame
        return event

    async def next_fields(self) -> dict[str, Any]:
        """The next frame, which is text, as it came."""
        async with asyncio.timeout(PATIENCE_S):
            frame = await self.socket.recv()
        fields: dict[str, Any] = json.loads(frame)
        return fields

    async def until_end(self, task_id: str = "t") -> list[Heard]:
        """Everything up to the last event of that task."""
        heard = [await self.next()]
        while not (isinstance(heard[-1], TaskFinished | TaskFailed) and heard[-1].task_id == task_id):
            heard.append(await self.next())
        return heard

    async def until_closed(self) -> tuple[list[Heard], int | None, str]:
        """Everything that still comes, the close code and its reason."""
        heard: list[Heard] = []
        try:
            while True:
                heard.append(await self.next())
        except ConnectionClosed as closed:
            received = closed.rcvd
        return (heard, None, "") if received is None else (heard, received.code, received.reason)

    async def failure(self) -> tuple[str, str]:
        """Code and message of the failure that ends the connection with 1000."""
        heard, code, _ = await self.until_closed()
        assert code == 1000
        failed = heard[-1]
        assert isinstance(failed, TaskFailed)
        return failed.error_code, failed.error_message

    def vanish(self) -> None:
        """As a pool that drops a connection without closing it."""
        self.socket.transport.abort()


@asynccontextmanager
async def task_peer(
    live: Live, *, path: str = "", key: str | None = None, **options: Any
) -> AsyncIterator[TaskPeer]:
    """A peer that is connected and has said nothing."""
    headers = {} if key is None else {"Authorization": f"bearer {key}"}
    async with connect(
        f"ws://127.0.0.1:{live.port}/api-ws/v1/inference{path}",
        additional_headers=headers,
        compression=None,
        proxy=None,
        ping_interval=None,
        max_size=None,
        close_timeout=PATIENCE_S,
        **options,
    ) as connection:
        yield TaskPeer(connection)


def audio_of(heard: list[Heard]) -> bytes:
    return b"".join(frame for frame in heard if isinstance(frame, bytes))


def sentences_of(heard: list[Heard]) -> list[str]:
    """The text of each sentence, which begins with what its begin said."""
    ends = [event for event in heard if isinstance(event, SentenceEnd)]
    begins = [event for event in heard if isinstance(event, SentenceBegin)]
    assert [begin.index for begin in begins] == [end.index for end in ends] == list(range(len(ends)))
    return [end.original_text for end in ends]


def in_order(heard: list[Heard]) -> bool:
    """Whether exactly one binary frame follows each event that announces one, and no other."""
    announced = [isinstance(event, SentenceSynthesis) for event in heard]
    return announced[:-1] == [isinstance(event, bytes) for event in heard[1:]] and not announced[-1]
