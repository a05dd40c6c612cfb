"""The generation door: one text in, speech out, as a link to a file or piece by piece.

Each request is spoken into a spool by its own task, and its listener reads from there. So a slow listener delays
nobody, and one who leaves may still find the file.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec
import structlog

from saystream.audio import AudioFormat
from saystream.errors import (
    Draining,
    InvalidRequest,
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
from saystream.server.doors.base import Door
from saystream.server.doors.spool import WavSpool
from saystream.server.web.faults import dashscope_error
from saystream.server.web.openapi import EVENT, Answer, Operation, Parameter
from saystream.server.web.request_ids import request_id
from saystream.server.web.streaming import StreamedAnswer
from saystream.speech.events import ResponseAudio, ResponseEnded, SpeechConfig
from saystream.text.counting import billed_characters, estimated_text_tokens
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from saystream.catalog.entries import Model
    from saystream.protocol.usage import Usage
    from saystream.server.access.links import Link
    from saystream.server.access.room import Place
    from saystream.server.accounting.account import ResponseAccount
    from saystream.server.accounting.usage import Outcome
    from saystream.server.doors.base import Services

__all__ = ["PATH", "GenerationDoor"]

_PLACE = "in `input` or in `parameters`; `input` wins"
_STYLE = {name: PARAMETERS[name].schema() for name in STYLE_PARAMETERS}
_OPERATION = Operation(
    name="generate_speech",
    summary="Speech of one text",
    description="Qwen-TTS over HTTP. Without the header `X-DashScope-SSE: enable` the answer is a link"
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
_SAMPLE_RATE = 24_000
"""Hz; the only rate of these models (protocol reference, http §2)."""

_log = structlog.get_logger(__name__)


class GenerationDoor(Door):
    """All generation requests of one process."""

    name = "generation"

    def routes(self) -> Sequence[BaseRoute]:
        return (self.route(PATH, self.serve, _OPERATION, method="POST"),)

    async def serve(self, request: Request) -> Response:
        room, files = self.services.room, self.services.files
        principal, body = await self.authenticated_json(request)
        wanted = decode_request(body)
        if wanted.unknown_fields:
            _log.debug("unknown fields ignored", unknown_fields=wanted.unknown_fields)
        model = self._check(wanted)
        link = self.services.links.link(request, files.new_path(request_id()))
        place = await room.admit(
            principal, model.name, characters=billed_characters(self.services.billed_text(wanted.text))
        )
        try:
            speech = _Speech(self.services, self.account(principal), model, wanted, link)
            speech.start(place)
        except BaseException as error:
            place.leave()
            if isinstance(error, OSError):
                raise _not_kept(error) from error
            raise
        frames = _Listener(speech, finish=self.services.settings.files.finish_abandoned)
        streamed = request.headers.get("x-dashscope-sse", "").strip().lower() == "enable"
        # Both have a status once they have their first byte: a fault before that gets an error answer.
        return StreamedAnswer(
            frames.events() if streamed else frames.answer(),
            media_type="text/event-stream" if streamed else "application/json",
            headers=_stream_headers(link) if streamed else None,
            over=frames.leave,
        )

    def _check(self, wanted: GenerationRequest) -> Model:
        """Raises ModelNotFound, or InvalidRequest for anything that the model does not take."""
        model = self.services.catalog.model(wanted.model, door="http")
        self.services.catalog.check(model.name, wanted.parameters(), prefix="")
        _check_length(model, wanted.text)
        if not is_speakable(wanted.text):
            raise InvalidRequest("The text holds nothing that can be spoken.", param="input.text")
        return model


class _Speech:
    """One request, spoken into a spool by its own task.

    ``leave()`` is called when nobody listens any more; that or the end of the task, whichever is later, closes the
    spool.
    """

    def __init__(
        self,
        services: Services,
        account: ResponseAccount,
        model: Model,
        wanted: GenerationRequest,
        link: Link,
    ) -> None:
        self.request_id = account.request_id
        self.link = link
        self.spool = WavSpool(_SAMPLE_RATE)
        self.fault: SaystreamError | None = None
        self._services = services
        self._account = account
        self._model = model
        self._wanted = wanted
        self._task: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._progress = asyncio.Event()
        self._left = False

    def start(self, place: Place) -> None:
        """Start speaking; the place is left at the end."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._stopped)
        self._task.add_done_callback(lambda _: place.leave())
        place.seat(self)

    def drain(self) -> None:
        """Nothing to do: it ends by itself."""

    def expel(self, why: InvalidRequest) -> None:
        """Nothing to do: it has only one response, which has begun."""

    def cut_off(self) -> None:
        """Stop at once."""
        assert self._task is not None
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._speak()
            if self.fault is None:
                await self._services.files.put(self.link.path, self.spool.finished(), self.spool.num_bytes)
        except SaystreamError as fault:
            self.fault = fault
        except OSError as error:
            self.fault = _not_kept(error)
        except asyncio.CancelledError:
            self.fault = Draining("the server is shutting down")
            raise
        except Exception:
            _log.exception("request failed")  # a bug of ours must not leave the peer without an answer
            self.fault = ServerFault("a server error; the log has the details")
        finally:
            self._close_account()

    def _stopped(self, task: asyncio.Task[None]) -> None:
        """The task has ended. If it was cancelled, it may never have started."""
        if task.cancelled() and self.fault is None:
            self.fault = Draining("the server is shutting down")
        self._end.set()
        self._progress.set()
        self._close_if_over()

    @property
    def ended(self) -> bool:
        """Whether it has failed, or everything has been spoken and the file stored."""
        return self._end.is_set()

    async def end(self) -> None:
        await self._end.wait()

    async def progress(self) -> None:
        """Wait until there is more of it, or it has ended."""
        await self._progress.wait()
        self._progress.clear()

    def leave(self) -> None:
        """Nobody listens any more."""
        self._left = True
        self._close_if_over()

    def usage(self) -> Usage:
        """What is billed for the text and for the audio so far."""
        text = self._services.billed_text(self._wanted.text)
        return bill(self._model, text, self._account.timer.audio_ms).usage()

    async def _speak(self) -> None:
        config = SpeechConfig(
            voice=self._wanted.voice,
            language_type=self._wanted.language_type,
            audio_format=AudioFormat("pcm", _SAMPLE_RATE),
            instructions=self._wanted.instructions,
        )
        events = self._services.synthesizer.speak(config, self._wanted.text)
        followed = self._account.following(events, model=self._model, voice=config.voice)
        async with aclosing(followed):
            async for event in followed:
                if isinstance(event, ResponseAudio):
                    self.spool.append(event.encoded)
                    self._progress.set()
                elif isinstance(event, ResponseEnded):
                    self.fault = event.fault
        if self.fault is not None:
            _log.error("request failed", code=self.fault.code, error=self.fault)

    def _close_account(self) -> None:
        outcome: Outcome = "completed"
        fault = self.fault
        if isinstance(fault, Draining) and self._left:
            outcome, fault = "cancelled", None  # its listener left, and it was not to be finished
        elif fault is not None:
            outcome = "failed"
        self._account.close(self._services.billed_text(self._wanted.text), outcome, fault)

    def _close_if_over(self) -> None:
        if self.ended and self._left:
            self.spool.close()


