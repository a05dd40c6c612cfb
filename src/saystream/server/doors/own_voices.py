"""The door for the caller's own voices: what is known of each, its export and import, and its end.

They are made by ``customization.py`` and listed with all others by ``openai.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from saystream.engines.base import Recording
from saystream.errors import ArchiveRefused, ModelNotFound, OwnVoiceNotFound
from saystream.languages import LANGUAGE_CODES
from saystream.server.doors.base import Door, peer_of
from saystream.server.web.bodies import read_body
from saystream.server.web.faults import OPENAI
from saystream.server.web.openapi import BINARY, Answer, Operation, Parameter
from saystream.voices.custom.archive import MEDIA_TYPE, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from saystream.server.access.auth import Principal
    from saystream.voices.custom.voice import OwnVoice

__all__ = ["OwnVoiceEntry", "OwnVoicesDoor", "SpokenLanguage", "VoiceDeleted"]

_MIN_SAMPLE_RATE = 8000
"""Hz. What a recording must be was checked when the voice was made; here it is only decoded."""


class SpokenLanguage(msgspec.Struct, frozen=True, kw_only=True):
    language: str
    """The name used in a session, such as ``Chinese``."""
    code: str
    """ISO 639-1."""
    engine: str
    """The engine that speaks it here."""
    quality: str
    """``native``, ``approximate`` or ``robotic``: how well it speaks the language."""
    likeness: str
    """``clone``: with the speaker's voice, as far as the engine can; ``voice_match``: with the voice that comes nearest
    of all that it can make; ``recipe``: with one of its own voices, changed in pitch, speed and vocal tract."""
    similarity: float | None
    """How like the speaker it is, from 0 to 1, if the engine has measured it."""


class OwnVoiceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a cloned or designed voice."""

    name: str
    origin: str
    """``cloned`` or ``designed``."""
    family: str
    """What it was made with: the ``model`` of the request."""
    target_model: str
    """The only model that takes it."""
    status: str
    language: str
    """Of the speaker or the description, ISO 639-1; empty if unknown."""
    description: str
    preview_text: str
    transcript: str
    consent: str
    created_at: datetime
    modified_at: datetime
    used_at: datetime | None
    """When it last spoke, to within a day."""
    languages: list[SpokenLanguage]


