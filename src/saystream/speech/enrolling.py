"""Voices of one's own, from what is known of a speaker to how each engine speaks them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from saystream.voices.custom.recording import encoded
from saystream.voices.custom.voice import Rendition
from saystream.voices.recipes import Recipe

if TYPE_CHECKING:
    from saystream.catalog import Catalog
    from saystream.engines.base import Recording
    from saystream.hosting.front import Hosting
    from saystream.voices.casting import Casting
    from saystream.voices.custom.store import OwnVoiceStore
    from saystream.voices.custom.voice import OwnVoice

__all__ = ["OwnVoices"]


class OwnVoices:
    """What doors use to make such voices and to speak with them."""

    def __init__(
        self,
        store: OwnVoiceStore,
        *,
        hosting: Hosting,
        casting: Casting,
        catalog: Catalog,
    ) -> None:
        self.store = store
        self._hosting = hosting
        self._casting = casting
        self._catalog = catalog

    # --- making ----------------------------------------------------------------------------------------------------

    async def create(self, voice: OwnVoice, recording: Recording | None) -> OwnVoice:
        """Keep a new voice, with what the engines make of it and of its ``recording``, whole or not at all.

        Raises OwnVoiceLimit, OwnVoiceExists, StoreUnavailable, and what ``enroll`` raises.
        """
        await self.store.check_room(voice.workspace)
        made = await self.enroll(voice, recording)
        kept = None if recording is None else await asyncio.to_thread(encoded, recording)
        await self.store.create(made, kept)
        return made

    async def enroll(self, voice: OwnVoice, recording: Recording | None) -> OwnVoice:
        """``voice`` with renditions for the engines that would speak it; nothing is stored.

        Raises AudioRefused for a recording of no use, and ServerFault if an engine fails.
        """
        wanted = self._casting.engines_for_own_voices(recorded=recording is not None)
        renditions = {name: await self._rendition(voice, recording, name) for name in wanted}
        return replace(voice, renditions=renditions)

    async def _rendition(self, voice: OwnVoice, recording: Recording | None, engine: str) -> Rendition:
        known = self._hosting.engine(engine)
        return Rendition(Recipe(known.voices[0]))

    # --- speaking --------------------------------------------------------------------------------------------------

    async def resolve(self, workspace: str, model: str, name: str) -> OwnVoice | None:
        """The own voice ``name`` of ``workspace``, ready to be spoken by ``model``; ``None`` if there is none.

        Raises InvalidValue if it belongs to another model, or cannot speak, and StoreUnavailable.
        """
        if not name or self._catalog.has_voice(name):
            return None
        return await self.store.find(workspace, name)
