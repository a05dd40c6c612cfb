"""The generation door: one text in, speech out, as a link to a file or piece by piece.

A request is spoken into a spool by a task of its own. Whoever listens reads from there, so a slow listener holds
nobody up, and one who leaves may still find the file.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, assert_never

import msgspec
import structlog
from starlette.responses import Response

from saystream.audio import AudioFormat
from saystream.errors import (
    Draining,
    InvalidRequest,
    LimitReached,
    SaystreamError,
    ServerFault,
    StoreUnavailable,
    TextTooLong,
)
from saystream.parameters import PARAMETERS
from saystream.protocol.http.generation import (
    PATH,
    STYLE_PARAMETERS,
    GenerationAnswer,
    GenerationRequest,
    decode_request,
    encode_part,
)
from saystream.protocol.http.sse import encode_frame
from saystream.server.accounting.billing import bill
from saystream.server.accounting.metrics import ResponseTimer
from saystream.server.accounting.usage import UsageAccount
from saystream.server.doors.spool import WavSpool
from saystream.server.web.bodies import read_json_body
from saystream.server.web.faults import dashscope_error
from saystream.server.web.openapi import EVENT, Answer, Operation, Parameter
from saystream.server.web.request_ids import request_id
from saystream.server.web.streaming import StreamedAnswer
from saystream.speech.events import ResponseAudio, ResponseEnded, ResponseStarted, SpeechConfig
from saystream.text.counting import billed_characters, estimated_text_tokens
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from saystream.catalog import Catalog
    from saystream.catalog.entries import Model
    from saystream.protocol.usage import Usage
    from saystream.server.access.auth import Authenticator, Principal
    from saystream.server.access.limits import Limiter
    from saystream.server.accounting.metrics import Metrics
    from saystream.server.accounting.usage import Outcome, UsageRecorder
    from saystream.server.doors.files import AudioFiles, Link
    from saystream.speech.synthesizer import Synthesizer

__all__ = ["OPERATION", "PATH", "GenerationDoor"]

_PLACE = "in `input` or in `parameters`; `input` wins"
_STYLE = {name: PARAMETERS[name].schema() for name in STYLE_PARAMETERS}
OPERATION = Operation(
    name="generate_speech",
    summary="Speech of one text",
    description="The interface of Qwen-TTS over HTTP. Without the header `X-DashScope-SSE: enable` the answer is a link"
    " to a WAV file; with it, events that carry the audio as it is made, the last of them with the link.",
    request={
        "type": "object",
        "required": ["model", "input"],
        "properties": {
            "model": {"type": "string", "examples": ["qwen3-tts-flash"]},
            "input": {
                "type": "object",
                "required": ["text", "voice"],
                "properties": {
                    "text": {"type": "string", "minLength": 1, "maxLength": 2048},
                    "voice": {"type": "string", "minLength": 1, "examples": ["Cherry"]},
                    **_STYLE,
                },
            },
            "parameters": {
                "type": ["object", "null"],
                "description": f"The last three fields may stand {_PLACE}.",
                "properties": _STYLE,
            },
        },
    },
    parameters=(
        Parameter("X-DashScope-SSE", "header", "`enable` for events.", {"type": "string"}, required=False),
    ),
    answers={
        200: Answer(
            "The link, or the events.",
            {"application/json": GenerationAnswer, "text/event-stream": EVENT},
            headers={"content-location": "With events: the link, before its file is there."},
        )
    },
    refusals=(400, 401, 403, 404, 408, 415, 429, 503),
)
"""What the OpenAPI document says of it."""

_SAMPLE_RATE = 24_000
"""Hz; these models have no other (protocol reference, http §2)."""

_log = structlog.get_logger(__name__)


class GenerationDoor:
    """All generation requests of one process."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        *,
        catalog: Catalog,
        authenticator: Authenticator,
        limiter: Limiter,
        metrics: Metrics,
        files: AudioFiles,
        usage: UsageRecorder,
    ) -> None:
        self.synthesizer = synthesizer
        self.settings = synthesizer.settings
        self.metrics = metrics
        self.files = files
        self.usage = usage
        self._catalog = catalog
        self._authenticator = authenticator
        self._limiter = limiter
        self._speeches: set[asyncio.Task[None]] = set()
        self._draining = False

    async def serve(self, request: Request) -> Response:
        """Answers one request. Raises what is to be said to the client instead of speech."""
        principal = await self._authenticator.authenticate(request.headers)
        self._admit()
        limits = self.settings.limits
        body = await read_json_body(request, max_bytes=limits.max_body_bytes, timeout_s=limits.body_timeout_s)
        wanted = decode_request(body)
        if wanted.unknown_fields:
            _log.debug("unknown fields ignored", unknown_fields=wanted.unknown_fields)
        model = self._check(wanted)
        link = self.files.link(request, request_id())
        admission = await self._limiter.admit(
            principal, model.name, characters=billed_characters(wanted.text)
        )
        try:
            self._admit()  # others came while the body did
        except SaystreamError:
            admission.release()
            raise
        speech = _Speech(self, principal, model, wanted, link)
        task = asyncio.create_task(speech.run())
        self._speeches.add(task)
        task.add_done_callback(self._speeches.discard)
        task.add_done_callback(speech.stopped)
        task.add_done_callback(lambda _: admission.release())
        frames = _Listener(speech, task, finish=self.settings.files.finish_abandoned)
        streamed = request.headers.get("x-dashscope-sse", "").strip().lower() == "enable"
        # The status of both is known when their first byte is: a fault before that is an answer of its own.
        return StreamedAnswer(
            frames.events() if streamed else frames.answer(),
            media_type="text/event-stream" if streamed else "application/json",
            stall_timeout_s=self.settings.realtime.send_stall_timeout_s,
            headers=_stream_headers(link) if streamed else None,
        )

    async def drain(self, timeout_s: float) -> None:
        """Take no new request; let those that are being spoken end, at most for ``timeout_s``."""
        self._draining = True
        if self._speeches:
            _, late = await asyncio.wait(self._speeches, timeout=timeout_s)
            for task in late:
                task.cancel()

    async def aclose(self) -> None:
        """Ends what is still being spoken."""
        speeches = list(self._speeches)
        for task in speeches:
            task.cancel()
        await asyncio.gather(*speeches, return_exceptions=True)

    def _admit(self) -> None:
        if self._draining:
            raise Draining("the server is about to stop and takes no new requests")
        limit = self.settings.limits.max_sessions
        if len(self._speeches) >= limit:
            raise LimitReached(f"this server speaks at most {limit} requests at once")

    def _check(self, wanted: GenerationRequest) -> Model:
        """Raises ModelNotFound, or InvalidRequest for what the model does not take."""
        model = self._catalog.model(wanted.model, door="http")
        self._catalog.check(model.name, wanted.parameters(), prefix="")
        _check_length(model, wanted.text)
        if not is_speakable(wanted.text):
            raise InvalidRequest("The text holds nothing that can be spoken.", param="input.text")
        return model