class _Listener:
    """Turns a speech into an answer. Only one of the two generators is read, and once."""

    def __init__(self, speech: _Speech, *, finish: bool) -> None:
        """``finish``: the speech continues after its listener has left."""
        self._speech = speech
        self._finish = finish

    async def answer(self) -> AsyncGenerator[bytes, None]:
        """The whole body, once the file is stored. Raises the fault of the speech."""
        await self._speech.end()
        if self._speech.fault is not None:
            raise self._speech.fault
        yield self._last()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Frames, the last one once the file is stored. Raises the fault of a speech that never started."""
        speech, sent = self._speech, 0
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

    def _last(self) -> bytes:
        link = self._speech.link
        return GenerationAnswer.complete(
            request_id=self._speech.request_id,
            url=link.url,
            expires_at=link.expires_at,
            usage=self._speech.usage(),
        ).encode()

    def leave(self) -> None:
        """Nobody reads the answer any more."""
        if not self._finish:
            self._speech.cut_off()
        self._speech.leave()


def _not_kept(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the audio cannot be kept ({type(error).__name__})")


def _error_frame(number: int, fault: SaystreamError) -> bytes:
    return encode_frame(number, "error", fault.http_status, msgspec.json.encode(dashscope_error(fault)))


def _check_length(model: Model, text: str) -> None:
    """Characters are code points. Tokens are estimated, because the server has no tokenizer."""
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
    # The link is known before the file is stored: a client that loses the connection can still fetch all of it.
    return {"cache-control": "no-cache", "x-accel-buffering": "no", "content-location": link.url}
