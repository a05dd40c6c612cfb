"""The door for OpenAI's speech interface: ``/v1/audio/speech``, and the lists of models and voices."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Literal

import msgspec
import structlog
from starlette.responses import Response

from saystream.audio import AudioFormat, Effects
from saystream.catalog import openai_names
from saystream.dsp.encoders import with_sizes
from saystream.errors import InvalidRequest, ModelNotFound, quote
from saystream.protocol.http.openai import (
    ModelEntry,
    ModelList,
    SpeechAudioDone,
    SpeechError,
    SpeechUsage,
    audio_delta,
    encode_event,
    error_body,
)
from saystream.protocol.http.speech_request import SPEECH_SCHEMA, decode_speech_request
from saystream.server.accounting.billing import TokenBill
from saystream.server.doors.base import Door, audio_of, peer_of
from saystream.server.web.accepted import accepted_language
from saystream.server.web.faults import OPENAI
from saystream.server.web.openapi import BINARY, EVENT, Answer, Operation, Parameter
from saystream.server.web.streaming import StreamedAnswer
from saystream.speech.events import ResponseAudio, ResponseEnded, SpeechConfig
from saystream.speech.instructions import check_instructions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from saystream.catalog import Catalog, Model, Voice
    from saystream.protocol.http.speech_request import SpeechRequest
    from saystream.server.access.auth import Principal
    from saystream.speech.events import SpeechEvent
    from saystream.voices.casting import Casting, Choice
    from saystream.voices.custom.voice import OwnVoice

__all__ = ["MEDIA_TYPES", "OpenAIDoor", "VoiceEntry", "VoiceLanguage", "VoiceList"]

MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}

_SAMPLE_RATE = 24_000
"""Hz, as OpenAI documents for ``pcm``; files in other formats state their rate."""

_SIZED = ("wav", "flac")
"""Formats whose header holds the size: players show a wrong length, or refuse the file, where it was not known…"""
_HELD_S = 0.25
"""…so what is spoken this soon after its first sound is sent whole."""

_PAGE_SIZE = 1000
"""Own voices that are read at once."""

_log = structlog.get_logger(__name__)

_DATED = re.compile(r".*-(\d{4}-\d{2}-\d{2})")


class VoiceLanguage(msgspec.Struct, frozen=True, kw_only=True):
    language: str
    """The name used in a session, such as ``Chinese``."""
    code: str
    """ISO 639-1."""
    engine: str | None
    """The engine that would speak it here; null if none does."""
    quality: str | None
    """``native``, ``approximate`` or ``robotic``, for this voice."""
    made_from: str | None
    """The engine's voice and what is changed in it, such as ``heart, pitch 0.7, formant 0.88``."""
    advice: str
    """The command that would make it better: run it on the server, then restart; empty if none is known."""


class VoiceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One voice."""

    name: str
    openai_names: list[str]
    """The names that programs for OpenAI may use."""
    sex: str
    age: str
    character: str
    dialect: str | None
    """Its Chinese dialect, if that is not Mandarin."""
    models: list[str]
    languages: list[VoiceLanguage]
    origin: str = "system"
    """``cloned`` or ``designed`` for a voice of one's own: `GET /v1/voices/{name}` tells more of it."""


class VoiceList(msgspec.Struct, frozen=True, kw_only=True):
    data: list[VoiceEntry]
    """Those of the system, then the caller's own, the newest first."""
    object: Literal["list"] = "list"


_SPEECH = Operation(
    "speech",
    "Speech, with OpenAI's interface",
    {
        200: Answer(
            "The file, in chunks as they are made; with `stream_format` `sse`, events with pieces of it.",
            {**dict.fromkeys(MEDIA_TYPES.values(), BINARY), "text/event-stream": EVENT},
        )
    },
    request=SPEECH_SCHEMA,
    refusals=(400, 401, 403, 404, 408, 413, 415, 429, 503),
)
_LIST_REFUSALS = (400, 401, 403, 503)
_MODELS = Operation(
    "models",
    "The models",
    {200: Answer("All.", {"application/json": ModelList})},
    refusals=_LIST_REFUSALS,
)
_MODEL = Operation(
    "model",
    "One of them",
    {200: Answer("The model.", {"application/json": ModelEntry})},
    parameters=(Parameter("model", "path", "Its name.", {"type": "string"}),),
    refusals=(*_LIST_REFUSALS, 404),
)
_VOICES = Operation(
    "voices",
    "The voices, and who speaks each language on this server",
    {200: Answer("All.", {"application/json": VoiceList})},
    refusals=_LIST_REFUSALS,
)