class _Speech:
    """One request, spoken into a spool.

    ``run()`` is awaited by a task whose end calls ``stopped()``, and ``leave()`` is called when nobody listens any
    more; the later of the two closes the spool.
    """

    def __init__(
        self,
        door: GenerationDoor,
        principal: Principal,
        model: Model,
        wanted: GenerationRequest,
        link: Link,
    ) -> None:
        self.request_id = request_id()
        self.link = link
        self.spool = WavSpool(_SAMPLE_RATE)
        self._end = asyncio.Event()
        self.fault: SaystreamError | None = None
        self._door = door
        self._model = model
        self._wanted = wanted
        self._timer = ResponseTimer(door.metrics)
        self._account = UsageAccount(door.usage, self._timer, door="generation", principal=principal)
        self._progress = asyncio.Event()
        self._left = False

    async def run(self) -> None:
        try:
            await self._speak()
            if self.fault is None:
                await self._door.files.put(self.link, self.spool.finished(), self.spool.num_bytes)
        except SaystreamError as fault:
            self.fault = fault
        except OSError as error:
            self.fault = StoreUnavailable(f"the audio cannot be kept ({type(error).__name__})")
        except asyncio.CancelledError:
            self.fault = Draining("the server stops now")
            raise
        except Exception:
            _log.exception("request failed")  # a bug of ours must not leave the peer without a word
            self.fault = ServerFault("an error of the server; its log tells more")
        finally:
            self._note_usage()

    def stopped(self, task: asyncio.Task[None]) -> None:
        """The task of ``run()`` has ended; one that was cancelled may never have begun."""
        if task.cancelled() and self.fault is None:
            self.fault = Draining("the server stops now")
        self._end.set()
        self._progress.set()
        self._close_if_over()

    @property
    def ended(self) -> bool:
        """There is a fault, or all of it is spoken and its file is in its place."""
        return self._end.is_set()

    async def end(self) -> None:
        await self._end.wait()

    async def progress(self) -> None:
        """Something more of it is there, or it has ended."""
        await self._progress.wait()
        self._progress.clear()

    def leave(self) -> None:
        """Nobody listens any more."""
        self._left = True
        self._close_if_over()

    def usage(self) -> Usage:
        """What the text is billed for, and the audio so far."""
        return bill(self._model, self._wanted.text, self._timer.audio_ms).usage()

    async def _speak(self) -> None:
        config = SpeechConfig(
            voice=self._wanted.voice,
            language_type=self._wanted.language_type,
            audio_format=AudioFormat("pcm", _SAMPLE_RATE),
            instructions=self._wanted.instructions,
        )
        self._timer.text_came()
        async with aclosing(self._door.synthesizer.speak(config, self._wanted.text)) as events:
            async for event in events:
                match event:
                    case ResponseStarted():
                        self._timer.started()
                        self._account.open(self.request_id, self._model, self._wanted.voice)
                    case ResponseAudio():
                        self.spool.append(event.encoded)
                        self._progress.set()
                        self._timer.audio_came(event)
                    case ResponseEnded():
                        self._note_end(event)
                    case _:
                        assert_never(event)

    def _note_end(self, ended: ResponseEnded) -> None:
        self._timer.ended(ended, characters=billed_characters(ended.text))
        self.fault = ended.fault
        if ended.fault is not None:
            _log.error("request failed", code=ended.fault.code, error=ended.fault)

    def _note_usage(self) -> None:
        outcome: Outcome = "completed"
        fault = self.fault
        if isinstance(fault, Draining) and self._left:
            outcome, fault = "cancelled", None  # it was left, and not to be finished
        elif fault is not None:
            outcome = "failed"
        self._account.close(self._wanted.text, outcome, fault)

    def _close_if_over(self) -> None:
        if self.ended and self._left:
            self.spool.close()


