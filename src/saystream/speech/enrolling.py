"""Voices of one's own, from what is known of a speaker to how each engine speaks them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from saystream.engines.base import Recording
from saystream.errors import AudioRefused, InvalidValue, ServerFault, StoreUnavailable
from saystream.protocol.customization.names import NAME
from saystream.voices.custom.recording import decoded, encoded
from saystream.voices.custom.voice import Rendition
from saystream.voices.design import designed
from saystream.voices.measures import measure
from saystream.voices.nearest import nearest
from saystream.voices.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping

    from saystream.catalog import Catalog
    from saystream.engines.base import EngineInfo
    from saystream.hosting.front import Hosting
    from saystream.speech.synthesizer import Synthesizer
    from saystream.voices.casting import Casting
    from saystream.voices.custom.store import OwnVoiceStore
    from saystream.voices.custom.voice import OwnVoice
    from saystream.voices.measures import Measures

__all__ = ["OwnVoices"]

_NOTED_AGAIN_AFTER = timedelta(days=1)
"""That a voice speaks is noted no more often."""

_MAX_STAND_INS = 1000

_log = structlog.get_logger(__name__)


class OwnVoices:
    """What doors use to make such voices and to speak with them. Belongs to one event loop."""

    def __init__(
        self,
        store: OwnVoiceStore,
        *,
        hosting: Hosting,
        casting: Casting,
        catalog: Catalog,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.store = store
        self._hosting = hosting
        self._casting = casting
        self._catalog = catalog
        self._utc_now = utc_now
        self._speakers = {
            recorded: casting.engines_for_own_voices(recorded=recorded) for recorded in (False, True)
        }
        self._making: dict[str, asyncio.Task[Mapping[str, Rendition]]] = {}
        """Renditions of voices that a session wants now; sessions with one voice share them."""
        self._noting: dict[str, asyncio.Task[None]] = {}
        self._stand_ins: OrderedDict[str, Mapping[str, Rendition]] = OrderedDict()
        """For renditions that could not be made, until the server starts again. By id of the voice."""

    @classmethod
    @asynccontextmanager
    async def running(
        cls, store: OwnVoiceStore, synthesizer: Synthesizer, *, catalog: Catalog
    ) -> AsyncIterator[OwnVoices]:
        """The own voices of a server, spoken by its engines; while it runs, unused ones are deleted."""
        async with store.running():
            own_voices = cls(store, hosting=synthesizer.hosting, casting=synthesizer.casting, catalog=catalog)
            try:
                yield own_voices
            finally:
                await own_voices._stop()

    async def _stop(self) -> None:
        making = [*self._making.values()]
        for task in making:
            task.cancel()
        # A note takes no longer than the store may take to answer.
        await asyncio.gather(*making, *self._noting.values(), return_exceptions=True)

    # --- making ----------------------------------------------------------------------------------------------------

    async def create(self, voice: OwnVoice, recording: Recording | None) -> OwnVoice:
        """Keep a new voice, with what the engines make of it and of its ``recording``, whole or not at all.

        Raises OwnVoiceLimit, OwnVoiceExists, StoreUnavailable, and what ``enroll`` raises.
        """
        await self.store.check_room(voice.workspace)
        made = await self.enroll(voice, recording)
        await self.store.create(made, await _file_of(recording))
        return made

    async def change(self, voice: OwnVoice, recording: Recording | None) -> OwnVoice | None:
        """Make ``voice``, which is kept, anew from another ``recording``. ``None`` if it has gone.

        Raises StoreUnavailable, and what ``enroll`` raises; then it stays as it was.
        """
        made = await self.enroll(voice, recording)
        return made if await self.store.change(made, await _file_of(recording)) else None

    async def enroll(self, voice: OwnVoice, recording: Recording | None) -> OwnVoice:
        """``voice`` with renditions for the engines that would speak it; nothing is stored.

        Raises AudioRefused for a recording of no use, and ServerFault if an engine fails.
        """
        speaker = _Speaker(voice, recording)
        wanted = self._speakers[recording is not None]
        renditions = {name: await self._rendition(speaker, name) for name in wanted}
        return replace(voice, renditions=renditions)

    async def _rendition(self, speaker: _Speaker, engine: str) -> Rendition:
        info = self._hosting.engine(engine)
        if speaker.recording is None or not info.enrolls:
            return Rendition(await speaker.recipe(info))
        enrolled = await self._hosting.enroll(engine, speaker.recording)
        return Rendition(Recipe(info.voices[0]), enrolled.material, enrolled.similarity)

    async def find(self, workspace: str, name: str) -> OwnVoice | None:
        """The own voice of that name as it is kept, ready or not; ``None`` if there is none."""
        if self._catalog.has_voice(name) or NAME.fullmatch(name) is None:
            return None
        return await self.store.find(workspace, name)

    # --- speaking --------------------------------------------------------------------------------------------------

    async def resolve(
        self, workspace: str, model: str, name: str, *, param: str = "voice"
    ) -> OwnVoice | None:
        """The own voice ``name`` of ``workspace``, ready to be spoken by ``model``, or by its own if that is "";
        ``None`` if there is no such voice.

        Raises InvalidValue for ``param`` if it belongs to another model or cannot speak, and StoreUnavailable. An
        engine that has not spoken it yet may take seconds to get to know it.
        """
        voice = await self.find(workspace, name)
        if voice is None:
            return None
        if model and not self._catalog.is_same_model(voice.target_model, model):
            reason = f"It was made for {voice.target_model}, and speaks with no other model."
            raise InvalidValue(param, name, f"voices made for {model}", reason=reason)
        if voice.status != "OK":
            reason = "It is still being made." if voice.status == "DEPLOYING" else "It could not be made."
            raise InvalidValue(param, name, "voices that are ready to speak", reason=reason)
        self._note_use(voice)
        return await self._completed(voice)

    async def _completed(self, voice: OwnVoice) -> OwnVoice:
        """``voice`` with a rendition for every engine that would speak it."""
        known = {**self._stand_ins.get(voice.id, {}), **voice.renditions}
        missing = [name for name in self._speakers[voice.origin == "cloned"] if name not in known]
        if missing:
            making = self._making.get(voice.id)
            if making is None:
                making = self._making[voice.id] = asyncio.create_task(self._make(voice, missing))
                making.add_done_callback(lambda _: self._making.pop(voice.id, None))
            known |= await asyncio.shield(making)
        return replace(voice, renditions=known)

    async def _make(self, voice: OwnVoice, engines: Iterable[str]) -> Mapping[str, Rendition]:
        """Renditions of a kept voice for more ``engines``; those that an engine cannot make now are stand-ins."""
        speaker = _Speaker(voice, await self._recording(voice) if voice.origin == "cloned" else None)
        made: dict[str, Rendition] = {}
        for name in engines:
            try:
                made[name] = await self._rendition(speaker, name)
                await self.store.add_rendition(voice, name, made[name])
            except (AudioRefused, ServerFault) as error:
                _log.warning("voice not enrolled", engine=name, code=error.code, error=error)
                if name not in made:
                    made[name] = Rendition(await speaker.recipe(self._hosting.engine(name)))
                    self._stand_in(voice, name, made[name])
        return made

    def _stand_in(self, voice: OwnVoice, engine: str, rendition: Rendition) -> None:
        self._stand_ins[voice.id] = {**self._stand_ins.get(voice.id, {}), engine: rendition}
        if len(self._stand_ins) > _MAX_STAND_INS:
            self._stand_ins.popitem(last=False)

    async def _recording(self, voice: OwnVoice) -> Recording | None:
        file = await self.store.recording(voice)
        if file is None:
            return None
        audio = await asyncio.to_thread(decoded, file)
        return Recording(audio.samples, audio.sample_rate, voice.transcript, voice.language)

    def _note_use(self, voice: OwnVoice) -> None:
        """In the background: no session waits for it, and nothing is lost if it fails once."""
        is_noted = voice.used_at is not None and self._utc_now() - voice.used_at < _NOTED_AGAIN_AFTER
        if is_noted or voice.id in self._noting:
            return
        self._noting[voice.id] = task = asyncio.create_task(_noted(self.store.mark_used(voice)))
        task.add_done_callback(lambda _: self._noting.pop(voice.id, None))


class _Speaker:
    """Of a voice that engines get to know."""

    def __init__(self, voice: OwnVoice, recording: Recording | None) -> None:
        self.recording = recording
        self._voice = voice
        self._measures: Measures | None = None

    async def recipe(self, engine: EngineInfo) -> Recipe:
        """For an engine that can be told no more of the speaker than how high and how fast. Raises AudioSilent."""
        if self.recording is None and not self._voice.description:
            return Recipe(engine.voices[0])  # its recording is lost
        if self.recording is None:
            return designed(self._voice.description, engine, self._voice.language)
        if self._measures is None:
            heard = self.recording
            self._measures = await asyncio.to_thread(measure, heard.samples, heard.sample_rate)
        return nearest(self._measures, engine, self._voice.language)


async def _noted(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except StoreUnavailable as error:
        _log.warning("the use of a voice cannot be noted", error=error)


async def _file_of(recording: Recording | None) -> bytes | None:
    return None if recording is None else await asyncio.to_thread(encoded, recording)
