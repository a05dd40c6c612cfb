"""Enforces the limits of each key, at all doors."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from saystream.errors import LimitReached, ModelDenied, QuotaExhausted, TextTooLong
from saystream.server.access.months import MonthlyCharacters
from saystream.server.access.tallies import LocalTally, SharedTally, Tally

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from saystream.config import Settings
    from saystream.server.access.auth import Principal

__all__ = ["Limiter", "Permit"]


class Permit:
    """A session or request that was admitted, until it is released. Releasing twice is harmless."""

    def __init__(self, leave: Callable[[], None] | None = None) -> None:
        self._leave = leave

    def release(self) -> None:
        """It has ended: another may take its place."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Limiter:
    """Counts what keys do. Without a key there are no limits."""

    def __init__(
        self,
        tally: Tally,
        months: MonthlyCharacters,
        *,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tally = tally
        self._months = months
        self._utc_now = utc_now

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, engine: AsyncEngine) -> AsyncIterator[Limiter]:
        """Counts where ``settings`` say, and per month in the database of ``engine``. Raises ConfigurationError."""
        async with aclosing(MonthlyCharacters(engine)) as months:
            if settings.limits_url is None:
                yield cls(LocalTally(), months)
                return
            async with SharedTally.connected(settings.limits_url) as tally:
                yield cls(tally, months)

    async def admit(self, principal: Principal, model: str, *, characters: int = 0) -> Permit:
        """Admits a session or request of ``characters``. The caller must release the permit.

        Raises ModelDenied, LimitReached, TextTooLong for more than any minute allows, or StoreUnavailable.
        Then nothing is open; what was counted before the limit was reached stays counted.
        """
        self.check_model(principal, model)
        permit = await self.enter(principal)
        try:
            await self._take_request(principal)
            await self.take_characters(principal, characters)
        except BaseException:
            permit.release()
            raise
        return permit

    def check_model(self, principal: Principal, model: str) -> None:
        """Raises ModelDenied."""
        models = principal.limits.models
        if models is not None and model not in models:
            raise ModelDenied(f"This key may only use these models: {', '.join(models)}.", param="model")

    def counts_characters(self, principal: Principal) -> bool:
        """Whether characters need to be counted."""
        limits = principal.limits
        return limits.characters_per_minute is not None or limits.monthly_characters is not None

    async def take_characters(self, principal: Principal, characters: int) -> None:
        """Counts ``characters``, as billed, before they are spoken. Raises the same errors as ``admit``."""
        key_id, limits = principal.key_id, principal.limits
        if key_id is None or characters == 0:
            return
        if (limit := limits.characters_per_minute) is not None:
            if characters > limit:
                raise TextTooLong(
                    f"This text counts {characters} characters; this key may send {limit} a minute.",
                    param="text",
                )
            wait_s = await self._tally.take("characters", key_id, limit=limit, amount=characters)
            if wait_s is not None:
                raise LimitReached(
                    f"This key may send {limit} characters a minute, and this text counts {characters};"
                    f" try again in {_whole(wait_s)} s.",
                    retry_after_s=wait_s,
                )
        if (limit := limits.monthly_characters) is not None:
            next_month = await self._months.take(key_id, limit=limit, amount=characters)
            if next_month is not None:
                raise QuotaExhausted(
                    f"This key may send {limit} characters a month, and this text, which counts {characters}, exceeds"
                    f" that; the next month begins on {next_month:%Y-%m-%d} (UTC).",
                    retry_after_s=(next_month - self._utc_now()).total_seconds(),
                )

    async def enter(self, principal: Principal) -> Permit:
        """Counts a session or request as open. The caller must release the permit. Raises LimitReached."""
        key_id, limit = principal.key_id, principal.limits.max_sessions
        if key_id is None or limit is None:
            return Permit()
        session = await self._tally.enter(key_id, limit=limit)
        if session is None:
            raise LimitReached(f"This key may have {limit} sessions at once, and they are all open.")
        return Permit(lambda: self._tally.leave(key_id, session))

    async def _take_request(self, principal: Principal) -> None:
        key_id, limit = principal.key_id, principal.limits.requests_per_minute
        if key_id is None or limit is None:
            return
        wait_s = await self._tally.take("requests", key_id, limit=limit, amount=1)
        if wait_s is not None:
            raise LimitReached(
                f"This key may make {limit} requests a minute; try again in {_whole(wait_s)} s.",
                retry_after_s=wait_s,
            )


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))