class OpenAIDoor(Door):
    """All requests below ``/v1/`` of one process."""

    name = "openai"
    errors = OPENAI
    prefix = "/v1/"

    def routes(self) -> Sequence[BaseRoute]:
        return (
            self.route("/v1/audio/speech", self.speech, _SPEECH, method="POST"),
            self.route("/v1/models", self.models, _MODELS),
            self.route("/v1/models/{model}", self.model, _MODEL),
            self.route("/v1/voices", self.voices, _VOICES),
        )

    async def speech(self, request: Request) -> Response:
        principal, body = await self.authenticated_json(request)
        wanted, unknown = decode_speech_request(body)
        if unknown:
            _log.debug("unknown fields ignored", unknown_fields=unknown)
        model, config = await self._choice(principal, wanted)
        config = replace(config, usual_language=accepted_language(request.headers))
        events = self.speak(principal, model, config, wanted.input)
        if wanted.stream_format == "sse":
            return StreamedAnswer(
                _as_events(events),
                media_type="text/event-stream",
                headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
            )
        file = _File(events, config.audio_format)
        return StreamedAnswer(
            file.chunks(),
            media_type=MEDIA_TYPES[wanted.response_format],
            held_s=_HELD_S if wanted.response_format in _SIZED else 0.0,
            completed=file.completed,
        )

    async def models(self, request: Request) -> Response:
        await self.services.authenticator.authenticate(request.headers, peer_of(request))
        return _json(ModelList(data=list(self._models.values())))

    async def model(self, request: Request) -> Response:
        """Raises ModelNotFound."""
        await self.services.authenticator.authenticate(request.headers, peer_of(request))
        entry = self._models.get(request.path_params["model"])
        if entry is None:
            raise ModelNotFound("No such model; `GET /v1/models` lists all.", param="model")
        return _json(entry)

    async def voices(self, request: Request) -> Response:
        principal = await self.services.authenticator.authenticate(request.headers, peer_of(request))
        own: list[VoiceEntry] = []
        store = self.services.own_voices.store
        for page in count():
            found, total = await store.list(principal.owner, page_index=page, page_size=_PAGE_SIZE)
            own += map(self._own_entry, found)
            if (page + 1) * _PAGE_SIZE >= total:
                break
        return _json(VoiceList(data=[*self._voices.data, *own]) if own else self._voices)

    def _own_entry(self, voice: OwnVoice) -> VoiceEntry:
        return VoiceEntry(
            name=voice.name,
            openai_names=[],
            sex="",
            age="",
            character=voice.description,
            dialect=None,
            models=[voice.target_model],
            languages=self._own_languages,
            origin=voice.origin,
        )

    @cached_property
    def _own_languages(self) -> list[VoiceLanguage]:
        casting = self.services.synthesizer.casting
        return [
            VoiceLanguage(
                language=choice.language_type,
                code=choice.language,
                engine=choice.engine,
                quality=choice.quality,
                made_from=None,
                advice=choice.advice,
            )
            for choice in casting.describe()
        ]

    @cached_property
    def _models(self) -> dict[str, ModelEntry]:
        """The models by every name that they have here."""
        return {entry.id: entry for entry in _model_entries(self.services.catalog)}

    @cached_property
    def _speaking(self) -> dict[str, Model]:
        """The models with system voices, by our names and by OpenAI's, in lower case."""
        ours = {model.name.lower(): model for model in _speaking(self.services.catalog)}
        return ours | {name.lower(): ours[own] for name, own in openai_names.model_names().items()}

    @cached_property
    def _of_openai(self) -> frozenset[str]:
        return frozenset(name.lower() for name in openai_names.model_names())

    @cached_property
    def _by_name(self) -> dict[str, Model]:
        return {model.name: model for model in self.services.catalog.models}

    @cached_property
    def _voices(self) -> VoiceList:
        return _voice_list(self.services.catalog, self.services.synthesizer.casting)

    async def _choice(self, principal: Principal, wanted: SpeechRequest) -> tuple[Model, SpeechConfig]:
        """The model, and how it should speak. A cloned or designed voice speaks with its own model, unless another one
        of ours is named.

        Raises ModelNotFound, InvalidValue or InvalidRequest if it cannot be spoken like that.
        """
        names = openai_names.model_names()
        named = (wanted.model or next(iter(names))).strip().lower()
        own_voice = await self.services.own_voices.resolve(
            principal.owner, "" if named in self._of_openai else named, wanted.voice.strip()
        )
        model = self._speaking.get(named) if own_voice is None else self._by_name.get(own_voice.target_model)
        if model is None:
            raise ModelNotFound(
                f"There is no model '{quote(wanted.model)}'; `GET /v1/models` lists the models, such as"
                f" {', '.join(names)}.",
                param="model",
            )
        voice = wanted.voice.strip()
        if own_voice is None:
            voice = self._voice(voice, model)
            self.services.catalog.check_voice(model.name, voice)
        check_instructions(wanted.instructions, "instructions")
        if not self.services.says_something(wanted.input, wanted.markup):
            raise InvalidRequest("input holds nothing that can be spoken.", param="input")
        config = SpeechConfig(
            voice=voice,
            language_type=wanted.language,
            audio_format=AudioFormat(wanted.response_format, _SAMPLE_RATE),
            effects=Effects(speech_rate=wanted.speed),
            server_commit=False,
            instructions=wanted.instructions,
            own_voice=own_voice,
            markup=wanted.markup,
        )
        return model, config

    def _voice(self, name: str, model: Model) -> str:
        """The system voice that ``name`` means, in any case; the name itself if it means none."""
        if not name:
            return model.default_voice
        return openai_names.voice_names().get(name.lower()) or self._voices_by_folded.get(name.lower(), name)

    @cached_property
    def _voices_by_folded(self) -> dict[str, str]:
        return {voice.name.lower(): voice.name for voice in self.services.catalog.system_voices}


