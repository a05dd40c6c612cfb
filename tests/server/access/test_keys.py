from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from saystream.config import Settings
from saystream.errors import InvalidValue, KeyNotFound, StoreUnavailable
from saystream.server.access import keys
from saystream.server.access.keys import NO_LIMITS, KeyChanges, KeyLimits, KeyStore
from saystream.storage import open_store


class Clock:
    """Both clocks of a store: seconds for its cache, and the date for its rows."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def utc_now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


class Queries:
    """Counts the SELECTs that reach the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.count = 0
        event.listen(engine.sync_engine, "before_cursor_execute", self._seen)

    def _seen(self, connection: object, cursor: object, statement: str, *_: object) -> None:
        self.count += statement.startswith("SELECT")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_engine: AsyncEngine, clock: Clock) -> KeyStore:
    return KeyStore(store_engine, clock=clock, utc_now=clock.utc_now, verify_ttl_s=5.0, answer_within_s=60)


async def test_a_new_key_is_listed_without_its_secret_and_verifies(store: KeyStore, clock: Clock) -> None:
    made = await store.create("Ann")

    assert re.fullmatch(r"sk-[A-Za-z0-9_-]{43}", made.secret)
    assert made.key.label == "Ann"
    assert made.key.created_at == clock.utc_now()
    assert made.key.revoked_at is None
    assert made.secret.startswith(made.key.hint) and len(made.key.hint) == 7
    assert await store.list() == (made.key,)
    assert await store.verify(made.secret) == made.key


async def test_neither_the_repr_nor_the_database_holds_the_secret(
    sqlite_engine: AsyncEngine, tmp_path: Path
) -> None:
    made = await KeyStore(sqlite_engine).create("Ann")

    assert made.secret not in repr(made)
    files = list(tmp_path.iterdir())
    assert files
    assert all(made.secret.encode() not in file.read_bytes() for file in files)


async def test_keys_are_listed_oldest_first_and_labels_may_repeat(store: KeyStore, clock: Clock) -> None:
    made = []
    for label in ("b", "a", "b"):
        made.append(await store.create(label))
        clock.seconds += 1

    assert [key.label for key in await store.list()] == ["b", "a", "b"]
    assert len({new.key.id for new in made}) == len({new.secret for new in made}) == 3


