"""The customization door: voices of one's own are cloned, designed, listed, changed and deleted."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, assert_never

import structlog
from starlette.responses import Response

from saystream.audio import AudioFormat
from saystream.dsp.encoders import with_sizes
from saystream.engines.base import Recording
from saystream.errors import (
    AudioRateUnsupported,
    AudioSilent,
    AudioTooLarge,
    AudioUndecodable,
    EngineUnavailable,
    InvalidRequest,
    InvalidValue,
    ModelNotFound,
    ResourceNotExist,
    VoiceNotFound,
    quote,
)
from saystream.languages import LANGUAGE_NAMES
from saystream.protocol.customization.answers import (
    Likeness,
    Preview,
    changed,
    created,
    deleted,
    listed,
    queried,
)
from saystream.protocol.customization.audio_source import is_url, read_data_uri
from saystream.protocol.customization.names import NAME, new_name
from saystream.protocol.customization.requests import (
    LIMITS,
    PATH,
    CloneVoice,
    DeleteVoice,
    DesignVoice,
    ListVoices,
    QueryVoice,
    UpdateVoice,
    decode_customization,
)
from saystream.server.doors.base import Door
from saystream.server.doors.customization_schema import OPERATION
from saystream.server.web.faults import DASHSCOPE, ErrorShape
from saystream.server.web.request_ids import request_id
from saystream.speech.events import ResponseAudio, ResponseEnded, SpeechConfig
from saystream.voices.custom.voice import OwnVoice
from saystream.voices.upload_report import SpeakerLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from saystream.catalog import Model
    from saystream.protocol.customization.answers import CustomizationAnswer, FallbackMode
    from saystream.protocol.customization.names import Family, Origin
    from saystream.protocol.customization.requests import CustomizationRequest
    from saystream.server.access.auth import Principal

__all__ = ["PATH", "CustomizationDoor"]

_OTHER_BYTES = 64 * 1024
"""Of a body, beside the recording in it."""

_SMALL_BYTES = 256 * 1024
"""A larger body is read in a thread of its own: nobody else should wait for it."""

_REFUSED_WITH_430 = (AudioSilent, AudioUndecodable, AudioRateUnsupported, AudioTooLarge)
_OF_COSYVOICE = ErrorShape(DASHSCOPE.schema, DASHSCOPE.body, {InvalidRequest.http_status: 430})
"""The status that CosyVoice's documents name for a recording of no use (protocol reference, http §5)."""

_log = structlog.get_logger(__name__)


