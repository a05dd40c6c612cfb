"""However a request or a session ends, nothing of it stays: every await of every door goes wrong once, in each way.

The doors are as they are served; what they use is fakes on the clock of the loop, and ``Trouble`` comes at the n-th
thing that they wait for, for every n until a request gets through without.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any, cast

import psutil
import pytest
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware

from client.virtual_time import on_virtual_time
from fake_pool import FakePool, FakeStream, synthesizer_on
from saystream import catalog
from saystream.audio import AudioChunk
from saystream.config import Settings
from saystream.errors import AuthenticationFailed, EngineCrashed, StoreUnavailable
from saystream.protocol.http.generation import PATH as GENERATION
from saystream.server.access.auth import UNKNOWN_KEY, Authenticator
from saystream.server.access.keys import Key, KeyLimits
from saystream.server.access.limits import Limiter
from saystream.server.access.links import Links, LinkSigner
from saystream.server.access.room import Room
from saystream.server.access.tallies import LocalTally
from saystream.server.accounting.metrics import Metrics
from saystream.server.accounting.usage import UsageRow
from saystream.server.app import DOORS
from saystream.server.doors import generation
from saystream.server.doors.base import Services
from saystream.server.doors.realtime import PATH as REALTIME
from saystream.server.doors.spool import WavSpool
from saystream.server.web.faults import EXCEPTION_HANDLERS, UnforeseenErrors
from saystream.server.web.request_ids import RequestIds

Message = MutableMapping[str, Any]

TEXT = "Hello there, dear listener. This is the second sentence of the text."
MOST_STEPS = 200
SETTINGS = Settings()
KEY = Key(
    "key_0123456789ab", "sk-", "Ann", datetime(2030, 1, 1, tzinfo=UTC), None, KeyLimits(9, 999, None, 2, 999)
)


@dataclass
class Trouble:
    """Comes at the ``at``-th step, counted over everything that waits."""

    kind: str
    at: int
    steps: int = 0
    came: bool = False
    strike: Callable[[], None] = lambda: None
    """What happens then, besides the error of the step."""

    async def step(self, fault: Exception | None = None) -> None:
        await asyncio.sleep(0)
        self.sync_step(fault)

    def sync_step(self, fault: Exception | None = None) -> None:
        """``fault``: what this step raises when it fails by itself; ``None`` if it cannot."""
        self.steps += 1
        if self.steps != self.at:
            return
        if self.kind == "a fault":
            self.came = True
            if fault is not None:
                raise fault
        elif self.kind == "a bug":
            self.came = True
            if fault is not None:
                raise RuntimeError("a bug")
        else:
            self.came = True
            self.strike()


class NoOwnVoices:
    async def resolve(self, *_: str, **__: str) -> None:
        return None


@dataclass
class FakeKeys:
    trouble: Trouble

    async def any_exist(self) -> bool:
        await self.trouble.step(StoreUnavailable("gone"))
        return True

    async def verify(self, secret: str) -> Key | None:
        await self.trouble.step(StoreUnavailable("gone"))
        return KEY


@dataclass
class FakeMonths:
    trouble: Trouble

    async def take(self, key_id: str, *, limit: int, amount: int) -> datetime | None:
        await self.trouble.step(StoreUnavailable("gone"))
        return None


class FakeTally(LocalTally):
    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self._trouble = trouble

    async def take(self, kind: str, key_id: str, *, limit: int, amount: int) -> float | None:
        await self._trouble.step(StoreUnavailable("gone"))
        return await super().take(kind, key_id, limit=limit, amount=amount)

    async def enter(self, key_id: str, *, limit: int) -> str | None:
        await self._trouble.step(StoreUnavailable("gone"))
        return await super().enter(key_id, limit=limit)


@dataclass
class FakeFiles:
    trouble: Trouble

    def new_path(self, file_id: str) -> str:
        return f"20300101/{file_id}.wav"

    async def put(self, path: str, file: IO[bytes], num_bytes: int) -> None:
        await self.trouble.step(StoreUnavailable("gone"))
        assert len(file.read()) == num_bytes


@dataclass
class FakeRecorder:
    rows: list[UsageRow] = field(default_factory=list)

    def add(self, row: UsageRow) -> None:
        self.rows.append(row)


class TroubledStream(FakeStream):
    heard = 0
    """Pieces of audio that were taken from all of them."""
    trouble: Trouble

    async def __anext__(self) -> AudioChunk:
        try:
            await self.trouble.step(EngineCrashed("gone"))
        except EngineCrashed:
            self.sent_to_end = True  # a fault is the end of a stream
            raise
        chunk = await super().__anext__()
        TroubledStream.heard += 1
        return chunk


class TroubledPool(FakePool):
    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self._trouble = trouble

    def open(self, engine: str, request: Any, *, playback: Any) -> FakeStream:
        self._trouble.sync_step(EngineCrashed("gone"))
        super().open(engine, request, playback=playback)
        stream = TroubledStream(self, len(self.streams), request)
        stream.trouble = self._trouble
        self.streams[-1] = stream
        return stream


class Serving:
    """The doors, on fakes, for one peer that says what it is given."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self.tally = FakeTally(trouble)
        self.pool = TroubledPool(trouble)
        self.recorder = FakeRecorder()
        self.gone = asyncio.Event()
        self.stalled = False
        self.sent: list[Message] = []
        self.until_heard = ""
        """The key is revoked when this has been sent."""
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        authenticator = Authenticator(cast(Any, FakeKeys(trouble)))
        limiter = Limiter(self.tally, cast(Any, FakeMonths(trouble)))
        self.room = Room(authenticator, limiter, max_sessions=9)
        services = Services(
            settings=SETTINGS,
            synthesizer=synthesizer_on(self.pool, SETTINGS),
            catalog=catalog.load(),
            authenticator=authenticator,
            limiter=limiter,
            room=self.room,
            metrics=Metrics(cast(Any, self.pool)),
            usage=cast(Any, self.recorder),
            files=cast(Any, FakeFiles(trouble)),
            links=Links(LinkSigner(b"s" * 32), ttl_s=60.0),
            fetcher=cast(Any, None),
            uploads=cast(Any, None),
            own_voices=cast(Any, NoOwnVoices()),
        )
        self._app = Starlette(
            routes=[route for door in DOORS for route in door(services).routes()],
            middleware=[
                Middleware(RequestIds),
                Middleware(UnforeseenErrors),
            ],
            exception_handlers=EXCEPTION_HANDLERS,
        )
        trouble.strike = getattr(self, f"_{trouble.kind.replace(' ', '_')}", lambda: None)

    # --- troubles that come from outside -----------------------------------------------------------------------------

    def _the_peer_leaves(self) -> None:
        self.gone.set()

    def _the_peer_stalls(self) -> None:
        self.stalled = True

    def _the_task_is_cancelled(self) -> None:
        assert self._task is not None
        self._task.cancel()

    def _the_room_is_emptied(self) -> None:
        self.room.draining = True
        for guest in self.room.guests:
            guest.cut_off()

    def _the_key_is_revoked(self) -> None:
        for guest in self.room.guests:
            guest.expel(AuthenticationFailed(UNKNOWN_KEY))

    # --- the peer ----------------------------------------------------------------------------------------------------

    async def _send(self, message: Message) -> None:
        await self.trouble.step()
        if self.stalled:
            await asyncio.sleep(SETTINGS.realtime.send_stall_timeout_s)
            self.gone.set()  # the transport has dropped it
        if self.gone.is_set():
            if message["type"].startswith("websocket"):
                raise OSError("the peer has left")  # as uvicorn does; over HTTP it goes on
            return
        self.sent.append(message)
        self._told.set()
        if self.until_heard and self.until_heard in message.get("text", ""):
            self._the_key_is_revoked()

    async def ask(self, path: str, body: dict[str, Any], **headers: str) -> None:
        """One request over HTTP, until the application has ended."""
        content = json.dumps(body).encode()
        parts: Iterator[Message] = iter(
            {"type": "http.request", "body": part, "more_body": more}
            for part, more in ((content[:9], True), (content[9:], False))
        )

        async def receive() -> Message:
            await self.trouble.step()
            if not self.gone.is_set() and (part := next(parts, None)) is not None:
                return part
            await self.gone.wait()
            return {"type": "http.disconnect"}

        given = {
            "host": "localhost",
            "authorization": "Bearer x",
            "content-type": "application/json",
            **headers,
        }
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        await self._serve(scope, receive)

    async def converse(self, events: list[dict[str, Any]]) -> None:
        """One realtime connection, which its peer leaves when it has heard that its session is finished."""
        messages: Iterator[Message] = iter(
            [{"type": "websocket.receive", "text": json.dumps(event)} for event in events]
        )
        connecting: Iterator[Message] = iter([{"type": "websocket.connect"}])

        async def receive() -> Message:
            await self.trouble.step()
            if (message := next(connecting, None)) is not None:
                return message
            if not self.gone.is_set() and (message := next(messages, None)) is not None:
                return message
            while not (self.gone.is_set() or self._has_heard_the_end()):
                self._told.clear()
                waiting = [asyncio.create_task(each.wait()) for each in (self._told, self.gone)]
                try:
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in waiting:
                        each.cancel()
            self.gone.set()
            return {"type": "websocket.disconnect", "code": 1006}

        scope = {
            "type": "websocket",
            "scheme": "ws",
            "path": REALTIME,
            "raw_path": REALTIME.encode(),
            "query_string": b"model=qwen3-tts-flash-realtime",
            "headers": [(b"authorization", b"Bearer x")],
            "extensions": {"websocket.http.response": {}},
            "subprotocols": [],
        }
        await self._serve(scope, receive)

    def _has_heard_the_end(self) -> bool:
        last = self.sent[-1] if self.sent else {}
        return last.get("type") in ("websocket.close", "websocket.http.response.body") or (
            '"session.finished"' in last.get("text", "")
        )

    async def _serve(self, scope: dict[str, Any], receive: Callable[[], Any]) -> None:
        self._task = asyncio.create_task(self._app(scope, receive, self._send))
        await asyncio.wait({self._task})
        self.gone.set()

    @property
    def escaped(self) -> BaseException | None:
        """What the application raised: a server logs it with a traceback."""
        assert self._task is not None
        return None if self._task.cancelled() else self._task.exception()


