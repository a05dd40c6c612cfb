"""Voices of one's own at a server: cloned, designed, listed, kept as files and deleted.

``async with Voices() as voices: made = await voices.clone(recording, target_model=…)``; ``BlockingVoices`` has the same
calls for programs without an event loop.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import pybase64

from saystream.client.handshake import api_key_from, request_headers
from saystream.errors import ConnectionFailed, RemoteError, RemoteProtocolError
from saystream.protocol.customization.answers import CustomizationAnswer
from saystream.protocol.json import NOT_JSON

__all__ = ["DEFAULT_HTTP_URL", "BlockingVoices", "MadeVoice", "OwnVoice", "Voices"]

DEFAULT_HTTP_URL: Final = "http://127.0.0.1:8321"
"""Where ``saystream serve`` listens by default."""

_CUSTOMIZATION: Final = "/api/v1/services/audio/tts/customization"
_TIMEOUT_S: Final = 300.0
"""For one answer: cloning may take half a minute."""

_Result = TypeVar("_Result")


class MadeVoice(msgspec.Struct, frozen=True, kw_only=True):
    """A voice that was just made."""

    name: str
    target_model: str
    """The only model that takes it."""
    fallback_mode: str = ""
    """Empty if it is the speaker's own voice; else ``voice_match`` or ``nearest_voice``."""
    similarity: float | None = None
    """To the speaker, from 0 to 1, if the server has measured it."""
    warnings: tuple[str, ...] = ()
    """What would be better in another recording."""
    preview: bytes = b""
    """Of a designed voice: a file in the format that was asked for."""


class OwnVoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a server tells of one."""

    name: str
    origin: str
    """``cloned`` or ``designed``."""
    target_model: str
    status: str = "OK"
    language: str = ""
    """ISO 639-1; "" if unknown."""
    description: str = ""
    preview_text: str = ""
    transcript: str = ""
    consent: str = ""
    created_at: datetime | None = None
    modified_at: datetime | None = None
    used_at: datetime | None = None
    """When it last spoke, to within a day."""


class _Entry(msgspec.Struct, frozen=True):
    name: str
    origin: str
    models: list[str]
    character: str = ""


class _Listed(msgspec.Struct, frozen=True):
    data: list[_Entry]


class Voices:
    """One server's voices of the caller's workspace. Each call is one request, and raises ConnectionFailed if there is
    no answer, RemoteError if the server refuses, and RemoteProtocolError for an answer that is none."""

    def __init__(
        self,
        url: str = DEFAULT_HTTP_URL,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        """Without ``api_key`` the key is taken from ``SAYSTREAM_API_KEY`` or ``DASHSCOPE_API_KEY``; ``headers`` replace
        those that would be sent by default."""
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            headers=request_headers(api_key or api_key_from(os.environ), headers),
            timeout=timeout_s,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def clone(
        self,
        recording: Path | bytes | str,
        *,
        target_model: str,
        name: str = "voice",
        transcript: str = "",
        language: str = "",
        consent: str = "",
    ) -> MadeVoice:
        """A voice like the speaker of ``recording``: a file, its content, or an address that the server can reach.

        ``name`` becomes a part of the voice's name. Raises OSError if the file cannot be read.
        """
        source = recording if isinstance(recording, str) else await asyncio.to_thread(_data_uri, recording)
        given = {"text": transcript, "consent": consent, **_naming(target_model, name, language)}
        if _is_cosyvoice(target_model):
            return await self._made("voice-enrollment", "create_voice", {**given, "url": source})
        return await self._made("qwen-voice-enrollment", "create", {**given, "audio": {"data": source}})

    async def design(
        self,
        description: str,
        *,
        target_model: str,
        preview_text: str,
        name: str = "voice",
        language: str = "",
        response_format: str = "wav",
        sample_rate: int = 24000,
    ) -> MadeVoice:
        """A voice as ``description`` says, in Chinese or English, with a preview that says ``preview_text``."""
        given = {
            "voice_prompt": description,
            "preview_text": preview_text,
            **_naming(target_model, name, language),
        }
        parameters = {"response_format": response_format, "sample_rate": sample_rate}
        if _is_cosyvoice(target_model):
            return await self._made("voice-enrollment", "create_voice", given, parameters)
        return await self._made("qwen-voice-design", "create", given, parameters)

    async def list(self) -> Sequence[OwnVoice]:
        """All of them, the newest first, without the details that ``show`` gives."""
        listed = _decoded(await self._answer("GET", "/v1/voices"), _Listed)
        return [
            OwnVoice(
                name=entry.name,
                origin=entry.origin,
                target_model=entry.models[0],
                description=entry.character,
            )
            for entry in listed.data
            if entry.origin != "system" and entry.models
        ]

    async def show(self, name: str) -> OwnVoice:
        return _decoded(await self._answer("GET", f"/v1/voices/{quote(name, safe='')}"), OwnVoice)

    async def delete(self, name: str) -> None:
        """With its recording."""
        await self._answer("DELETE", f"/v1/voices/{quote(name, safe='')}")

    async def export(self, name: str) -> bytes:
        """The voice as a ZIP file, which ``restore`` takes at any server."""
        return await self._answer("GET", f"/v1/voices/{quote(name, safe='')}/archive")

    async def restore(self, archive: bytes) -> OwnVoice:
        """A voice that was exported, with its name."""
        headers = {"Content-Type": "application/zip"}
        return _decoded(
            await self._answer("POST", "/v1/voices/archive", content=archive, headers=headers), OwnVoice
        )

    async def say(self, name: str, text: str, *, response_format: str = "wav") -> bytes:
        """``text`` in that voice, as a file of the OpenAI interface's formats."""
        body = {"input": text, "voice": name, "response_format": response_format}
        return await self._answer("POST", "/v1/audio/speech", json=body)

    async def _made(
        self, family: str, action: str, given: Mapping[str, Any], parameters: Mapping[str, Any] | None = None
    ) -> MadeVoice:
        body = {"model": family, "input": {"action": action, **given}, "parameters": parameters or {}}
        answer = _decoded(await self._answer("POST", _CUSTOMIZATION, json=body), CustomizationAnswer)
        output = answer.output
        preview = pybase64.b64decode(output.preview_audio.data) if output.preview_audio else b""
        return MadeVoice(
            name=str(output.voice or output.voice_id),
            target_model=str(output.target_model or given["target_model"]),
            fallback_mode=str(output.fallback_mode or ""),
            similarity=output.similarity or None,
            warnings=tuple(output.warnings or ()),
            preview=preview,
        )

    async def _answer(self, method: str, path: str, **options: Any) -> bytes:
        try:
            answer = await self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectionFailed(f"no answer from the server: {error or type(error).__name__}") from error
        if answer.is_success:
            return answer.content
        raise _refusal(answer)


