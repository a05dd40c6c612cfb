from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import RowMapping, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from postgres import Cluster
from saystream import catalog
from saystream.config import Settings
from saystream.protocol.http.generation import PATH as GENERATION
from saystream.server.access.auth import Principal
from saystream.server.access.keys import KeyStore
from saystream.server.accounting.metrics import Metrics
from saystream.server.accounting.usage import UsageRecorder, UsageRow, remove_usage_before
from saystream.storage import open_store
from saystream.storage.schema import usage as table
from saystream.text.counting import billed_characters
from server.live import Live, live_server, until

pytestmark = pytest.mark.slow

MIDNIGHT = datetime(2030, 1, 1, tzinfo=UTC)
TEXT = "Hello there, 你好."
ANN = Principal(key_id="key_0123456789ab", label="Ann", workspace="sales")


def row(number: int = 0, **changed: Any) -> UsageRow:
    fields: dict[str, Any] = {
        "id": f"resp_{number}",
        "request_id": "request",
        "created_at": MIDNIGHT,
        "door": "realtime",
        "key_id": ANN.key_id,
        "workspace": None,
        "model": "qwen3-tts-flash-realtime",
        "voice": "Cherry",
        "characters": 12,
        "text_tokens": None,
        "audio_tokens": None,
        "audio_ms": 1500.5,
        "first_audio_ms": 80.25,
        "outcome": "completed",
        "error_code": None,
    }
    return UsageRow(**{**fields, **changed})


class NoPool:
    def load(self) -> tuple[()]:
        return ()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(NoPool())  # type: ignore[arg-type]