class CustomizationDoor(Door):
    """All requests for voices of one's own of one process."""

    name = "customization"

    def routes(self) -> Sequence[BaseRoute]:
        return (self.route(PATH, self.serve, OPERATION, method="POST"),)

    async def serve(self, request: Request) -> Response:
        most = self.services.settings.uploads.max_bytes // 3 * 4 + _OTHER_BYTES
        principal, body = await self.authenticated_json(request, max_bytes=most)
        decode = partial(decode_customization, body)
        wanted = decode() if len(body) < _SMALL_BYTES else await asyncio.to_thread(decode)
        try:
            answer = await self._answer(principal, wanted)
        except _REFUSED_WITH_430 as refusal:
            if wanted.family != "voice-enrollment":
                raise
            _log.info("request refused", code=refusal.code, param=refusal.param)
            return _OF_COSYVOICE.answer(refusal)
        return Response(answer.encode(), media_type="application/json")

    async def _answer(self, principal: Principal, wanted: CustomizationRequest) -> CustomizationAnswer:
        match wanted:
            case CloneVoice():
                return await self._clone(principal, wanted)
            case DesignVoice():
                return await self._design(principal, wanted)
            case ListVoices():
                return await self._list(principal, wanted)
            case QueryVoice():
                voice = await self._find(principal, wanted.family, wanted.voice)
                return queried(voice, request_id=request_id())
            case UpdateVoice():
                return await self._update(principal, wanted)
            case DeleteVoice():
                return await self._delete(principal, wanted)
        assert_never(wanted)

    # --- making ----------------------------------------------------------------------------------------------------

    async def _clone(self, principal: Principal, wanted: CloneVoice) -> CustomizationAnswer:
        _note_unknown(wanted.unknown_fields)
        model = self._target(wanted.family, "cloned", wanted.target_model)
        voice = replace(
            _new_voice(principal, wanted, model, "cloned"),
            language=wanted.language,
            transcript=wanted.transcript,
            consent=wanted.consent,
        )
        await self.services.own_voices.store.check_room(voice.workspace)
        with await self.services.room.admit(principal, model.name):
            recording, warnings = await self._recording(voice, wanted)
            made = await self.services.own_voices.create(voice, recording)
        _log.info("voice cloned", model=model.name, family=wanted.family, num_warnings=len(warnings))
        return created(made, request_id=request_id(), likeness=self._likeness(made, warnings))

    async def _update(self, principal: Principal, wanted: UpdateVoice) -> CustomizationAnswer:
        voice = await self._find(principal, wanted.family, wanted.voice)
        if voice.origin != "cloned":
            raise InvalidRequest(
                "The voice was designed from a description: it has no recording to replace.",
                param="input.voice_id",
            )
        with await self.services.room.admit(principal, voice.target_model):
            recording, warnings = await self._recording(voice, wanted)
            voice = replace(voice, transcript="", modified_at=datetime.now(UTC), status="OK")
            made = await self.services.own_voices.change(voice, recording)
            if made is None:
                raise _not_found(wanted.family, wanted.voice)
        return changed(self._likeness(made, warnings), request_id=request_id())

    async def _recording(
        self, voice: OwnVoice, wanted: CloneVoice | UpdateVoice
    ) -> tuple[Recording, tuple[str, ...]]:
        """The recording, and what would be better in another one.

        Raises DownloadFailed, InvalidValue for what is neither an address nor a data URI, AudioRefused, or a
        ServerFault if it cannot be read now.
        """
        limits, most = LIMITS[wanted.family], self.services.settings.uploads.max_bytes
        if is_url(wanted.source):
            upload = await self.services.fetcher.fetch(wanted.source, max_bytes=most)
        else:
            read = partial(read_data_uri, wanted.source, param=wanted.source_param, max_bytes=most)
            upload = await asyncio.to_thread(read)
        speaker = SpeakerLimits(min_speech_s=limits.min_speech_s)
        if isinstance(wanted, CloneVoice):
            speaker = SpeakerLimits(
                min_speech_s=limits.min_speech_s,
                max_speech_s=wanted.max_duration_s,
                reduce_noise=wanted.preprocess,
                even_volume=wanted.preprocess or wanted.normalize_volume,
            )
        audio, report = await self.services.uploads.read_speaker(
            upload, min_sample_rate=limits.min_sample_rate, speaker=speaker
        )
        transcript = wanted.transcript if isinstance(wanted, CloneVoice) else ""
        return Recording(audio.samples, audio.sample_rate, transcript, voice.language), report.warnings

    async def _design(self, principal: Principal, wanted: DesignVoice) -> CustomizationAnswer:
        _note_unknown(wanted.unknown_fields)
        model = self._target(wanted.family, "designed", wanted.target_model)
        if not self.services.says_something(wanted.preview_text):
            raise InvalidRequest("The preview_text holds nothing to speak.", param="input.preview_text")
        voice = replace(
            _new_voice(principal, wanted, model, "designed"),
            language=wanted.language,
            description=wanted.description,
            preview_text=wanted.preview_text,
        )
        own_voices = self.services.own_voices
        await own_voices.store.check_room(voice.workspace)
        voice = await own_voices.enroll(voice, None)
        preview = await self._preview(principal, model, voice, wanted)
        await own_voices.store.create(voice, None)
        _log.info("voice designed", model=model.name, family=wanted.family)
        return created(voice, request_id=request_id(), preview=preview)

    async def _preview(
        self, principal: Principal, model: Model, voice: OwnVoice, wanted: DesignVoice
    ) -> Preview:
        """Raises ServerFault if it cannot be completed."""
        audio_format = AudioFormat(wanted.response_format, wanted.sample_rate)
        config = SpeechConfig(voice=voice.name, audio_format=audio_format, own_voice=voice)
        file, audio_ms = bytearray(), 0.0
        async for event in self.speak(principal, model, config, wanted.preview_text):
            if isinstance(event, ResponseAudio):
                file += event.encoded
                audio_ms += event.duration_ms
            elif isinstance(event, ResponseEnded) and event.fault is not None:
                raise event.fault
        num_samples = round(audio_ms * wanted.sample_rate / 1000)
        whole = with_sizes(bytes(file), audio_format, num_samples)
        return Preview(whole, wanted.sample_rate, wanted.response_format)

    # --- what there is ---------------------------------------------------------------------------------------------

    async def _list(self, principal: Principal, wanted: ListVoices) -> CustomizationAnswer:
        voices, total = await self.services.own_voices.store.list(
            principal.owner,
            family=wanted.family,
            prefix=wanted.prefix,
            page_index=wanted.page_index,
            page_size=wanted.page_size,
        )
        return listed(
            wanted.family,
            voices,
            page_index=wanted.page_index,
            page_size=wanted.page_size,
            total_count=total,
            request_id=request_id(),
        )

    async def _delete(self, principal: Principal, wanted: DeleteVoice) -> CustomizationAnswer:
        voice = await self._find(principal, wanted.family, wanted.voice)
        if not await self.services.own_voices.store.delete(principal.owner, voice.name):
            raise _not_found(wanted.family, wanted.voice)
        _log.info("voice deleted", family=wanted.family)
        return deleted(wanted.family, voice.name, request_id=request_id())

    async def _find(self, principal: Principal, family: Family, name: str) -> OwnVoice:
        """Raises VoiceNotFound, or ResourceNotExist for CosyVoice."""
        if NAME.fullmatch(name) is not None:
            voice = await self.services.own_voices.store.find(principal.owner, name)
            if voice is not None and voice.family == family:
                return voice
        raise _not_found(family, name)

    # --- checks ----------------------------------------------------------------------------------------------------

    def _target(self, family: Family, origin: Origin, name: str) -> Model:
        """The model that the voice is for. Raises ModelNotFound, or InvalidValue for one that takes no such voices."""
        takers = [model for model in self.services.catalog.models if _takes(model, family, origin)]
        for model in takers:
            if model.name == name:
                return model
        names = [model.name for model in takers]
        if all(model.name != name for model in self.services.catalog.models):
            raise ModelNotFound(
                f"Model '{quote(name)}' does not exist. Models for this: {', '.join(names)}.",
                param="input.target_model",
            )
        raise InvalidValue("input.target_model", name, names, reason=f"It takes no voices made by {family}.")

    def _likeness(self, voice: OwnVoice, warnings: Sequence[str]) -> Likeness:
        """Of the voice in its own language, or in that of its model which comes first."""
        synthesizer = self.services.synthesizer
        spoken = {choice.language for choice in synthesizer.casting.describe() if choice.engine is not None}
        language = voice.language if voice.language in spoken else ""
        if voice.language and not language:
            called = LANGUAGE_NAMES.get(voice.language, voice.language)
            warnings = [*warnings, f"No engine of this server speaks the language of the voice ({called})."]
        language = language or next(code for code in LANGUAGE_NAMES if code in spoken)
        try:
            role = synthesizer.casting.role(voice=voice.name, language=language, own_voice=voice)
        except EngineUnavailable:
            return Likeness("nearest_voice", None, warnings)
        rendition = voice.renditions.get(role.engine)
        if rendition is None or not rendition.material:
            return Likeness("nearest_voice", None, warnings)
        likeness = synthesizer.hosting.engine(role.engine).enrolls
        mode: FallbackMode | None = None if likeness == "clone" else "voice_match"
        return Likeness(mode, rendition.similarity, warnings)


def _takes(model: Model, family: Family, origin: Origin) -> bool:
    """Whether voices of that family and origin are made for ``model``."""
    if family == "voice-enrollment":
        return model.family.startswith("cosyvoice")
    return model.voice_kind == origin


def _new_voice(
    principal: Principal, wanted: CloneVoice | DesignVoice, model: Model, origin: Origin
) -> OwnVoice:
    now = datetime.now(UTC)
    name = new_name(
        wanted.family,
        origin,
        target_model=model.name,
        prefix=wanted.prefix,
        at=now,
        random_hex=secrets.token_hex(16),
    )
    return OwnVoice(
        name=name,
        prefix=wanted.prefix,
        workspace=principal.owner,
        family=wanted.family,
        origin=origin,
        target_model=model.name,
        created_at=now,
        modified_at=now,
    )


def _not_found(family: Family, name: str) -> InvalidRequest:
    if family == "voice-enrollment":
        return ResourceNotExist(param="input.voice_id")
    return VoiceNotFound(f"Voice '{quote(name)}' not found.", param="input.voice")


def _note_unknown(names: Sequence[str]) -> None:
    if names:
        _log.debug("unknown fields ignored", unknown_fields=names)