async def generation_json(serving: Serving) -> None:
    await serving.ask(GENERATION, {"model": "qwen3-tts-flash", "input": {"text": TEXT, "voice": "Cherry"}})


async def generation_sse(serving: Serving) -> None:
    body = {"model": "qwen3-tts-flash", "input": {"text": TEXT, "voice": "Cherry"}}
    await serving.ask(GENERATION, body, **{"x-dashscope-sse": "enable"})


async def openai_audio(serving: Serving) -> None:
    await serving.ask(
        "/v1/audio/speech", {"model": "tts-1", "input": TEXT, "voice": "alloy", "response_format": "pcm"}
    )


async def openai_events(serving: Serving) -> None:
    body = {
        "model": "tts-1",
        "input": TEXT,
        "voice": "alloy",
        "response_format": "pcm",
        "stream_format": "sse",
    }
    await serving.ask("/v1/audio/speech", body)


async def realtime(serving: Serving) -> None:
    append = {"type": "input_text_buffer.append", "text": TEXT}
    await serving.converse(
        [
            {"type": "session.update", "session": {"mode": "commit"}},
            append,
            {"type": "input_text_buffer.commit"},
            append,
            {"type": "session.finish"},
        ]
    )


TROUBLES = (
    "a fault",
    "a bug",
    "the peer leaves",
    "the peer stalls",
    "the task is cancelled",
    "the room is emptied",
    "the key is revoked",
)