def dropped(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("saystream_usage_rows_dropped_total")


async def rows_of(engine: AsyncEngine) -> list[RowMapping]:
    async with engine.connect() as connection:
        return list((await connection.execute(select(table).order_by(table.c.created_at))).mappings())


async def count_of(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


# --- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "door", "characters", "text_tokens", "audio_tokens"),
    [
        ("qwen3-tts-flash", "http", billed_characters(TEXT), None, None),
        ("qwen-tts", "http", None, 5, 100),
    ],
)
def test_a_row_counts_what_the_model_is_billed_by(
    model: str, door: Any, characters: int | None, text_tokens: int | None, audio_tokens: int | None
) -> None:
    made = UsageRow.of(
        TEXT,
        catalog.load().model(model, door=door),
        ANN,
        id="a",
        request_id="a",
        door="generation",
        voice="Cherry",
        audio_ms=1001.0,
        first_audio_ms=None,
        outcome="completed",
        error_code=None,
    )
    assert (made.characters, made.text_tokens, made.audio_tokens) == (characters, text_tokens, audio_tokens)
    assert (made.key_id, made.workspace, made.model) == (ANN.key_id, "sales", model)
    assert not any("Hello" in str(value) for value in asdict(made).values())


# --- the recorder ----------------------------------------------------------------------------------------------------


async def test_what_was_added_is_in_the_database_when_the_recorder_has_ended(
    store_engine: AsyncEngine, metrics: Metrics
) -> None:
    rows = [row(number, created_at=MIDNIGHT + timedelta(seconds=number)) for number in range(1200)]
    async with UsageRecorder(store_engine, metrics).running(retention_days=36_500) as recorder:
        for each in rows:
            recorder.add(each)
    assert [dict(kept) for kept in await rows_of(store_engine)] == [asdict(each) for each in rows]
    assert dropped(metrics) == 0


async def test_a_row_that_is_there_already_harms_no_other(
    store_engine: AsyncEngine, metrics: Metrics
) -> None:
    for numbers in ((1, 2), (2, 3)):
        async with UsageRecorder(store_engine, metrics).running(retention_days=36_500) as recorder:
            for number in numbers:
                recorder.add(row(number))
    assert await count_of(store_engine) == 3


async def test_rows_without_room_are_lost_counted_and_told_of_once(
    sqlite_engine: AsyncEngine, metrics: Metrics
) -> None:
    with structlog.testing.capture_logs() as lines:
        async with UsageRecorder(sqlite_engine, metrics, max_waiting=5).running(
            retention_days=36_500
        ) as recorder:
            for number in range(8):
                recorder.add(row(number))
    assert dropped(metrics) == 3
    assert await count_of(sqlite_engine) == 5
    assert [line["event"] for line in lines] == ["usage rows lost"]


async def test_a_row_that_comes_too_late_is_counted_as_lost(
    sqlite_engine: AsyncEngine, metrics: Metrics
) -> None:
    async with UsageRecorder(sqlite_engine, metrics).running(retention_days=36_500) as recorder:
        pass
    recorder.add(row())
    assert dropped(metrics) == 1


async def test_rows_wait_for_a_database_that_fails_and_the_log_tells_once(
    store_engine: AsyncEngine, metrics: Metrics
) -> None:
    async with store_engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE usage RENAME TO gone")
    with structlog.testing.capture_logs() as lines:
        recorder = UsageRecorder(store_engine, metrics, linger_s=0, retry_s=0)
        async with recorder.running(retention_days=36_500):
            recorder.add(row(1))
            await until(lambda: any(line["event"] == "usage rows cannot be written" for line in lines))
            recorder.add(row(2))
            async with store_engine.begin() as connection:
                await connection.exec_driver_sql("ALTER TABLE gone RENAME TO usage")
            await until(lambda: any(line["event"] == "usage rows are written again" for line in lines))
    assert await count_of(store_engine) == 2
    assert dropped(metrics) == 0
    events = [line["event"] for line in lines]
    assert events.count("usage rows cannot be written") == 1


async def test_at_the_end_rows_that_cannot_be_written_are_counted_as_lost(
    sqlite_engine: AsyncEngine, metrics: Metrics
) -> None:
    async with sqlite_engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE usage")
    async with UsageRecorder(sqlite_engine, metrics).running(retention_days=36_500) as recorder:
        recorder.add(row(1))
        recorder.add(row(2))
    assert dropped(metrics) == 2


async def test_a_row_that_the_database_refuses_is_lost_alone(
    store_engine: AsyncEngine, metrics: Metrics
) -> None:
    refused = {3, 4, 700}
    with structlog.testing.capture_logs() as lines:
        async with UsageRecorder(store_engine, metrics).running(retention_days=36_500) as recorder:
            for number in range(1000):
                recorder.add(row(number, voice=None if number in refused else "Cherry"))
    kept = {each["id"] for each in await rows_of(store_engine)}
    assert kept == {f"resp_{number}" for number in range(1000) if number not in refused}
    assert dropped(metrics) == 3
    assert {line["event"] for line in lines} == {"usage rows lost"}


async def test_a_value_that_is_too_long_for_postgresql_holds_up_nothing(
    postgres: Cluster, tmp_path: Path, metrics: Metrics
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=postgres.new_database())
    async with open_store(settings) as engine:
        async with UsageRecorder(engine, metrics).running(retention_days=36_500) as recorder:
            for number, voice in enumerate(("x" * 129, "Cherry")):
                recorder.add(row(number, voice=voice))
        assert [kept["id"] for kept in await rows_of(engine)] == ["resp_1"]
    assert dropped(metrics) == 1


async def test_rows_survive_a_restart_of_postgresql(
    postgres: Cluster, tmp_path: Path, metrics: Metrics
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=postgres.new_database())
    async with open_store(settings) as engine:
        recorder = UsageRecorder(engine, metrics, linger_s=0, retry_s=0.01)
        with structlog.testing.capture_logs() as lines:
            async with recorder.running(retention_days=36_500):
                postgres.stop()
                try:
                    recorder.add(row(1))
                    await until(
                        lambda: any(line["event"] == "usage rows cannot be written" for line in lines)
                    )
                finally:
                    postgres.start()
                recorder.add(row(2))
        assert await count_of(engine) == 2
    assert dropped(metrics) == 0


# --- retention -------------------------------------------------------------------------------------------------------


async def test_old_rows_are_removed_and_the_others_stay(store_engine: AsyncEngine) -> None:
    async with store_engine.begin() as connection:
        await connection.execute(
            insert(table),
            [
                asdict(row(number, created_at=MIDNIGHT + timedelta(seconds=number - 4500)))
                for number in range(4502)
            ],
        )
    assert await remove_usage_before(store_engine, MIDNIGHT) == 4500
    assert [kept["id"] for kept in await rows_of(store_engine)] == ["resp_4500", "resp_4501"]


async def test_a_start_removes_what_is_older_than_is_kept(
    store_engine: AsyncEngine, metrics: Metrics
) -> None:
    now = datetime.now(UTC)
    async with store_engine.begin() as connection:
        for number, days in enumerate((9, 11)):
            await connection.execute(
                insert(table).values(**asdict(row(number, created_at=now - timedelta(days=days))))
            )
    with structlog.testing.capture_logs() as lines:
        async with UsageRecorder(store_engine, metrics).running(retention_days=10):
            await until(lambda: lines)
    assert lines == [{"event": "old usage rows removed", "count": 1, "log_level": "info"}]
    assert [kept["id"] for kept in await rows_of(store_engine)] == ["resp_0"]


# --- the doors -------------------------------------------------------------------------------------------------------


class Observed:
    """A server, its database and a client with a key."""

    def __init__(self, live: Live, engine: AsyncEngine, key_id: str, secret: str) -> None:
        self.live = live
        self.engine = engine
        self.key_id = key_id
        self.secret = secret
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{live.port}",
            headers={"Authorization": f"Bearer {secret}", "X-DashScope-WorkSpace": "sales"},
            timeout=60,
        )

    async def only_row(self) -> RowMapping:
        """The one that has to come."""
        async with asyncio.timeout(60):
            while not (rows := await rows_of(self.engine)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        (only,) = rows
        return only


@asynccontextmanager
async def observed(settings: Settings, **more: Any) -> AsyncIterator[Observed]:
    async with open_store(settings) as engine:
        made = await KeyStore(engine).create("Ann")
        async with live_server(settings.data_dir, database_url=settings.database_url, **more) as live:
            server = Observed(live, engine, made.key.id, made.secret)
            async with server.client:
                yield server


def completed(row: RowMapping) -> bool:
    return (row["outcome"], row["error_code"]) == ("completed", None)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_request_leaves_a_row_with_the_id_of_its_header_its_body_and_its_log(
    store_settings: Settings, streamed: bool
) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        async with observed(store_settings) as server:
            body = {"model": "qwen3-tts-flash", "input": {"text": TEXT, "voice": "Cherry"}}
            headers = {"X-DashScope-SSE": "enable"} if streamed else {}
            answer = await server.client.post(GENERATION, json=body, headers=headers)
            row = await server.only_row()
    identity = answer.headers["x-request-id"]
    part = answer.text.rsplit("data:", 1)[1] if streamed else answer.text
    assert json.loads(part)["request_id"] == identity
    (line,) = (line for line in lines if line["event"] == "response ended")
    assert (row["id"], row["request_id"]) == (identity, identity) == (line["response_id"], line["request_id"])
    assert completed(row)
    assert (row["door"], row["key_id"], row["workspace"]) == ("generation", server.key_id, "sales")
    assert (row["model"], row["voice"]) == ("qwen3-tts-flash", "Cherry")
    assert (row["characters"], row["text_tokens"]) == (billed_characters(TEXT), None)
    assert json.loads(part)["usage"]["characters"] == row["characters"]
    assert row["audio_ms"] > 100 and row["first_audio_ms"] > 0
    assert abs(row["created_at"] - datetime.now(UTC)) < timedelta(minutes=1)


async def test_speech_of_the_openai_door_leaves_a_row_with_our_names(store_settings: Settings) -> None:
    async with observed(store_settings) as server:
        body = {"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": "pcm"}
        answer = await server.client.post("/v1/audio/speech", json=body)
        row = await server.only_row()
    assert answer.status_code == 200 and completed(row)
    assert (row["id"], row["door"]) == (answer.headers["x-request-id"], "openai")
    assert row["audio_ms"] == pytest.approx(len(answer.content) / 48, abs=1)
    assert row["model"].startswith("qwen") and row["voice"] != "alloy"


async def test_each_response_of_a_session_leaves_a_row(store_settings: Settings) -> None:
    async with observed(store_settings) as server:
        async with server.live.peer(key=server.secret) as peer:
            await peer.update(mode="commit", voice="Ethan")
            ended = []
            for _ in range(2):
                await peer.append(TEXT)
                await peer.commit()
                ended.append((await peer.until("response.done"))[-1]["response"])
            handshake = peer.socket.response
            assert handshake is not None
            await peer.finish()
    async with open_store(store_settings) as engine:
        rows = await rows_of(engine)
    assert [row["id"] for row in rows] == [response["id"] for response in ended]
    assert {row["request_id"] for row in rows} == {handshake.headers["x-request-id"]}
    assert all(completed(row) and row["voice"] == "Ethan" for row in rows)
    assert [row["characters"] for row in rows] == [response["usage"]["characters"] for response in ended]


async def test_without_a_key_the_row_has_none(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        await live.say(TEXT)
    async with open_store(live.settings) as engine:
        (row,) = await rows_of(engine)
    assert row["key_id"] is None and completed(row)


LONG = "This goes on and on without an end in sight. " * 10


async def vanish(server: Observed) -> None:
    async with server.live.peer(key=server.secret) as peer:
        await peer.append(LONG)
        await peer.until("response.audio.delta")
        peer.vanish()


async def cancel(server: Observed) -> None:
    async with server.live.peer(key=server.secret) as peer:
        await peer.append(LONG)
        await peer.until("response.audio.delta")
        await peer.cancel()
        await peer.until("response.done")


async def leave_generation(server: Observed) -> None:
    body = {"model": "qwen3-tts-flash", "input": {"text": LONG, "voice": "Cherry"}}
    headers = {"X-DashScope-SSE": "enable"}
    async with server.client.stream("POST", GENERATION, json=body, headers=headers) as answer:
        await anext(answer.aiter_bytes())


async def leave_openai(server: Observed) -> None:
    body = {"model": "tts-1", "voice": "alloy", "input": LONG, "response_format": "pcm"}
    async with server.client.stream("POST", "/v1/audio/speech", json=body) as answer:
        await anext(answer.aiter_bytes())


@pytest.mark.parametrize("act", [vanish, cancel, leave_generation, leave_openai])
async def test_a_listener_who_leaves_or_cancels_is_in_the_row(
    tmp_path: Path, act: Callable[[Observed], Any]
) -> None:
    slow = {"tone": {"real_time_factor": 0.25}}
    settings = Settings(data_dir=tmp_path)
    async with observed(settings, engines=slow, files={"finish_abandoned": False}) as server:
        await act(server)
        row = await server.only_row()
    assert (row["outcome"], row["error_code"]) == ("cancelled", None)
    assert 0 < row["audio_ms"] < 60_000 and row["characters"] > 0


async def hear_realtime(server: Observed) -> None:
    async with server.live.peer(key=server.secret) as peer:
        await peer.append(LONG)
        await peer.finish()
        await peer.until("response.done")


async def hear_generation(server: Observed) -> None:
    body = {"model": "qwen3-tts-flash", "input": {"text": LONG, "voice": "Cherry"}}
    assert (await server.client.post(GENERATION, json=body)).status_code >= 500


async def hear_openai(server: Observed) -> None:
    body = {"model": "tts-1", "voice": "alloy", "input": LONG, "response_format": "pcm"}
    with pytest.raises(httpx.RemoteProtocolError):
        await server.client.post("/v1/audio/speech", json=body)


@pytest.mark.parametrize(
    # A session goes on with the next segment, of which there are at most ten.
    ("act", "most_ms"),
    [(hear_realtime, 2000), (hear_generation, 200), (hear_openai, 200)],
)
async def test_an_engine_that_fails_is_in_the_row(
    tmp_path: Path, act: Callable[[Observed], Any], most_ms: int
) -> None:
    failing = {"tone": {"fault": "crash", "fault_after_ms": 200}}
    settings = Settings(data_dir=tmp_path)
    async with observed(settings, engines=failing, pool={"max_attempts": 1}) as server:
        await act(server)
        row = await server.only_row()
    assert (row["outcome"], row["error_code"]) == ("failed", "engine_crashed")
    assert 0 < row["audio_ms"] <= most_ms and row["first_audio_ms"] > 0


async def test_a_session_that_the_stop_of_the_server_cuts_has_failed(tmp_path: Path) -> None:
    slow = {"tone": {"real_time_factor": 0.25}}
    async with observed(Settings(data_dir=tmp_path), engines=slow) as server:
        async with server.live.peer(key=server.secret) as peer:
            await peer.append(LONG)
            await peer.until("response.audio.delta")
            await server.live.room.drain(0)
        row = await server.only_row()
    assert (row["outcome"], row["error_code"]) == ("failed", "server_draining")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (GENERATION, {"model": "qwen3-tts-flash", "input": {"text": "…", "voice": "Cherry"}}),
        ("/v1/audio/speech", {"model": "tts-1", "voice": "nobody", "input": TEXT}),
    ],
)
async def test_what_is_refused_leaves_no_row(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    async with observed(Settings(data_dir=tmp_path)) as server:
        assert (await server.client.post(path, json=body)).status_code == 400
    async with open_store(Settings(data_dir=tmp_path)) as engine:
        assert await rows_of(engine) == []


async def test_speech_goes_on_when_the_table_is_gone(tmp_path: Path) -> None:
    async with observed(Settings(data_dir=tmp_path)) as server:
        async with server.engine.begin() as connection:
            await connection.exec_driver_sql("DROP TABLE usage")
        body = {"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": "pcm"}
        for _ in range(3):
            assert (await server.client.post("/v1/audio/speech", json=body)).status_code == 200
