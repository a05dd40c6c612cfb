"""The door of OpenAI's speech interface: ``/v1/audio/speech``, and the lists of models and voices."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec
import structlog
from starlette.responses import Response

from saystream.audio import AudioFormat, Effects
from saystream.catalog import openai_names
from saystream.errors import (
    Draining,
    InvalidRequest,
    LimitReached,
    ModelNotFound,
    quote,
)
from saystream.protocol.http.openai import (
    ModelEntry,
    ModelList,
    SpeechAudioDone,
    SpeechError,
    SpeechRequest,
    SpeechUsage,
    audio_delta,
    decode_speech_request,
    encode_event,
    error_body,
)
from saystream.server.accounting.billing import TokenBill
from saystream.server.accounting.metrics import ResponseTimer
from saystream.server.accounting.usage import UsageAccount
from saystream.server.web.bodies import read_json_body
from saystream.server.web.streaming import StreamedAnswer
from saystream.speech.events import ResponseAudio, ResponseEnded, ResponseStarted, SpeechConfig
from saystream.text.counting import billed_characters
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from saystream.catalog import Catalog, Model, Voice
    from saystream.server.access.auth import Authenticator, Principal
    from saystream.server.access.limits import Limiter
    from saystream.server.accounting.metrics import Metrics
    from saystream.server.accounting.usage import UsageRecorder
    from saystream.speech.events import SpeechEvent
    from saystream.speech.synthesizer import Synthesizer
    from saystream.voices.casting import Router

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
"""Hz, as OpenAI documents for ``pcm``; in the others the file says it."""

_DATED = re.compile(r".*-(\d{4}-\d{2}-\d{2})")
_log = structlog.get_logger(__name__)


class VoiceLanguage(msgspec.Struct, frozen=True, kw_only=True):
    language: str
    """As a session names it, such as ``Chinese``."""
    code: str
    """ISO 639-1."""
    engine: str | None
    """Who would speak it here; null where nobody does."""
    quality: str | None
    """``native``, ``approximate`` or ``robotic``; of this voice."""
    advice: str
    """The command that would make it better, to be run on the server before it starts again; empty where none is
    known."""


class VoiceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One voice."""

    name: str
    openai_names: list[str]
    """What programs for OpenAI may call it."""
    sex: str
    age: str
    character: str
    dialect: str | None
    """What its Chinese is, where that is not Mandarin."""
    models: list[str]
    languages: list[VoiceLanguage]


class VoiceList(msgspec.Struct, frozen=True, kw_only=True):
    data: list[VoiceEntry]
    object: Literal["list"] = "list"