@pytest.mark.parametrize("ask", [generation_json, generation_sse, openai_audio, openai_events, realtime])
@pytest.mark.parametrize("kind", TROUBLES)
@on_virtual_time
async def test_wherever_trouble_comes_everything_is_given_back(
    ask: Callable[[Serving], Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_fds = psutil.Process().num_fds()
    for at in range(1, MOST_STEPS):
        trouble = Trouble(kind, at)

        def spool(sample_rate: int, trouble: Trouble = trouble) -> WavSpool:
            trouble.sync_step(OSError("no space left on device"))
            return WavSpool(sample_rate)

        monkeypatch.setattr(generation, "WavSpool", spool)
        TroubledStream.heard = 0
        serving = Serving(trouble)
        with structlog.testing.capture_logs() as lines:
            await ask(serving)
            await asyncio.sleep(100)  # what was not to be waited for has ended too
        where = f"{kind} at step {at}"
        assert asyncio.all_tasks() == {asyncio.current_task()}, where
        assert serving.room.num_taken == 0, where
        assert not serving.tally.open_sessions(), where
        assert serving.pool.unsent == 0, where
        assert psutil.Process().num_fds() == num_fds, where
        ids = [row.id for row in serving.recorder.rows]
        assert len(set(ids)) == len(ids), where
        assert ids or not TroubledStream.heard, where
        if kind == "the room is emptied":
            ends = {(row.outcome, row.error_code) for row in serving.recorder.rows}
            assert ends <= {("completed", None), ("failed", "server_draining")}, where
        if kind != "a bug":
            assert serving.escaped is None, where
            assert not [line for line in lines if line.get("exc_info")], (where, lines)
        if not trouble.came:
            assert {row.outcome for row in serving.recorder.rows} == {"completed"}
            break
    else:
        raise AssertionError("no request got through")


@on_virtual_time
async def test_with_a_revoked_key_the_open_response_is_spoken_and_no_other_begun() -> None:
    serving = Serving(Trouble("none", 0))
    serving.until_heard = "response.audio.delta"
    await realtime(serving)
    *_, done, error, close = serving.sent
    assert json.loads(done["text"])["response"]["status"] == "completed"
    assert json.loads(error["text"])["error"]["code"] == "invalid_api_key"
    assert (close["type"], close["code"]) == ("websocket.close", 1008)
    assert len(serving.recorder.rows) == 1


@on_virtual_time
async def test_with_a_revoked_key_a_connection_that_is_silent_is_closed_and_says_why() -> None:
    serving = Serving(Trouble("none", 0))
    serving.until_heard = "session.created"
    await serving.converse([])
    error, close = serving.sent[-2:]
    assert json.loads(error["text"])["error"]["code"] == "invalid_api_key"
    assert close["code"] == 1008
