"""Servers with ``POST /v1/audio/speech``: vLLM-Omni, SGLang-Omni and others that speak OpenAI's protocol.

The formats of vLLM-Omni 0.30.0 and sglang-omni 0.1.9 were read in their code; docs/howto/use-an-upstream-server.md says
what was tried. A request is given up by closing its connection: both then abort their work.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import msgspec

from saystream.engines.upstream.failures import Failure, Verdict, refusal, told, unreachable
from saystream.engines.upstream.options import ServerOptions, UpstreamOptions, VoiceOptions
from saystream.engines.upstream.server import Server, TextFeed, Utterance, behind_proxy
from saystream.engines.upstream.sound import AudioPiece, encoding_of
from saystream.engines.upstream.speech_events import SpeechEvents, SpeechFailed
from saystream.errors import EngineFailed, EngineOutputInvalid, EngineUnavailable, quote
from saystream.protocol.json import NOT_JSON

__all__ = ["SpeechServer"]

_MAX_ERROR_BYTES = 64 * 1024
_MAX_LIST_BYTES = 4 << 20

_IDLE_CONNECTION_S = 4.0
"""Less than the 5 s after which uvicorn, on which most of these servers run, closes an idle connection."""

_VOICE_LISTS = ("audio/voices", "voices")
"""vLLM-Omni, SGLang-Omni and others; ours."""


class SpeechServer(Server):
    def __init__(self, options: UpstreamOptions, server: ServerOptions) -> None:
        super().__init__(server)
        self._options = options
        self._url = server.url
        headers = {"Accept-Encoding": "identity", "User-Agent": "saystream"}
        if server.key:
            headers["Authorization"] = f"Bearer {server.key}"
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(None, connect=options.connect_s),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=_IDLE_CONNECTION_S),
            trust_env=behind_proxy(server.url),
        )

    @property
    def probed_when_well(self) -> bool:
        return True

    async def probe(self) -> None:
        status, body = await self._get(f"{self._url}/models")
        if status in (404, 405):  # it answers, but lists no models
            return
        if status != 200:
            raise refusal(self.name, status, body)
        served = _names(body)
        # Other servers take names that they do not list; these two refuse any request for another model.
        if (
            self._options.kind != "openai"
            and self._options.model
            and served
            and self._options.model not in served
        ):
            raise Failure(
                EngineUnavailable(
                    f"The upstream server {self.name} serves {', '.join(map(quote, served[:5]))}, and not"
                    f" {quote(self._options.model)}. Set the option model of engine 'upstream', or leave it out."
                ),
                Verdict.DOWN,
            )

    async def voices(self) -> tuple[str, ...]:
        for path in _VOICE_LISTS:
            status, body = await self._get(f"{self._url}/{path}")
            if status == 200 and (names := _names(body)):
                return names
        return ()

    async def speak(self, utterance: Utterance, text: TextFeed) -> AsyncGenerator[AudioPiece, None]:
        said = text.text
        body = msgspec.json.encode(self.request(utterance, said))
        async with self._answer("POST", f"{self._url}/audio/speech", body) as answer:
            if answer.status_code != 200:
                raise refusal(
                    self.name,
                    answer.status_code,
                    await _start_of(answer),
                    retry_after=answer.headers.get("retry-after"),
                    text=said,
                )
            try:
                if answer.headers.get("content-type", "").lower().startswith("text/event-stream"):
                    heard = self._heard_in_events(answer, said)
                else:
                    heard = self._heard(answer)
                async with aclosing(heard):
                    async for piece in heard:
                        yield piece
            except EngineOutputInvalid as error:
                fault = EngineOutputInvalid(
                    f"The upstream server {self.name} gives no audio. {error.message}"
                )
                raise Failure(fault, Verdict.FINE, final=True) from error

    async def aclose(self) -> None:
        await self._client.aclose()

    def request(self, utterance: Utterance, text: str) -> dict[str, Any]:
        """The body of a request."""
        options, voice = self._options, utterance.voice
        body: dict[str, Any] = {"input": text, "response_format": "pcm"}
        if voice.name:
            body["voice"] = voice.name
        if options.model:
            body["model"] = options.model
        if options.takes_speed and utterance.speed != 1.0:
            body["speed"] = utterance.speed
        if instructions := "\n".join(filter(None, (voice.description, utterance.instructions))):
            body["instructions"] = instructions
        if voice.ref_audio:
            body["ref_audio"] = voice.ref_audio
            if voice.x_vector_only:
                body["x_vector_only_mode"] = True
            elif voice.ref_text:
                body["ref_text"] = voice.ref_text
        if options.kind != "openai":
            body |= {"stream": True, "language": utterance.language}
            if task_type := _task_type(options, voice):
                body["task_type"] = task_type
        if stream_format := options.stream_format or _STREAM_FORMATS[options.kind]:
            body["stream_format"] = stream_format
        return body | options.parameters

    async def _heard_in_events(self, answer: httpx.Response, text: str) -> AsyncGenerator[AudioPiece, None]:
        encoding = encoding_of("", answer.headers.get("x-sample-rate"), self._options.sample_rate)
        events = SpeechEvents()
        async for received in answer.aiter_bytes():
            for part in events.push(received):
                if isinstance(part, SpeechFailed):
                    raise self._failed(part, text)
                yield AudioPiece(part, encoding)
        if not events.done:
            fault = EngineFailed(f"The upstream server {self.name} ended its answer before its audio.")
            raise Failure(fault, Verdict.SUSPECT)

    async def _heard(self, answer: httpx.Response) -> AsyncGenerator[AudioPiece, None]:
        encoding = encoding_of(
            answer.headers.get("content-type", ""),
            answer.headers.get("x-sample-rate"),
            self._options.sample_rate,
        )
        async for received in answer.aiter_bytes():
            yield AudioPiece(received, encoding)

    def _failed(self, failed: SpeechFailed, text: str) -> Failure:
        """What an error event means: its code is an HTTP status if it is one."""
        if failed.code is not None and 400 <= failed.code < 500:
            body = msgspec.json.encode({"message": failed.message})
            return refusal(self.name, failed.code, body, text=text)
        why = told(failed.message, text)
        return Failure(EngineFailed(f"The upstream server {self.name} failed{why}."), Verdict.SUSPECT)

    async def _get(self, url: str) -> tuple[int, bytes]:
        async with self._answer("GET", url) as answer:
            return answer.status_code, await _start_of(answer, _MAX_LIST_BYTES)

    @asynccontextmanager
    async def _answer(
        self, method: str, url: str, body: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            async with self._client.stream(method, url, content=body, headers=headers) as answer:
                yield answer
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise unreachable(self.name, _why(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            fault = EngineFailed(f"The upstream server {self.name} broke off: {_why(error)}.")
            raise Failure(fault, Verdict.SUSPECT) from error


_STREAM_FORMATS = {"vllm-omni": "sse", "sglang-omni": "sse", "openai": ""}
"""Events say why a stream ends. OpenAI's older models send none, nor do many similar servers."""


