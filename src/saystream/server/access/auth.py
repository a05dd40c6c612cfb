"""Who may use the server.

While no key exists, anyone may, with any key or none, but only on loopback. Once the first key is made, every
handshake needs one that is not revoked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from saystream.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InvalidValue,
    LimitReached,
    WorkspaceDenied,
)
from saystream.server.access.keys import NO_LIMITS, Key, KeyLimits, KeyStore
from saystream.server.access.origins import check_origin, is_loopback
from saystream.server.access.wrong_keys import WrongKeys
from saystream.storage.schema import WORKSPACE_MAX_CHARACTERS

__all__ = ["UNKNOWN_KEY", "Authenticator", "Principal", "check_binding"]

UNKNOWN_KEY = "unknown or revoked key"

_HOW = "send 'Authorization: Bearer <key>'"
_WORKSPACE_HEADER = "x-dashscope-workspace"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking."""

    key_id: str | None
    """``None``: no key exists, and everyone is admitted."""
    label: str
    workspace: str | None
    """The key's, else the header ``X-DashScope-WorkSpace`` as sent; a label that grants nothing."""
    limits: KeyLimits = NO_LIMITS
    owner: str = ""
    """Whose is what this one leaves on the server, such as voices: the key's own workspace; "" if it has none."""


class Authenticator:
    """Checks the headers of a handshake or request against the keys."""

    def __init__(
        self,
        store: KeyStore,
        *,
        host: str = "127.0.0.1",
        cors_origins: Collection[str] = (),
        wrong_keys_per_minute: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``host`` is the address the server listens on. While no key exists, web pages of ``cors_origins`` may use the
        server besides its own. One address may send ``wrong_keys_per_minute``, after a burst."""
        self._store = store
        self._loopback_only = is_loopback(host)
        self._cors_origins = frozenset(cors_origins)
        self._wrong_keys = WrongKeys(per_minute=wrong_keys_per_minute, clock=clock)

    async def authenticate(self, headers: Mapping[str, str], peer: str = "") -> Principal:
        """Who sent ``headers``, a mapping with lower-case names, such as Starlette's ``Headers``, from the address
        ``peer``.

        Raises AuthenticationFailed, LimitReached if too many wrong keys came from there, StoreUnavailable,
        OriginRefused while no key exists, InvalidValue if the workspace is not a valid name, or WorkspaceDenied if it
        is not the key's. No message holds any part of a header that may be secret.
        """
        workspace = _workspace(headers.get(_WORKSPACE_HEADER))
        if not await self._store.any_exist():
            check_origin(headers, allowed=self._cors_origins, loopback_only=self._loopback_only)
            return Principal(key_id=None, label="anonymous", workspace=workspace)
        secret = _bearer(headers.get("authorization"))
        # A key that was right before is looked at in any case: others behind the same address may try wrong ones.
        if (wait_s := self._wrong_keys.wait_s(peer)) and not self._store.knows(secret):
            raise LimitReached(
                f"Too many wrong keys came from this address; try again in {math.ceil(wait_s)} s.",
                retry_after_s=wait_s,
            )
        key = await self._store.verify(secret)
        if key is None:
            self._wrong_keys.count(peer)
            raise AuthenticationFailed(UNKNOWN_KEY)
        if workspace is not None and key.workspace not in (None, workspace):
            raise WorkspaceDenied(
                "this key belongs to another workspace than the one in the header X-DashScope-WorkSpace"
            )
        return Principal(
            key_id=key.id,
            label=key.label,
            workspace=key.workspace or workspace,
            limits=key.limits,
            owner=key.workspace or "",
        )

    async def current(self, key_ids: Collection[str]) -> dict[str, Key]:
        """Those of the keys that are not revoked, by id, as they are now. Raises StoreUnavailable."""
        return await self._store.current(key_ids)


async def check_binding(host: str, store: KeyStore, allow_anonymous: bool) -> None:
    """Raises ConfigurationError if a network could reach ``host`` without a key, unless ``allow_anonymous``."""
    if allow_anonymous or is_loopback(host) or await store.any_exist():
        return
    raise ConfigurationError(
        f"no key exists, so anyone who can reach '{host}' could use this server; create a key with"
        " `saystream keys create NAME`, serve only this machine with `--host 127.0.0.1`,"
        " or let anyone in with `--allow-anonymous`",
        param="host",
    )


def _bearer(header: str | None) -> str:
    if header is None:
        raise AuthenticationFailed(f"no Authorization header; {_HOW}")
    scheme, _, secret = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise AuthenticationFailed(f"the Authorization header has another scheme than Bearer; {_HOW}")
    secret = secret.strip()
    if not secret:
        raise AuthenticationFailed(f"the Authorization header holds no key; {_HOW}")
    return secret


def _workspace(header: str | None) -> str | None:
    if header is None or not header.strip():
        return None
    if len(header) > WORKSPACE_MAX_CHARACTERS or not header.isprintable():
        # Not quoted: it may be a key in the wrong header.
        raise InvalidValue(
            "X-DashScope-WorkSpace",
            "…",
            f"a name of at most {WORKSPACE_MAX_CHARACTERS} printable characters",
        )
    return header.strip()