class VoiceDeleted(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    deleted: bool = True


_NAME = (Parameter("name", "path", "Its name.", {"type": "string"}),)
_REFUSALS = (400, 401, 403, 404, 503)
_SHOW = Operation(
    "own_voice",
    "A cloned or designed voice",
    {200: Answer("What is known of it.", {"application/json": OwnVoiceEntry})},
    parameters=_NAME,
    refusals=_REFUSALS,
)
_DELETE = Operation(
    "delete_own_voice",
    "Delete a cloned or designed voice, with its recording",
    {200: Answer("It is gone.", {"application/json": VoiceDeleted})},
    parameters=_NAME,
    refusals=_REFUSALS,
)
_EXPORT = Operation(
    "export_own_voice",
    "A cloned or designed voice as one file",
    {200: Answer("A ZIP file: `voice.json`, and `recording.flac` of a cloned voice.", {MEDIA_TYPE: BINARY})},
    parameters=_NAME,
    refusals=_REFUSALS,
)
_IMPORT = Operation(
    "import_own_voice",
    "Bring a voice that was exported",
    {
        200: Answer(
            "What is known of the voice, which has its name again.", {"application/json": OwnVoiceEntry}
        )
    },
    request=BINARY,
    request_media_type=MEDIA_TYPE,
    refusals=(400, 401, 403, 404, 408, 409, 413, 415, 429, 503),
)


class OwnVoicesDoor(Door):
    """All requests about single voices of one process."""

    name = "own_voices"
    errors = OPENAI

    def routes(self) -> Sequence[BaseRoute]:
        return (
            self.route("/v1/voices/archive", self.restore, _IMPORT, method="POST"),
            self.route("/v1/voices/{name}/archive", self.archive, _EXPORT),
            self.route("/v1/voices/{name}", self.show, _SHOW),
            self.route("/v1/voices/{name}", self.delete, _DELETE, method="DELETE"),
        )

    async def show(self, request: Request) -> Response:
        """Raises OwnVoiceNotFound."""
        _, voice = await self._found(request)
        return _json(self._entry(voice))

    async def delete(self, request: Request) -> Response:
        """Raises OwnVoiceNotFound."""
        principal, voice = await self._found(request)
        if not await self.services.own_voices.store.delete(principal.owner, voice.name):
            raise OwnVoiceNotFound(voice.name)
        return _json(VoiceDeleted(name=voice.name))

    async def archive(self, request: Request) -> Response:
        """Raises OwnVoiceNotFound."""
        _, voice = await self._found(request)
        file = pack(voice, await self.services.own_voices.store.recording(voice))
        headers = {"content-disposition": f'attachment; filename="{voice.name}.zip"'}
        return Response(file, media_type=MEDIA_TYPE, headers=headers)

    async def restore(self, request: Request) -> Response:
        """Raises ArchiveRefused, AudioRefused, ModelNotFound, OwnVoiceExists and OwnVoiceLimit."""
        room, settings = self.services.room, self.services.settings
        await room.authenticate(request.headers, peer_of(request))
        file = await read_body(
            request,
            media_type=MEDIA_TYPE,
            max_bytes=settings.own_voices.max_archive_bytes,
            timeout_s=settings.limits.body_timeout_s,
        )
        principal = await room.authenticate(request.headers, peer_of(request))
        voice, recorded = unpack(file, workspace=principal.owner, now=datetime.now(UTC))
        self._check_model(voice)
        with await room.admit(principal, voice.target_model):
            recording = None if recorded is None else await self._read(recorded, voice)
            made = await self.services.own_voices.create(voice, recording)
        return _json(self._entry(made))

    async def _read(self, recorded: bytes, voice: OwnVoice) -> Recording:
        audio = await self.services.uploads.read(recorded, min_sample_rate=_MIN_SAMPLE_RATE)
        return Recording(audio.samples, audio.sample_rate, voice.transcript, voice.language)

    def _check_model(self, voice: OwnVoice) -> None:
        known = {model.name: model for model in self.services.catalog.models}
        model = known.get(voice.target_model)
        if model is None:
            raise ModelNotFound("The voice is for a model that this server does not have.", param="model")
        kinds = {"cloned", "designed"} & {model.voice_kind} or {"cloned", "designed"}
        of_cosyvoice = voice.family == "voice-enrollment"
        if of_cosyvoice != (model.door == "inference") or model.task == "out" or voice.origin not in kinds:
            raise ArchiveRefused(f"{model.name} takes no such voices")

    async def _found(self, request: Request) -> tuple[Principal, OwnVoice]:
        principal = await self.services.room.authenticate(request.headers, peer_of(request))
        name: str = request.path_params["name"]
        voice = await self.services.own_voices.find(principal.owner, name)
        if voice is None:
            raise OwnVoiceNotFound(name)
        return principal, voice

    def _entry(self, voice: OwnVoice) -> OwnVoiceEntry:
        names = [name for name in OwnVoiceEntry.__struct_fields__ if name != "languages"]
        return OwnVoiceEntry(**{name: getattr(voice, name) for name in names}, languages=self._spoken(voice))

    def _spoken(self, voice: OwnVoice) -> list[SpokenLanguage]:
        casting, spoken = self.services.synthesizer.casting, []
        for choice in casting.describe():
            if choice.engine is None:
                continue
            code = LANGUAGE_CODES[choice.language_type]
            role = casting.role(voice=voice.name, language=code, own_voice=voice)
            made = voice.renditions.get(role.engine)
            has_material = made is not None and made.material
            info = self.services.synthesizer.hosting.engine(role.engine)
            spoken.append(
                SpokenLanguage(
                    language=choice.language_type,
                    code=code,
                    engine=role.engine,
                    quality=role.quality,
                    likeness=info.enrolls if has_material else "recipe",
                    similarity=made.similarity if made is not None else None,
                )
            )
        return spoken


def _json(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
