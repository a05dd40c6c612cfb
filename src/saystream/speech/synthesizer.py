"""The speech of one process: its engines are up, and sessions can be opened."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from saystream.hosting.pool import EnginePool
from saystream.speech.session import SpeechServices, SynthesisSession
from saystream.text.language import LATIN_LANGUAGES, prepare
from saystream.voices.casting import Router

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence

    from saystream.config import Settings
    from saystream.speech.events import SpeechConfig, SpeechEvent

__all__ = ["Synthesizer"]


class Synthesizer:
    """What all sessions of one process share."""

    def __init__(self, settings: Settings, *, pool: EnginePool, router: Router) -> None:
        self.settings = settings
        self.pool = pool
        self.router = router
        spoken = {choice.language for choice in router.describe() if choice.engine is not None}
        self._services = SpeechServices(
            settings, pool, router, frozenset(spoken.intersection(LATIN_LANGUAGES))
        )

    @classmethod
    @asynccontextmanager
    async def running(
        cls, settings: Settings, *, languages: Collection[str] | None = None
    ) -> AsyncIterator[Synthesizer]:
        """A synthesizer whose engines are up: all that are wanted, or, where ``languages`` (ISO 639-1) are all that
        will be spoken, those that speak them.

        Raises :class:`~saystream.errors.EngineUnavailable` where none of the wanted engines can be.
        """
        wanted = settings.wanted_engines
        pool = EnginePool(
            settings.pool,
            settings.engines,
            models_dir=settings.models_dir,
            clock=asyncio.get_running_loop().time,
        )
        try:
            if languages is None:
                await pool.start(wanted)
            else:
                await _start_speakers(pool, wanted, languages)
            if not pool.engines():
                pool.engine(wanted[-1])  # raises, with the reason
            synthesizer = cls(settings, pool=pool, router=Router(wanted, pool.engines(), pool.faults()))
            if len(synthesizer._services.latin_languages) > 1:
                await asyncio.to_thread(prepare)  # half a second that no session shall wait for
            yield synthesizer
        finally:
            await pool.aclose()

    def session(self, config: SpeechConfig) -> SynthesisSession:
        return SynthesisSession(self._services, config)

    async def speak(self, config: SpeechConfig, text: str) -> AsyncGenerator[SpeechEvent, None]:
        """The events of one response that says ``text``, for doors that have all of it at once.

        Closing the iterator early frees the engine. Raises TextTooLong.
        """
        session = self.session(replace(config, server_commit=False))
        session.push_text(text)
        session.finish()
        try:
            async for event in session.events():
                yield event
        finally:
            session.close()


async def _start_speakers(pool: EnginePool, order: Sequence[str], languages: Collection[str]) -> None:
    """Engines one after the other until no later one would speak any of ``languages``."""
    for name in order:
        await pool.start([name])
        router = Router(order, pool.engines())
        if all(map(router.is_settled, languages)):
            return
