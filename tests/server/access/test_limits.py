from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from saystream.config import Settings
from saystream.errors import LimitReached, ModelDenied, QuotaExhausted, StoreUnavailable, TextTooLong
from saystream.server.access.auth import Principal
from saystream.server.access.keys import KeyLimits, KeyStore
from saystream.server.access.limits import Limiter
from saystream.server.access.months import MonthlyCharacters

MODEL = "qwen3-tts-flash"
NOW = datetime(2030, 1, 31, 23, 0, tzinfo=UTC)


class ScriptedTally:
    """Has room until it is told how long to wait, and remembers what it was asked."""

    def __init__(self) -> None:
        self.wait_s: dict[str, float] = {}
        self.asked: list[tuple[str, str, int, int]] = []
        self.open: list[str] = []

    async def take(self, kind: str, key_id: str, *, limit: int, amount: int) -> float | None:
        self.asked.append((kind, key_id, limit, amount))
        return self.wait_s.get(kind)

    async def enter(self, key_id: str, *, limit: int) -> str | None:
        if len(self.open) >= limit:
            return None
        self.open.append(f"session {len(self.open)}")
        return self.open[-1]

    def leave(self, key_id: str, session: str) -> None:
        self.open.remove(session)


@pytest.fixture
def tally() -> ScriptedTally:
    return ScriptedTally()


@pytest.fixture
def limiter(tally: ScriptedTally, store_engine: AsyncEngine) -> Limiter:
    months = MonthlyCharacters(store_engine, utc_now=lambda: NOW)
    return Limiter(tally, months, utc_now=lambda: NOW)


def ann(**limits: object) -> Principal:
    return Principal("key_a", "Ann", None, KeyLimits(**limits))  # type: ignore[arg-type]


async def test_who_has_no_limits_is_not_counted(limiter: Limiter, tally: ScriptedTally) -> None:
    for principal in (Principal(None, "anonymous", None), ann()):
        with await limiter.admit(principal, MODEL, characters=10**9):
            await limiter.take_characters(principal, 10**9)
        assert not limiter.counts_characters(principal)
    assert (tally.asked, tally.open) == ([], [])


async def test_a_key_is_for_the_models_it_names_only(limiter: Limiter) -> None:
    principal = ann(models=(MODEL, "qwen-tts"))
    (await limiter.admit(principal, MODEL)).release()
    with pytest.raises(
        ModelDenied, match=r"may only use these models: qwen3-tts-flash, qwen-tts\."
    ) as caught:
        await limiter.admit(principal, "qwen3-tts-flash-realtime")
    assert caught.value.param == "model"


async def test_a_session_counts_until_it_is_released_once(limiter: Limiter, tally: ScriptedTally) -> None:
    principal = ann(max_sessions=1)
    admission = await limiter.admit(principal, MODEL)
    with pytest.raises(LimitReached, match="may have 1 sessions at once") as caught:
        await limiter.admit(principal, MODEL)
    assert caught.value.retry_after_s is None and caught.value.retryable
    admission.release()
    admission.release()
    assert tally.open == []


async def test_a_session_ends_whatever_happens_in_it(limiter: Limiter, tally: ScriptedTally) -> None:
    with pytest.raises(ZeroDivisionError):
        with await limiter.admit(ann(max_sessions=1), MODEL):
            assert len(tally.open) == 1
            _ = 1 / 0
    assert tally.open == []


@pytest.mark.parametrize("kind", ["requests", "characters"])
async def test_who_is_not_let_in_has_no_session_open(
    limiter: Limiter, tally: ScriptedTally, kind: str
) -> None:
    tally.wait_s[kind] = 12.3
    principal = ann(max_sessions=1, requests_per_minute=5, characters_per_minute=50)
    with pytest.raises(
        LimitReached, match=r" (5 requests|50 characters) a minute.*try again in 13 s"
    ) as caught:
        await limiter.admit(principal, MODEL, characters=7)
    assert caught.value.retry_after_s == 12.3
    assert tally.open == []


async def test_a_request_is_counted_with_its_characters(limiter: Limiter, tally: ScriptedTally) -> None:
    await limiter.admit(ann(requests_per_minute=5, characters_per_minute=50), MODEL, characters=7)
    assert tally.asked == [("requests", "key_a", 5, 1), ("characters", "key_a", 50, 7)]


async def test_without_characters_only_the_request_counts(limiter: Limiter, tally: ScriptedTally) -> None:
    await limiter.admit(ann(requests_per_minute=5, characters_per_minute=50), MODEL)
    assert tally.asked == [("requests", "key_a", 5, 1)]


async def test_a_text_that_no_minute_has_room_for_is_too_long(limiter: Limiter, tally: ScriptedTally) -> None:
    with pytest.raises(TextTooLong, match="counts 51 characters; this key may send 50 a minute") as caught:
        await limiter.take_characters(ann(characters_per_minute=50), 51)
    assert not caught.value.retryable
    assert tally.asked == []


async def test_the_month_says_when_the_next_begins(limiter: Limiter, store_engine: AsyncEngine) -> None:
    key_id = (await KeyStore(store_engine).create("Ann")).key.id
    principal = Principal(key_id, "Ann", None, KeyLimits(monthly_characters=100))
    assert limiter.counts_characters(principal)
    await limiter.take_characters(principal, 60)
    with pytest.raises(
        QuotaExhausted, match=r"100 characters a month.*begins on 2030-02-01 \(UTC\)"
    ) as caught:
        await limiter.take_characters(principal, 41)
    assert caught.value.retry_after_s == 3600
    assert not caught.value.retryable


async def test_what_the_minute_refuses_is_not_taken_from_the_month(
    limiter: Limiter, tally: ScriptedTally, store_engine: AsyncEngine
) -> None:
    key_id = (await KeyStore(store_engine).create("Ann")).key.id
    limits = KeyLimits(characters_per_minute=100, monthly_characters=100)
    tally.wait_s["characters"] = 1.0
    with pytest.raises(LimitReached):
        await limiter.take_characters(Principal(key_id, "Ann", None, limits), 100)
    tally.wait_s.clear()
    await limiter.take_characters(Principal(key_id, "Ann", None, limits), 100)


async def test_without_the_database_a_key_with_a_month_is_not_let_in(
    limiter: Limiter, tally: ScriptedTally
) -> None:
    # No key has this id, which the database refuses.
    with pytest.raises(StoreUnavailable):
        await limiter.admit(ann(max_sessions=1, monthly_characters=10), MODEL, characters=1)
    assert tally.open == []


async def test_by_default_limits_are_counted_in_the_process(
    tmp_path: Path, store_engine: AsyncEngine
) -> None:
    async with Limiter.open(Settings(data_dir=tmp_path, limits_url=None), store_engine) as limiter:
        principal = ann(requests_per_minute=2)
        for _ in range(2):
            (await limiter.admit(principal, MODEL)).release()
        with pytest.raises(LimitReached) as caught:
            await limiter.admit(principal, MODEL)
        assert caught.value.retry_after_s is not None and 0 < caught.value.retry_after_s <= 120
