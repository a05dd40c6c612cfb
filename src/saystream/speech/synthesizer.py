"""The speech of one process: its engines are running, and sessions can be opened."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from saystream.hosting.local import hosting_of
from saystream.languages import LATIN_LANGUAGES
from saystream.speech.services import SpeechServices
from saystream.speech.session import SynthesisSession
from saystream.text.language import load_detector
from saystream.voices.casting import Casting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence

    from saystream.audio import AudioChunk
    from saystream.catalog import Catalog
    from saystream.config import Settings
    from saystream.hosting.front import Hosting
    from saystream.speech.events import SpeechConfig, SpeechEvent
    from saystream.text.script import Part

__all__ = ["Synthesizer", "casting_of"]


class Synthesizer:
    """What all sessions of one process share."""

    def __init__(self, settings: Settings, *, hosting: Hosting, casting: Casting) -> None:
        self.settings = settings
        self.hosting = hosting
        self.casting = casting
        spoken = {choice.language for choice in casting.describe() if choice.engine is not None}
        self._services = SpeechServices(
            settings, hosting, casting, frozenset(spoken.intersection(LATIN_LANGUAGES))
        )

    @classmethod
    @asynccontextmanager
    async def running(
        cls, settings: Settings, *, catalog: Catalog, languages: Collection[str] | None = None
    ) -> AsyncIterator[Synthesizer]:
        """A synthesizer of the voices of ``catalog`` with its engines running: all the wanted ones, or, if only
        ``languages`` (ISO 639-1) will be spoken, those that speak them.

        Raises :class:`~saystream.errors.EngineUnavailable` if none of the wanted engines can run.
        """
        wanted = settings.wanted_engines
        async with hosting_of(settings) as hosting:
            if languages is None:
                await hosting.start(wanted)
            else:
                await _start_speakers(hosting, settings, languages, catalog)
            if not hosting.engines():
                hosting.engine(wanted[-1])  # raises, with the reason
            casting = casting_of(settings, hosting, catalog)
            synthesizer = cls(settings, hosting=hosting, casting=casting)
            if len(synthesizer._services.latin_languages) > 1:
                await asyncio.to_thread(load_detector)  # half a second that no session should wait for
            yield synthesizer

    def session(self, config: SpeechConfig, *, ends_at_fault: bool = False) -> SynthesisSession:
        """A session; ``ends_at_fault`` is explained there."""
        return SynthesisSession(self._services, config, ends_at_fault=ends_at_fault)

    async def speak(
        self, config: SpeechConfig, text: str | Sequence[Part], sounds: Mapping[str, AudioChunk] | None = None
    ) -> AsyncGenerator[SpeechEvent, None]:
        """The events of one response that says ``text``, for doors that have all of it at once; ``sounds`` are those
        that its parts name by their URLs.

        A fault of the engine ends it, because half of it is of no use. Closing the iterator early frees the engine.
        Raises TextTooLong, and KeyError for a URL without its sound.
        """
        session = self.session(replace(config, server_commit=False), ends_at_fault=True)
        session.sounds.update(sounds or {})
        for part in [text] if isinstance(text, str) else text:
            session.push(part)
        session.finish()
        try:
            async for event in session.events():
                yield event
        finally:
            session.close()


def casting_of(settings: Settings, hosting: Hosting, catalog: Catalog) -> Casting:
    """Who speaks what with the engines that have been started."""
    return Casting(
        settings.wanted_engines,
        hosting.engines(),
        hosting.faults(),
        catalog=catalog,
        max_realtime_factor=settings.max_realtime_factor,
    )


async def _start_speakers(
    hosting: Hosting, settings: Settings, languages: Collection[str], catalog: Catalog
) -> None:
    """Start engines one after another until no later one would speak any of ``languages``."""
    for name in settings.wanted_engines:
        await hosting.start([name])
        casting = casting_of(settings, hosting, catalog)
        if all(map(casting.is_settled, languages)):
            return
