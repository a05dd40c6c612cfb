from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from saystream import catalog
from saystream.errors import EngineCrashed
from saystream.server.access.auth import Principal
from saystream.server.accounting.account import ResponseAccount
from saystream.server.accounting.metrics import Metrics
from saystream.server.accounting.usage import UsageRecorder, UsageRow
from saystream.server.web import request_ids
from saystream.speech.events import ResponseAudio, ResponseEnded, ResponseStarted, SpeechEvent

TEXT = "Hello there."
ANN = Principal(key_id="key_1", label="Ann", workspace="sales")
MODEL = catalog.load().model("qwen3-tts-flash", door="http")
AUDIO = ResponseAudio(b"..", duration_ms=100, late_ms=0)
ENDED = ResponseEnded("completed", TEXT, audio_ms=200)


class FakePool:
    def load(self) -> tuple[()]:
        return ()


class Rows(list[UsageRow]):
    """A recorder that only keeps."""

    def add(self, row: UsageRow) -> None:
        self.append(row)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(cast(Any, FakePool()))


@pytest.fixture
def account(rows: Rows, metrics: Metrics) -> ResponseAccount:
    token = request_ids._current.set("request_1")
    try:
        return ResponseAccount(cast(UsageRecorder, rows), metrics, door="openai", principal=ANN)
    finally:
        request_ids._current.reset(token)


async def spoken(*events: SpeechEvent) -> AsyncGenerator[SpeechEvent, None]:
    for event in events:
        yield event


async def test_the_events_of_a_request_are_passed_on_and_measured(
    account: ResponseAccount, rows: Rows, metrics: Metrics
) -> None:
    events: list[SpeechEvent] = [ResponseStarted(), AUDIO, AUDIO, ENDED]
    followed = account.following(spoken(*events), model=MODEL, voice="Cherry")
    assert [event async for event in followed] == events
    exposition = metrics.exposition().decode()
    assert 'saystream_responses_total{status="completed"} 1.0' in exposition
    assert "saystream_audio_seconds_total 0.2" in exposition
    assert "saystream_characters_total 12.0" in exposition
    assert rows == []
    account.close(TEXT, "completed")
    (row,) = rows
    assert (row.id, row.request_id, row.door, row.voice) == ("request_1", "request_1", "openai", "Cherry")
    assert (row.model, row.key_id, row.workspace) == (MODEL.name, "key_1", "sales")
    assert (row.characters, row.audio_ms, row.outcome, row.error_code) == (12, 200, "completed", None)
    assert row.first_audio_ms is not None


async def test_a_response_has_the_first_end_that_is_told(account: ResponseAccount, rows: Rows) -> None:
    account.open("resp_1", MODEL, "Cherry")
    account.close(TEXT, "failed", EngineCrashed("gone"))
    account.close(TEXT, "cancelled")
    assert [(row.id, row.outcome, row.error_code) for row in rows] == [("resp_1", "failed", "engine_crashed")]


def test_what_never_began_leaves_no_row(account: ResponseAccount, rows: Rows) -> None:
    account.close(TEXT, "cancelled")
    assert rows == []


def test_each_response_of_a_connection_has_a_row_of_its_own(account: ResponseAccount, rows: Rows) -> None:
    for number in range(2):
        account.open(f"resp_{number}", MODEL, "Cherry")
        account.follow(AUDIO)
        account.close(TEXT, "completed")
    assert [(row.id, row.request_id, row.audio_ms) for row in rows] == [
        ("resp_0", "request_1", 100),
        ("resp_1", "request_1", 100),
    ]