class BlockingVoices:
    """``Voices`` with blocking calls, each on a connection of its own; the arguments are the same."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._arguments = args, options

    def clone(self, recording: Path | bytes | str, **options: Any) -> MadeVoice:
        """As ``Voices.clone``; likewise the following."""
        return self._call(lambda voices: voices.clone(recording, **options))

    def design(self, description: str, **options: Any) -> MadeVoice:
        return self._call(lambda voices: voices.design(description, **options))

    def list(self) -> Sequence[OwnVoice]:
        return self._call(lambda voices: voices.list())

    def show(self, name: str) -> OwnVoice:
        return self._call(lambda voices: voices.show(name))

    def delete(self, name: str) -> None:
        return self._call(lambda voices: voices.delete(name))

    def export(self, name: str) -> bytes:
        return self._call(lambda voices: voices.export(name))

    def restore(self, archive: bytes) -> OwnVoice:
        return self._call(lambda voices: voices.restore(archive))

    def say(self, name: str, text: str, **options: Any) -> bytes:
        return self._call(lambda voices: voices.say(name, text, **options))

    def _call(self, work: Callable[[Voices], Awaitable[_Result]]) -> _Result:
        async def run() -> _Result:
            args, options = self._arguments
            async with Voices(*args, **options) as voices:
                return await work(voices)

        return asyncio.run(run())


def _is_cosyvoice(model: str) -> bool:
    return model.startswith("cosyvoice")


def _naming(model: str, name: str, language: str) -> dict[str, Any]:
    if _is_cosyvoice(model):
        hints = [language] if language else []
        return {"target_model": model, "prefix": name, "language_hints": hints}
    return {"target_model": model, "preferred_name": name, "language": language}


def _data_uri(recording: Path | bytes) -> str:
    media_type = "audio/wav"
    if isinstance(recording, Path):
        media_type = mimetypes.guess_type(recording.name)[0] or media_type
        recording = recording.read_bytes()
    return f"data:{media_type};base64,{pybase64.b64encode(recording).decode()}"


def _decoded(body: bytes, kind: type[_Result]) -> _Result:
    try:
        return msgspec.json.decode(body, type=kind)
    except NOT_JSON as error:
        raise RemoteProtocolError("the server's answer is not what was asked for") from error


def _refusal(answer: httpx.Response) -> RemoteError:
    """What a server says that refuses: its own shape of an error, or OpenAI's."""
    try:
        said = msgspec.json.decode(answer.content, type=dict[str, Any])
    except NOT_JSON:
        said = {}
    inner = said.get("error")
    told = inner if isinstance(inner, dict) else said
    message = told.get("message") or f"the server answered {answer.status_code}"
    return RemoteError(
        str(message), remote_code=str(told.get("code") or answer.status_code), param=told.get("param")
    )