@pytest.mark.parametrize("label", ["", "  ", "x" * 101, "two\nlines", "\x1b[31m", "zero\u200bwidth"])
async def test_a_label_that_is_no_name_is_refused(store: KeyStore, label: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        await store.create(label)

    assert caught.value.param == "label"
    assert caught.value.message.isprintable()
    assert await store.list() == ()


async def test_a_label_of_the_greatest_length_in_any_script_is_kept(store: KeyStore) -> None:
    label = "客服" * 50
    await store.create(label)
    assert [key.label for key in await store.list()] == [label]


async def test_a_revoked_key_stays_listed_and_no_longer_verifies(store: KeyStore, clock: Clock) -> None:
    made = await store.create("Ann")
    clock.seconds += 60
    revoked = await store.revoke(made.key.id)

    assert revoked.revoked_at == clock.utc_now()
    assert await store.list() == (revoked,)
    assert await store.verify(made.secret) is None


async def test_revoking_twice_keeps_the_first_moment(store: KeyStore, clock: Clock) -> None:
    made = await store.create("Ann")
    first = await store.revoke(made.key.id)
    clock.seconds += 60
    assert await store.revoke(made.key.id) == first


async def test_revoking_one_key_leaves_the_others(store: KeyStore) -> None:
    ann, bob = await store.create("Ann"), await store.create("Bob")
    await store.revoke(ann.key.id)
    assert await store.verify(bob.secret) == bob.key


async def test_an_unknown_id_is_refused_with_the_way_to_list_the_ids(store: KeyStore) -> None:
    with pytest.raises(KeyNotFound, match="'key_000000000000'.*saystream keys list"):
        await store.revoke("key_000000000000")


async def test_a_secret_given_as_an_id_is_not_echoed(store: KeyStore) -> None:
    made = await store.create("Ann")
    with pytest.raises(KeyNotFound, match="saystream keys list") as caught:
        await store.revoke(made.secret)
    assert made.key.hint not in caught.value.message


@pytest.mark.parametrize(
    "secret",
    ["", "sk-", "sk-" + "x" * 42, "sk-" + "x" * 44, "sk-" + "é" * 43, "xx-" + "x" * 43, "x" * 1_000_000],
)
async def test_what_cannot_be_a_key_never_reaches_the_database(
    store: KeyStore, store_engine: AsyncEngine, secret: str
) -> None:
    queries = Queries(store_engine)
    assert await store.verify(secret) is None
    assert queries.count == 0


async def test_an_unknown_key_of_the_right_shape_does_not_verify(store: KeyStore) -> None:
    made = await store.create("Ann")
    other = made.secret[:-1] + ("A" if made.secret[-1] != "A" else "B")
    assert await store.verify(other) is None


async def test_a_burst_of_handshakes_with_one_key_asks_the_database_once(
    store: KeyStore, store_engine: AsyncEngine
) -> None:
    made = await store.create("Ann")
    queries = Queries(store_engine)

    assert await asyncio.gather(*(store.verify(made.secret) for _ in range(200))) == [made.key] * 200
    assert queries.count == 1


async def test_a_handshake_that_is_given_up_does_not_disturb_those_that_wait(store: KeyStore) -> None:
    made = await store.create("Ann")
    first, second = (asyncio.create_task(store.verify(made.secret)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()

    assert await second == made.key
    assert first.cancelled()


async def test_a_key_revoked_elsewhere_works_no_longer_than_the_time_to_live(
    store: KeyStore, store_engine: AsyncEngine, clock: Clock
) -> None:
    made = await store.create("Ann")
    assert await store.verify(made.secret) == made.key
    await KeyStore(store_engine).revoke(made.key.id)

    clock.seconds += 4.9
    assert await store.verify(made.secret) == made.key
    clock.seconds += 0.1
    assert await store.verify(made.secret) is None


async def test_being_used_does_not_keep_a_revoked_key_alive(
    store: KeyStore, store_engine: AsyncEngine, clock: Clock
) -> None:
    made = await store.create("Ann")
    await store.verify(made.secret)
    await KeyStore(store_engine).revoke(made.key.id)

    answers = []
    for _ in range(6):
        clock.seconds += 1
        answers.append(await store.verify(made.secret) is not None)
    assert answers == [True] * 4 + [False] * 2


async def test_a_key_made_elsewhere_works_at_once(store: KeyStore, store_engine: AsyncEngine) -> None:
    await store.create("Ann")
    made = await KeyStore(store_engine).create("Bob")
    assert await store.verify(made.secret) == made.key


async def test_the_cache_is_bounded_and_drops_the_least_recently_used(
    store: KeyStore, store_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_CACHED_KEYS", 2)
    ann, bob, eve = [await store.create(label) for label in ("Ann", "Bob", "Eve")]
    for made in (ann, bob, ann, eve):
        await store.verify(made.secret)
    queries = Queries(store_engine)

    await store.verify(ann.secret)
    await store.verify(eve.secret)
    assert queries.count == 0
    await store.verify(bob.secret)
    assert queries.count == 1


async def test_wrong_keys_do_not_push_valid_ones_out(
    store: KeyStore, store_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_CACHED_KEYS", 1)
    made = await store.create("Ann")
    await store.verify(made.secret)
    for number in range(20):
        await store.verify(f"sk-{number:043}")
    queries = Queries(store_engine)

    await store.verify(made.secret)
    assert queries.count == 0


async def test_a_key_has_no_limits_unless_they_are_chosen(store: KeyStore) -> None:
    made = await store.create("Ann")
    assert (made.key.limits, made.key.workspace) == (NO_LIMITS, None)


async def test_limits_are_kept_and_come_with_the_key(store: KeyStore) -> None:
    made = await store.create(
        "Ann",
        requests_per_minute=60,
        characters_per_minute=6000,
        models=["qwen3-tts-flash-realtime", "qwen3-tts-flash", "qwen3-tts-flash"],
        max_sessions=2,
        monthly_characters=10**12,
        workspace="销售",
    )
    assert made.key.limits == KeyLimits(
        requests_per_minute=60,
        characters_per_minute=6000,
        models=("qwen3-tts-flash", "qwen3-tts-flash-realtime"),
        max_sessions=2,
        monthly_characters=10**12,
    )
    assert made.key.workspace == "销售"
    assert await store.verify(made.secret) == made.key
    assert await store.list() == (made.key,)


async def test_a_change_leaves_the_other_limits_and_other_keys(store: KeyStore) -> None:
    ann = await store.create("Ann", requests_per_minute=60, max_sessions=2, workspace="sales")
    bob = await store.create("Bob", max_sessions=3)
    changed = await store.limit(ann.key.id, max_sessions=None, models=["qwen3-tts-flash"])
    assert changed.limits == KeyLimits(requests_per_minute=60, models=("qwen3-tts-flash",))
    assert changed.workspace == "sales"
    assert set(await store.list()) == {changed, bob.key}


async def test_nothing_to_change_gives_the_key_as_it_is(store: KeyStore) -> None:
    made = await store.create("Ann", max_sessions=2)
    assert await store.limit(made.key.id) == made.key


async def test_an_unknown_key_cannot_be_limited(store: KeyStore) -> None:
    with pytest.raises(KeyNotFound):
        await store.limit("key_000000000000", max_sessions=1)


async def test_a_changed_limit_is_noticed_within_the_time_to_live(
    store: KeyStore, store_engine: AsyncEngine, clock: Clock
) -> None:
    made = await store.create("Ann")
    await store.verify(made.secret)
    changed = await KeyStore(store_engine).limit(made.key.id, max_sessions=1)
    clock.seconds += 5
    assert await store.verify(made.secret) == changed


@pytest.mark.parametrize(
    "chosen",
    [
        {"requests_per_minute": 0},
        {"characters_per_minute": -1},
        {"max_sessions": 10**10},
        {"monthly_characters": 10**13},
        {"models": []},
        {"models": ["qwen3-tts-flash", "qwen9"]},
        {"workspace": ""},
        {"workspace": " sales"},
        {"workspace": "x" * 129},
        {"workspace": "two\nlines"},
    ],
)
async def test_a_limit_that_is_none_is_refused(store: KeyStore, chosen: KeyChanges) -> None:
    with pytest.raises(InvalidValue) as caught:
        await store.create("Ann", **chosen)
    assert caught.value.param in chosen
    assert caught.value.message.isprintable()
    assert await store.list() == ()


async def test_no_key_exists_until_one_is_made(store: KeyStore) -> None:
    assert not await store.any_exist()
    await store.create("Ann")
    assert await store.any_exist()


async def test_a_revoked_key_still_counts_as_existing(store: KeyStore, store_engine: AsyncEngine) -> None:
    made = await store.create("Ann")
    await store.revoke(made.key.id)
    assert await store.any_exist()
    assert await KeyStore(store_engine).any_exist()


async def test_the_first_key_made_elsewhere_is_noticed_within_the_time_to_live(
    store: KeyStore, store_engine: AsyncEngine, clock: Clock
) -> None:
    assert not await store.any_exist()
    await KeyStore(store_engine).create("Ann")

    clock.seconds += 4.9
    assert not await store.any_exist()
    clock.seconds += 0.1
    assert await store.any_exist()


async def test_whether_keys_exist_is_asked_once_for_a_burst(
    store: KeyStore, store_engine: AsyncEngine
) -> None:
    queries = Queries(store_engine)
    assert not any(await asyncio.gather(*(store.any_exist() for _ in range(200))))
    assert queries.count == 1


async def test_a_database_that_fails_is_an_error_and_lets_nobody_in(tmp_path: Path) -> None:
    async with open_store(Settings(data_dir=tmp_path)) as engine:
        store = KeyStore(engine)
        async with engine.begin() as connection:
            await connection.exec_driver_sql("DROP TABLE keys")

        for call in (store.any_exist(), store.list(), store.create("Ann"), store.verify("sk-" + "x" * 43)):
            with pytest.raises(StoreUnavailable) as caught:
                await call
            assert "sk-" not in caught.value.message and "Ann" not in caught.value.message


async def test_of_many_keys_those_that_are_not_revoked_are_told_as_they_are_now(store: KeyStore) -> None:
    ann, bob, eve = [await store.create(label) for label in ("Ann", "Bob", "Eve")]
    await store.revoke(bob.key.id)
    changed = await store.limit(eve.key.id, max_sessions=3)
    ids = [made.key.id for made in (ann, bob, eve)]
    assert await store.current([*ids, "key_000000000000"]) == {ann.key.id: ann.key, eve.key.id: changed}
