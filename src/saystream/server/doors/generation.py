"""The generation door: one text in, speech out, as a link to a file or piece by piece."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import structlog

from saystream.audio import AudioFormat
from saystream.errors import (
    InvalidRequest,
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
from saystream.server.accounting.billing import bill
from saystream.server.doors.base import Door
from saystream.server.doors.spoken_request import SpokenRequest, answer
from saystream.server.doors.spool import WavSpool
from saystream.server.web.accepted import accepted_language
from saystream.server.web.openapi import EVENT, Answer, Operation, Parameter
from saystream.server.web.request_ids import request_id
from saystream.speech.events import ResponseAudio, ResponseEnded, SpeechConfig
from saystream.speech.instructions import check_instructions
from saystream.text.counting import billed_characters, estimated_text_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from saystream.audio import Mark
    from saystream.catalog.entries import Model
    from saystream.protocol.usage import Usage
    from saystream.server.access.auth import Principal
    from saystream.server.access.links import Link
    from saystream.server.accounting.account import ResponseAccount
    from saystream.server.doors.base import Services
    from saystream.voices.custom.voice import OwnVoice

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
                "description": f"All but the first two fields may stand {_PLACE}.",
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
        model, own_voice = await self._check(principal, wanted)
        link = self.services.links.link(request, files.new_path(request_id()))
        billed = billed_characters(self.services.billed_text(wanted.text, wanted.markup))
        place = await room.admit(principal, model.name, characters=billed)
        return answer(
            request,
            place,
            lambda: _Speech(
                self.services,
                self.account(principal),
                model,
                wanted,
                own_voice,
                link,
                usual_language=accepted_language(request.headers),
            ),
            finish=self.services.settings.files.finish_abandoned,
        )

    async def _check(self, principal: Principal, wanted: GenerationRequest) -> tuple[Model, OwnVoice | None]:
        """The model, and the voice if that is a cloned or designed one.

        Raises ModelNotFound, or InvalidRequest for anything that the model does not take.
        """
        model = self.services.catalog.model(wanted.model, door="http")
        own_voice = await self.services.own_voices.resolve(principal.owner, model.name, wanted.voice)
        self.services.catalog.check(
            model.name, wanted.parameters(), prefix="", own_voice=own_voice is not None
        )
        _check_length(model, wanted.text)
        check_instructions(wanted.instructions, "input.instructions")
        if not self.services.says_something(wanted.text, wanted.markup):
            raise InvalidRequest("The text holds nothing that can be spoken.", param="input.text")
        return model, own_voice


class _Speech(SpokenRequest):
    def __init__(
        self,
        services: Services,
        account: ResponseAccount,
        model: Model,
        wanted: GenerationRequest,
        own_voice: OwnVoice | None,
        link: Link,
        *,
        usual_language: str,
    ) -> None:
        text = services.billed_text(wanted.text, wanted.markup)
        super().__init__(services, account, link, WavSpool(_SAMPLE_RATE), billed_text=text)
        self._model = model
        self._wanted = wanted
        self._own_voice = own_voice
        self._usual_language = usual_language
        self._words: list[tuple[Mark, ...]] = []
        """Those that begin in each piece."""

    def __len__(self) -> int:
        return len(self.spool)

    def part(self, index: int) -> bytes:
        return encode_part(
            self.spool.piece(index),
            request_id=self.request_id,
            expires_at=self.link.expires_at,
            usage=self._usage(),
            words=self._words[index],
        )

    def last(self) -> bytes:
        return GenerationAnswer.complete(
            request_id=self.request_id,
            url=self.link.url,
            expires_at=self.link.expires_at,
            usage=self._usage(),
        ).encode()

    def _usage(self) -> Usage:
        """What is billed for the text and for the audio so far."""
        return bill(self._model, self._billed_text, self._account.timer.audio_ms).usage()

    async def _speak(self) -> None:
        config = SpeechConfig(
            voice=self._wanted.voice,
            language_type=self._wanted.language_type,
            audio_format=AudioFormat("pcm", _SAMPLE_RATE),
            instructions=self._wanted.instructions,
            optimize_instructions=self._wanted.optimize_instructions,
            marks=self._wanted.word_timestamps,
            own_voice=self._own_voice,
            markup=self._wanted.markup,
            usual_language=self._usual_language,
        )
        events = self._services.synthesizer.speak(config, self._wanted.text)
        followed = self._account.following(events, model=self._model, voice=config.voice)
        async with aclosing(followed):
            async for event in followed:
                if isinstance(event, ResponseAudio):
                    self._words.append(event.marks)
                    self.spool.append(event.encoded)
                    self.tell()
                elif isinstance(event, ResponseEnded):
                    self.fault = event.fault
        if self.fault is not None:
            _log.error("request failed", code=self.fault.code, error=self.fault)


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
