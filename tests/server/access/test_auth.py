from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Headers

from clock import Clock
from saystream.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InvalidValue,
    LimitReached,
    StoreUnavailable,
    WorkspaceDenied,
)
from saystream.server.access.auth import Authenticator, Principal, check_binding
from saystream.server.access.keys import KeyLimits, KeyStore
from saystream.server.access.origins import is_loopback

UNKNOWN = "sk-" + "u" * 43


@pytest.fixture
def store(store_engine: AsyncEngine) -> KeyStore:
    return KeyStore(store_engine)


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", f"Bearer {UNKNOWN}", "Basic YTpi", "Bearer anything"]
)
async def test_while_no_key_exists_any_key_or_none_is_accepted(
    store: KeyStore, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    principal = await Authenticator(store).authenticate(headers)
    assert principal == Principal(key_id=None, label="anonymous", workspace=None)


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", " Bearer {} "])
async def test_a_valid_key_says_who_is_asking(store: KeyStore, form: str) -> None:
    made = await store.create("Ann")
    principal = await Authenticator(store).authenticate({"authorization": form.format(made.secret)})
    assert principal == Principal(key_id=made.key.id, label="Ann", workspace=None)


async def test_header_names_are_found_in_any_case(store: KeyStore) -> None:
    made = await store.create("Ann")
    headers = Headers({"Authorization": f"Bearer {made.secret}", "X-DashScope-WorkSpace": "ws-1"})
    principal = await Authenticator(store).authenticate(headers)
    assert (principal.key_id, principal.workspace) == (made.key.id, "ws-1")


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        (None, "no Authorization header; send 'Authorization: Bearer <key>'"),
        ("Bearer", "the Authorization header holds no key; send 'Authorization: Bearer <key>'"),
        ("Bearer ", "the Authorization header holds no key; send 'Authorization: Bearer <key>'"),
        (
            UNKNOWN,
            "the Authorization header has another scheme than Bearer; send 'Authorization: Bearer <key>'",
        ),
        (f"Token {UNKNOWN}", "the Authorization header has another scheme than Bearer"),
        (f"Bearer {UNKNOWN}", "unknown or revoked key"),
        (f"Bearer {UNKNOWN} {UNKNOWN}", "unknown or revoked key"),
        ("Bearer é", "unknown or revoked key"),
    ],
)
async def test_a_bad_key_is_refused_with_the_reason_and_never_echoed(
    store: KeyStore, authorization: str | None, message: str
) -> None:
    await store.create("Ann")
    headers = {} if authorization is None else {"authorization": authorization}
    with pytest.raises(AuthenticationFailed) as caught:
        await Authenticator(store).authenticate(headers)
    assert caught.value.message.startswith(message)
    assert UNKNOWN not in str(caught.value)


async def test_a_revoked_key_is_refused_even_when_it_was_the_only_one(store: KeyStore) -> None:
    made = await store.create("Ann")
    await store.revoke(made.key.id)
    with pytest.raises(AuthenticationFailed, match="unknown or revoked key"):
        await Authenticator(store).authenticate({"authorization": f"Bearer {made.secret}"})
    with pytest.raises(AuthenticationFailed, match="no Authorization header"):
        await Authenticator(store).authenticate({})


async def test_the_workspace_is_kept_as_a_label(store: KeyStore) -> None:
    authenticator = Authenticator(store)
    assert (await authenticator.authenticate({"x-dashscope-workspace": " ws-1 "})).workspace == "ws-1"
    assert (await authenticator.authenticate({"x-dashscope-workspace": " "})).workspace is None


async def test_the_limits_and_the_workspace_of_a_key_come_with_who_sent_it(store: KeyStore) -> None:
    made = await store.create("Ann", max_sessions=2, workspace="sales")
    headers = {"authorization": f"Bearer {made.secret}"}
    authenticator = Authenticator(store)
    expected = Principal(made.key.id, "Ann", "sales", KeyLimits(max_sessions=2), owner="sales")
    assert await authenticator.authenticate(headers) == expected
    assert await authenticator.authenticate({**headers, "x-dashscope-workspace": "sales"}) == expected


async def test_a_key_is_of_no_other_workspace_than_its_own(store: KeyStore) -> None:
    made = await store.create("Ann", workspace="sales")
    headers = {"authorization": f"Bearer {made.secret}", "x-dashscope-workspace": "research"}
    with pytest.raises(WorkspaceDenied) as caught:
        await Authenticator(store).authenticate(headers)
    assert "sales" not in caught.value.message


@pytest.mark.parametrize("workspace", ["w" * 129, "a\tb"])
async def test_a_workspace_that_is_no_name_is_refused_and_not_echoed(store: KeyStore, workspace: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        await Authenticator(store).authenticate({"x-dashscope-workspace": workspace})
    assert caught.value.param == "X-DashScope-WorkSpace"
    assert workspace[:3] not in caught.value.message


async def test_when_the_database_fails_nobody_is_let_in(store: KeyStore, store_engine: AsyncEngine) -> None:
    async with store_engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE monthly_characters")
        await connection.exec_driver_sql("DROP TABLE keys")
    with pytest.raises(StoreUnavailable):
        await Authenticator(store).authenticate({"authorization": f"Bearer {UNKNOWN}"})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"])
async def test_loopback_is_served_without_keys(store: KeyStore, host: str) -> None:
    assert is_loopback(host)
    await check_binding(host, store, allow_anonymous=False)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.5", "10.0.0.1", "example.org", "localhost.example.org", "127.1"]
)
async def test_a_network_is_not_served_without_keys_unless_told_so(store: KeyStore, host: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"`saystream keys create NAME`.*`--allow-anonymous`"
    ) as caught:
        await check_binding(host, store, allow_anonymous=False)
    assert caught.value.param == "host"

    await check_binding(host, store, allow_anonymous=True)


async def test_a_network_is_served_once_a_key_exists(store: KeyStore) -> None:
    await store.create("Ann")
    await check_binding("0.0.0.0", store, allow_anonymous=False)


async def test_an_address_with_many_wrong_keys_is_held_up_but_not_the_keys_that_were_right(
    store: KeyStore,
) -> None:
    clock = Clock()
    right, new = await store.create("Ann"), await store.create("Bob")
    authenticator = Authenticator(store, clock=clock)
    authorized = {"authorization": f"Bearer {right.secret}"}
    await authenticator.authenticate(authorized, "10.0.0.1")
    for _ in range(20):
        with pytest.raises(AuthenticationFailed):
            await authenticator.authenticate({"authorization": f"Bearer {UNKNOWN}"}, "10.0.0.1")
    with pytest.raises(LimitReached, match="wrong keys") as held_up:
        await authenticator.authenticate({"authorization": f"Bearer {UNKNOWN}"}, "10.0.0.1")
    assert held_up.value.retry_after_s == pytest.approx(1)
    assert (await authenticator.authenticate(authorized, "10.0.0.1")).label == "Ann"
    newly = {"authorization": f"Bearer {new.secret}"}
    assert (await authenticator.authenticate(newly, "10.0.0.2")).label == "Bob"
    clock.now_s += 1
    with pytest.raises(AuthenticationFailed):
        await authenticator.authenticate({"authorization": "Bearer x"}, "10.0.0.1")
