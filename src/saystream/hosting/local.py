"""The one place that decides where engines run: on this machine."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from saystream.hosting.pool import EnginePool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from saystream.config import Settings
    from saystream.hosting.front import Hosting

__all__ = ["hosting_of"]


@asynccontextmanager
async def hosting_of(settings: Settings) -> AsyncIterator[Hosting]:
    """The engines of a server with these settings, none of them started yet; all are stopped at the end."""
    pool = EnginePool(
        settings.pool,
        settings.engines,
        models_dir=settings.models_dir,
        clock=asyncio.get_running_loop().time,
    )
    try:
        yield pool
    finally:
        await pool.aclose()