class OpenAIDoor:
    """All requests below ``/v1/`` of one process."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        *,
        catalog: Catalog,
        authenticator: Authenticator,
        limiter: Limiter,
        metrics: Metrics,
        usage: UsageRecorder,
    ) -> None:
        self._synthesizer = synthesizer
        self._settings = synthesizer.settings
        self._catalog = catalog
        self._authenticator = authenticator
        self._limiter = limiter
        self._metrics = metrics
        self._usage = usage
        self._own_models = {model.name: model for model in catalog.models}
        self._models = {entry.id: entry for entry in _model_entries(catalog)}
        self._model_list = msgspec.json.encode(ModelList(data=list(self._models.values())))
        self._voice_list = msgspec.json.encode(_voice_list(catalog, synthesizer.router))
        self._num_speaking = 0
        self._silent = asyncio.Event()
        self._silent.set()
        self._draining = False

    # --- endpoints -------------------------------------------------------------------------------------------------

    async def speech(self, request: Request) -> Response:
        """Answers one request for speech. Raises what is to be said to the client instead."""
        principal = await self._authenticator.authenticate(request.headers)
        self._admit()
        limits = self._settings.limits
        body = await read_json_body(request, max_bytes=limits.max_body_bytes, timeout_s=limits.body_timeout_s)
        wanted = decode_speech_request(body)
        model, config = self._choice(wanted)
        events = self._events(principal, model, config, wanted.input)
        streamed = wanted.stream_format == "sse"
        return StreamedAnswer(
            _as_events(events) if streamed else _as_file(events),
            media_type="text/event-stream" if streamed else MEDIA_TYPES[wanted.response_format],
            stall_timeout_s=self._settings.realtime.send_stall_timeout_s,
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"} if streamed else None,
        )

    async def models(self, request: Request) -> Response:
        await self._authenticator.authenticate(request.headers)
        return Response(self._model_list, media_type="application/json")

    async def model(self, request: Request) -> Response:
        """Raises ModelNotFound."""
        await self._authenticator.authenticate(request.headers)
        entry = self._models.get(request.path_params["model"])
        if entry is None:
            raise ModelNotFound("No such model; `GET /v1/models` lists all.", param="model")
        return Response(msgspec.json.encode(entry), media_type="application/json")

    async def voices(self, request: Request) -> Response:
        await self._authenticator.authenticate(request.headers)
        return Response(self._voice_list, media_type="application/json")

    async def drain(self, timeout_s: float) -> None:
        """Take no new request; let those that are being spoken end, at most for ``timeout_s``."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._silent.wait()
        except TimeoutError:
            _log.warning("requests cut off", count=self._num_speaking)

    # --- speaking --------------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        if self._draining:
            raise Draining("the server is about to stop and takes no new requests")
        limit = self._settings.limits.max_sessions
        if self._num_speaking >= limit:
            raise LimitReached(f"this server speaks at most {limit} requests at once")

    def _choice(self, wanted: SpeechRequest) -> tuple[str, SpeechConfig]:
        """The model, by our name, and how it is to speak.

        Raises ModelNotFound, InvalidValue or InvalidRequest for what cannot be spoken so.
        """
        model = openai_names.model_names().get(wanted.model, wanted.model)
        if model not in self._models:
            # The catalogue knows more names than speak here: some for voices that were cloned or designed.
            raise ModelNotFound(
                f"No model '{quote(wanted.model)}' speaks here; `GET /v1/models` lists those that do, such as"
                f" {', '.join(openai_names.model_names())}.",
                param="model",
            )
        voice = openai_names.voice_names().get(wanted.voice, wanted.voice)
        self._catalog.check_voice(model, voice)
        if not is_speakable(wanted.input):
            raise InvalidRequest("input holds nothing that can be spoken.", param="input")
        config = SpeechConfig(
            voice=voice,
            audio_format=AudioFormat(wanted.response_format, _SAMPLE_RATE),
            effects=Effects(speech_rate=wanted.speed),
            server_commit=False,
            instructions=wanted.instructions or "",
        )
        return model, config

    async def _events(
        self, principal: Principal, model: str, config: SpeechConfig, text: str
    ) -> AsyncGenerator[SpeechEvent, None]:
        """What is heard. Raises what refuses it before the first, ServerFault where something else than the end comes
        last."""
        with await self._limiter.admit(principal, model, characters=billed_characters(text)):
            self._admit()  # others came while the body did
            timer = ResponseTimer(self._metrics)
            timer.text_came()
            account = UsageAccount(self._usage, timer, door="openai", principal=principal)
            self._num_speaking += 1
            self._silent.clear()
            try:
                async with aclosing(self._synthesizer.speak(config, text)) as events:
                    async for event in events:
                        self._measure(timer, event)
                        if isinstance(event, ResponseStarted):
                            account.open(account.request_id, self._own_models[model], config.voice)
                        elif isinstance(event, ResponseEnded):
                            account.close(text, event.status, event.fault)
                        yield event
            except Exception:
                account.close(text, "failed")
                raise
            finally:
                account.close(text, "cancelled")  # who listened has gone
                self._num_speaking -= 1
                if not self._num_speaking:
                    self._silent.set()

    def _measure(self, timer: ResponseTimer, event: SpeechEvent) -> None:
        match event:
            case ResponseStarted():
                timer.started()
            case ResponseAudio():
                timer.audio_came(event)
            case ResponseEnded():
                timer.ended(event, characters=billed_characters(event.text))


async def _as_file(events: AsyncGenerator[SpeechEvent, None]) -> AsyncGenerator[bytes, None]:
    """The bytes of the file. Raises ServerFault where they are not all."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, ResponseAudio):
                yield event.encoded
            elif isinstance(event, ResponseEnded) and event.fault is not None:
                raise event.fault


async def _as_events(events: AsyncGenerator[SpeechEvent, None]) -> AsyncGenerator[bytes, None]:
    """Server-sent events. Raises ServerFault only before the first."""
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


def _model_entries(catalog: Catalog) -> list[ModelEntry]:
    """OpenAI's names first, then ours that have system voices."""
    ours = {model.name: model for model in catalog.models if model.voice_kind == "system"}
    named = {**{name: ours[own] for name, own in openai_names.model_names().items()}, **ours}
    return [
        ModelEntry(id=name, created=_created(model), owned_by="saystream") for name, model in named.items()
    ]


def _created(model: Model) -> int:
    dated = _DATED.fullmatch(model.stands_for or model.name)
    assert dated is not None  # an undated name stands for a dated one
    return int(datetime.fromisoformat(dated[1]).replace(tzinfo=UTC).timestamp())


def _voice_list(catalog: Catalog, router: Router) -> VoiceList:
    return VoiceList(data=[_voice_entry(voice, router) for voice in catalog.system_voices])


def _voice_entry(voice: Voice, router: Router) -> VoiceEntry:
    return VoiceEntry(
        name=voice.name,
        openai_names=[name for name, own in openai_names.voice_names().items() if own == voice.name],
        sex=voice.sex,
        age=voice.age,
        character=voice.character,
        dialect=voice.dialect,
        models=list(voice.models),
        languages=[
            VoiceLanguage(
                language=choice.language_type,
                code=choice.language,
                engine=choice.engine,
                quality=router.quality(voice.name, choice.language),
                advice=choice.advice,
            )
            for choice in router.describe()
            if choice.language_type in voice.languages
        ],
    )