def _task_type(options: UpstreamOptions, voice: VoiceOptions) -> str:
    """Left to the server if it has the voice: it knows whether that was uploaded. Both kinds refuse a task that their
    checkpoint does not support."""
    if options.task_type:
        return options.task_type
    if voice.ref_audio:
        return "Base"
    return "VoiceDesign" if voice.description else ""


async def _start_of(answer: httpx.Response, max_bytes: int = _MAX_ERROR_BYTES) -> bytes:
    """The body, cut if it is longer than is useful."""
    body = b""
    async for received in answer.aiter_bytes():
        body += received
        if len(body) >= max_bytes:
            break
    return body[:max_bytes]


def _why(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _names(body: bytes) -> tuple[str, ...]:
    """The voices, from any of the formats in which servers list them."""
    try:
        fields = msgspec.json.decode(body)
    except NOT_JSON:
        return ()
    listed: list[Any] = []
    if isinstance(fields, dict):
        for field in ("voices", "uploaded_voices", "data"):
            part = fields.get(field)
            listed += part if isinstance(part, list) else []
    elif isinstance(fields, list):
        listed = fields
    named = (entry.get("id", entry.get("name")) if isinstance(entry, dict) else entry for entry in listed)
    return tuple(dict.fromkeys(name for name in named if isinstance(name, str) and name.strip()))
