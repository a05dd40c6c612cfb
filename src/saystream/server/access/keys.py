"""API keys: made, listed, revoked and checked.

A key is ``sk-`` and 43 random characters. Only its SHA-256 is stored: 256 random bits cannot be guessed, so a
slow password hash would cost every handshake time and protect nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, TypedDict, TypeVar, Unpack

from sqlalchemy import ColumnElement, RowMapping, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from saystream import catalog
from saystream.errors import InvalidValue, KeyNotFound, StoreUnavailable
from saystream.storage.deadline import ANSWER_WITHIN_S, in_time
from saystream.storage.schema import KEY_LABEL_MAX_CHARACTERS, WORKSPACE_MAX_CHARACTERS
from saystream.storage.schema import keys as keys_table

__all__ = ["NO_LIMITS", "VERIFY_TTL_S", "Key", "KeyChanges", "KeyLimits", "KeyStore", "NewKey"]

VERIFY_TTL_S = 5.0
"""A revoked key works, and an old limit applies, at most this much longer; a burst of handshakes with one key queries
the database once."""

_CACHED_KEYS = 4096
"""Valid keys kept in memory, about 1 KB each; the least recently used goes first."""

T = TypeVar("T")

_SECRET = re.compile(r"sk-[A-Za-z0-9_-]{43}")
_HINT_CHARACTERS = 7
_ID = re.compile(r"key_[0-9a-f]{12}")
_LOOKUP_LANES = 16
_LISTED_COLUMNS = [column for column in keys_table.c if column.name != "digest"]
_LIMIT_COLUMNS = (
    "requests_per_minute",
    "characters_per_minute",
    "models",
    "max_sessions",
    "monthly_characters",
)
_GREATEST = {
    "requests_per_minute": 1_000_000_000,
    "characters_per_minute": 1_000_000_000,
    "max_sessions": 1_000_000_000,
    "monthly_characters": 1_000_000_000_000,
}


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What one key may do, at all doors together; ``None`` is no limit."""

    requests_per_minute: int | None = None
    """A session of the realtime door is one request."""
    characters_per_minute: int | None = None
    """Counted as billed."""
    models: tuple[str, ...] | None = None
    """The only models that the key allows."""
    max_sessions: int | None = None
    """Sessions and requests spoken at the same time."""
    monthly_characters: int | None = None
    """Counted as billed; months begin at midnight UTC."""


NO_LIMITS = KeyLimits()


class KeyChanges(TypedDict, total=False):
    """What can be chosen for a key. ``None`` removes a limit, or the workspace."""

    requests_per_minute: int | None
    characters_per_minute: int | None
    models: Sequence[str] | None
    max_sessions: int | None
    monthly_characters: int | None
    workspace: str | None


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key. Nothing here is secret."""

    id: str
    hint: str
    """The first characters of the key, to find it again in a configuration file."""
    label: str
    created_at: datetime
    revoked_at: datetime | None
    limits: KeyLimits = NO_LIMITS
    workspace: str | None = None
    """Requests with this key belong to this workspace; ``None``: to the one that they name."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key. ``secret`` exists nowhere else: show it once and forget it."""

    key: Key
    secret: str = field(repr=False)