class _Listener:
    """Makes an answer of a speech. One of the two generators is read, once."""

    def __init__(self, speech: _Speech, task: asyncio.Task[None], *, finish: bool) -> None:
        """``finish``: the speech goes on when its listener leaves."""
        self._speech = speech
        self._task = task
        self._finish = finish

    async def answer(self) -> AsyncGenerator[bytes, None]:
        """The whole body, when the file is there. Raises the fault of the speech."""
        try:
            await self._speech.end()
            if self._speech.fault is not None:
                raise self._speech.fault
            yield self._last()
        finally:
            self._leave()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Frames; the last one when the file is there. Raises the fault of a speech that never began."""
        speech, sent = self._speech, 0
        try:
            while True:
                while sent < len(speech.spool):
                    part = encode_part(
                        speech.spool.piece(sent),
                        request_id=speech.request_id,
                        expires_at=speech.link.expires_at,
                        usage=speech.usage(),
                    )
                    sent += 1
                    yield encode_frame(sent, "result", 200, part)
                if speech.ended:
                    break
                await speech.progress()
            if speech.fault is None:
                yield encode_frame(sent + 1, "result", 200, self._last())
            elif sent:
                yield _error_frame(sent + 1, speech.fault)
            else:
                raise speech.fault
        finally:
            self._leave()

    def _last(self) -> bytes:
        link = self._speech.link
        return GenerationAnswer.complete(
            request_id=self._speech.request_id,
            url=link.url,
            expires_at=link.expires_at,
            usage=self._speech.usage(),
        ).encode()

    def _leave(self) -> None:
        if not self._finish:
            self._task.cancel()
        self._speech.leave()


def _error_frame(number: int, fault: SaystreamError) -> bytes:
    return encode_frame(number, "error", fault.http_status, msgspec.json.encode(dashscope_error(fault)))


def _check_length(model: Model, text: str) -> None:
    """Characters are code points; tokens are an estimate, the tokenizer being no part of the server."""
    if model.max_characters is not None and len(text) > model.max_characters:
        raise TextTooLong(
            f"The text has {len(text)} characters; {model.name} takes at most {model.max_characters}.",
            param="input.text",
        )
    if model.max_tokens is not None and (tokens := estimated_text_tokens(text)) > model.max_tokens:
        raise TextTooLong(
            f"The text has about {tokens} tokens; {model.name} takes at most {model.max_tokens}.",
            param="input.text",
        )


def _stream_headers(link: Link) -> dict[str, str]:
    # The link is known before its file is there: one who loses the connection can still fetch the whole.
    return {"cache-control": "no-cache", "x-accel-buffering": "no", "content-location": link.url}