class _File:
    """The file that is spoken."""

    def __init__(self, events: AsyncGenerator[SpeechEvent, None], audio_format: AudioFormat) -> None:
        self._events = events
        self._format = audio_format
        self._audio_ms = 0.0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Raises ServerFault if it cannot be completed."""
        async with aclosing(audio_of(self._counted())) as audio:
            async for chunk in audio:
                yield chunk

    async def _counted(self) -> AsyncGenerator[SpeechEvent, None]:
        async with aclosing(self._events) as events:
            async for event in events:
                if isinstance(event, ResponseAudio):
                    self._audio_ms += event.duration_ms
                yield event

    def completed(self, file: bytes) -> bytes:
        """``file``, which is all of it, with its true sizes."""
        num_samples = round(self._audio_ms * self._format.sample_rate / 1000)
        return with_sizes(file, self._format, num_samples)


async def _as_events(events: AsyncGenerator[SpeechEvent, None]) -> AsyncGenerator[bytes, None]:
    """Server-sent events. Raises ServerFault only before the first event."""
    heard = False
    async with aclosing(events):
        async for event in events:
            if isinstance(event, ResponseAudio):
                heard = True
                yield encode_event(audio_delta(event.encoded))
            elif isinstance(event, ResponseEnded):
                if event.fault is None:
                    yield encode_event(SpeechAudioDone(_usage(event)))
                elif heard:
                    yield encode_event(SpeechError(error_body(event.fault).error))
                else:
                    raise event.fault


def _usage(ended: ResponseEnded) -> SpeechUsage:
    tokens = TokenBill.of(ended.text, ended.audio_ms)
    return SpeechUsage(tokens.text_tokens, tokens.audio_tokens, tokens.text_tokens + tokens.audio_tokens)


def _json(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")


def _speaking(catalog: Catalog) -> list[Model]:
    """The models of Qwen-TTS with system voices."""
    return [model for model in catalog.models if model.voice_kind == "system" and model.door != "inference"]


def _model_entries(catalog: Catalog) -> list[ModelEntry]:
    """OpenAI's names first, then ours."""
    ours = {model.name: model for model in _speaking(catalog)}
    named = {**{name: ours[own] for name, own in openai_names.model_names().items()}, **ours}
    return [
        ModelEntry(id=name, created=_created(model), owned_by="saystream") for name, model in named.items()
    ]


def _created(model: Model) -> int:
    dated = _DATED.fullmatch(model.stands_for or model.name)
    assert dated is not None  # an undated name stands for a dated one
    return int(datetime.fromisoformat(dated[1]).replace(tzinfo=UTC).timestamp())


def _voice_list(catalog: Catalog, casting: Casting) -> VoiceList:
    choices = casting.describe()
    return VoiceList(data=[_voice_entry(voice, choices, casting) for voice in catalog.system_voices])


def _voice_entry(voice: Voice, choices: Sequence[Choice], casting: Casting) -> VoiceEntry:
    return VoiceEntry(
        name=voice.name,
        openai_names=[name for name, own in openai_names.voice_names().items() if own == voice.name],
        sex=voice.sex,
        age=voice.age,
        character=voice.character,
        dialect=voice.dialect,
        models=list(voice.models),
        languages=[
            _voice_language(voice, choice, casting)
            for choice in choices
            if choice.language_type in voice.languages
        ],
    )


def _voice_language(voice: Voice, choice: Choice, casting: Casting) -> VoiceLanguage:
    role = casting.role(voice=voice.name, language=choice.language) if choice.engine else None
    return VoiceLanguage(
        language=choice.language_type,
        code=choice.language,
        engine=choice.engine,
        quality=role.quality if role else None,
        made_from=role.made_from if role else None,
        advice=choice.advice,
    )