class KeyStore:
    """The keys in one database. Every method raises StoreUnavailable if the database does not answer, and those that
    requests wait for do so in time."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        clock: Callable[[], float] = time.monotonic,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        verify_ttl_s: float = VERIFY_TTL_S,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._utc_now = utc_now
        self._verify_ttl_s = verify_ttl_s
        self._answer_within_s = answer_within_s
        # Only valid keys are cached, so a flood of wrong ones cannot push them out.
        self._verified: OrderedDict[str, tuple[Key, float]] = OrderedDict()
        self._none_exist_until = float("-inf")
        self._any_exist = False
        # Handshakes with the same key share one lookup. Lanes, unlike a lock for each key, need no cleaning up.
        self._lanes = tuple(asyncio.Lock() for _ in range(_LOOKUP_LANES))
        self._existence = asyncio.Lock()

    async def create(self, label: str, **chosen: Unpack[KeyChanges]) -> NewKey:
        """A new key. ``label`` says whose it is and need not be unique.

        Raises InvalidValue unless it is 1 to 100 printable characters, not all spaces; or for a limit that is not a
        number from 1 up, a model that does not exist, or an invalid workspace name.
        """
        label = _checked_label(label)
        columns = _checked_changes(chosen)
        secret = f"sk-{secrets.token_urlsafe(32)}"
        key = Key(
            id=f"key_{secrets.token_hex(6)}",
            hint=secret[:_HINT_CHARACTERS],
            label=label,
            created_at=self._utc_now(),
            revoked_at=None,
            limits=_limits(columns),
            workspace=chosen.get("workspace"),
        )
        async with self._transaction() as connection:
            await connection.execute(
                insert(keys_table).values(
                    id=key.id,
                    digest=_digest(secret),
                    hint=key.hint,
                    label=label,
                    created_at=key.created_at,
                    **columns,
                )
            )
        self._any_exist = True
        return NewKey(key=key, secret=secret)

    async def list(self) -> tuple[Key, ...]:
        """Every key, including revoked ones, oldest first."""
        statement = select(*_LISTED_COLUMNS).order_by(keys_table.c.created_at, keys_table.c.id)
        async with self._transaction() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        return tuple(_key(row) for row in rows)

    async def revoke(self, key_id: str) -> Key:
        """Revokes a key for good; every process notices within ``verify_ttl_s``. Revoking it again changes nothing.

        Raises KeyNotFound if there is no such id.
        """
        return await self._update(key_id, {"revoked_at": self._utc_now()}, keys_table.c.revoked_at.is_(None))

    async def limit(self, key_id: str, **changes: Unpack[KeyChanges]) -> Key:
        """Changes the given limits and leaves the rest; every process notices within ``verify_ttl_s``.

        Raises KeyNotFound, or InvalidValue as ``create`` does.
        """
        return await self._update(key_id, _checked_changes(changes))

    async def _update(self, key_id: str, values: dict[str, Any], *only: ColumnElement[bool]) -> Key:
        """The key with that id, changed if ``only`` holds."""
        if not _ID.fullmatch(key_id):
            # Not quoted: it may well be the key itself.
            raise KeyNotFound(
                "that is not a key id; an id looks like 'key_0123456789ab', and `saystream keys list` shows them",
                param="id",
            )
        this = keys_table.c.id == key_id
        async with self._transaction() as connection:
            if values:
                await connection.execute(update(keys_table).where(this, *only).values(**values))
            row = (await connection.execute(select(*_LISTED_COLUMNS).where(this))).mappings().one_or_none()
        if row is None:
            raise KeyNotFound(
                f"no key has the id '{key_id}'; `saystream keys list` shows the ids", param="id"
            )
        return _key(row)

    async def verify(self, secret: str) -> Key | None:
        """The key whose secret this is, or ``None`` if it is unknown or revoked."""
        if not _SECRET.fullmatch(secret):
            return None
        # Looked up by its hash, so the time this takes reveals nothing about a stored key.
        digest = _digest(secret)
        return self._recall(digest) or await self._in_time(self._look_up(digest))

    def knows(self, secret: str) -> bool:
        """Whether this was a valid key not long ago; it may have been revoked since."""
        return _SECRET.fullmatch(secret) is not None and _digest(secret) in self._verified

    async def _look_up(self, digest: str) -> Key | None:
        async with self._lanes[int(digest[0], 16)]:
            known = self._recall(digest)
            if known is not None:
                return known
            asked_at = self._clock()
            statement = select(*_LISTED_COLUMNS).where(
                keys_table.c.digest == digest, keys_table.c.revoked_at.is_(None)
            )
            async with self._transaction() as connection:
                row = (await connection.execute(statement)).mappings().one_or_none()
            if row is None:
                self._verified.pop(digest, None)
                return None
            return self._remember(digest, _key(row), asked_at)

    async def current(self, key_ids: Collection[str]) -> dict[str, Key]:
        """Those of the keys that are not revoked, by id, as they are now."""
        return await self._in_time(self._look_up_ids(key_ids))

    async def _look_up_ids(self, key_ids: Collection[str]) -> dict[str, Key]:
        statement = select(*_LISTED_COLUMNS).where(
            keys_table.c.id.in_(key_ids), keys_table.c.revoked_at.is_(None)
        )
        async with self._transaction() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        return {row["id"]: _key(row) for row in rows}

    async def any_exist(self) -> bool:
        """Whether a key was ever made. Revoked keys count: revoking the last one must not admit everyone.

        ``False`` is cached for ``verify_ttl_s``, ``True`` forever, because keys are never deleted.
        """
        if self._knows_existence():
            return self._any_exist
        return await self._in_time(self._look_for_any())

    async def _look_for_any(self) -> bool:
        async with self._existence:
            if self._knows_existence():
                return self._any_exist
            asked_at = self._clock()
            async with self._transaction() as connection:
                first = (await connection.execute(select(keys_table.c.id).limit(1))).first()
            # "or": this process may have made a key meanwhile.
            self._any_exist = self._any_exist or first is not None
            self._none_exist_until = asked_at + self._verify_ttl_s
            return self._any_exist

    def _knows_existence(self) -> bool:
        return self._any_exist or self._clock() < self._none_exist_until

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        return await in_time(work, what="the key store", within_s=self._answer_within_s)

    def _recall(self, digest: str) -> Key | None:
        cached = self._verified.get(digest)
        if cached is None or self._clock() >= cached[1]:
            return None
        self._verified.move_to_end(digest)
        return cached[0]

    def _remember(self, digest: str, key: Key, asked_at: float) -> Key:
        self._verified[digest] = (key, asked_at + self._verify_ttl_s)
        self._verified.move_to_end(digest)
        if len(self._verified) > _CACHED_KEYS:
            self._verified.popitem(last=False)
        return key

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(f"the key store does not answer ({type(error).__name__})") from error


def _checked_label(label: str) -> str:
    allowed = f"1 to {KEY_LABEL_MAX_CHARACTERS} printable characters, not all spaces"
    if not label.strip() or len(label) > KEY_LABEL_MAX_CHARACTERS or not label.isprintable():
        raise InvalidValue("label", label.encode("unicode_escape").decode(), allowed)
    return label


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checked_changes(changes: KeyChanges) -> dict[str, Any]:
    """The columns that ``changes`` set."""
    columns: dict[str, Any] = dict(changes)
    for name, greatest in _GREATEST.items():
        number = columns.get(name)
        if number is not None and not 1 <= number <= greatest:
            raise InvalidValue(name, number, f"a whole number from 1 to {greatest}")
    if (models := changes.get("models")) is not None:
        columns["models"] = _checked_models(models)
    workspace = changes.get("workspace")
    if workspace is not None and not (
        workspace.strip() == workspace
        and 0 < len(workspace) <= WORKSPACE_MAX_CHARACTERS
        and workspace.isprintable()
    ):
        allowed = f"1 to {WORKSPACE_MAX_CHARACTERS} printable characters, no spaces around them"
        raise InvalidValue("workspace", workspace.encode("unicode_escape").decode(), allowed)
    return columns


def _checked_models(models: Sequence[str]) -> list[str]:
    known = {model.name for model in catalog.load().models}
    for name in models:
        if name not in known:
            raise InvalidValue("models", name, get_close_matches(name[:64], known) or sorted(known))
    if not models:
        raise InvalidValue("models", "", "at least one name of a model")
    return sorted(set(models))


def _limits(columns: Mapping[str, Any] | RowMapping) -> KeyLimits:
    chosen: dict[str, Any] = {name: columns.get(name) for name in _LIMIT_COLUMNS}
    models = chosen.pop("models")
    return KeyLimits(models=None if models is None else tuple(models), **chosen)


def _key(row: RowMapping) -> Key:
    plain = {name: value for name, value in row.items() if name not in _LIMIT_COLUMNS}
    return Key(limits=_limits(row), **plain)
