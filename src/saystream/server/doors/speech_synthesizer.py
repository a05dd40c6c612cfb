"""CosyVoice over HTTP: one text in, speech out, as a link to a file or sentence by sentence."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import structlog

from saystream.errors import ModelNotFound, TextTooLong
from saystream.protocol.http.speech_synthesizer import (
    PATH,
    Sentence,
    SynthesisAnswer,
    SynthesisOutput,
    audio_body,
    decode_synthesis,
)
from saystream.protocol.usage import Usage
from saystream.server.doors.base import Door
from saystream.server.doors.spoken_request import SpokenRequest, answer, wants_events
from saystream.server.doors.spool import Spool, WavSpool
from saystream.server.doors.task_schema import PARAMETER_SCHEMAS
from saystream.server.doors.task_sentences import Sentences
from saystream.server.doors.task_speech import (
    Preparation,
    check_parts,
    nothing_to_speak,
    own_voice_of,
    speech_of,
    urls_of,
)
from saystream.server.web.openapi import EVENT, Answer, Operation, Parameter
from saystream.server.web.request_ids import request_id
from saystream.speech.events import ResponseAudio, ResponseEnded, SegmentBegun
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from saystream.protocol.http.speech_synthesizer import SynthesisRequest
    from saystream.protocol.task.events import Word
    from saystream.server.access.links import Link
    from saystream.server.accounting.account import ResponseAccount
    from saystream.server.doors.base import Services
    from saystream.server.doors.task_speech import TaskSpeech
    from saystream.text.script import Part
    from saystream.voices.custom.voice import OwnVoice

__all__ = ["PATH", "SpeechSynthesizerDoor"]

_OPERATION = Operation(
    name="synthesize_speech",
    summary="Speech of one text, with CosyVoice",
    description="CosyVoice over HTTP. Without the header `X-DashScope-SSE: enable` the answer is a link"
    " to a file in the format asked for; with it, events that tell of sentences and carry their audio as it"
    " is made, the last of them with the link. All parameters of a task of CosyVoice may stand in `input`.",
    request={
        "type": "object",
        "required": ["model", "input"],
        "properties": {
            "model": {"type": "string", "examples": ["cosyvoice-v3-flash"]},
            "input": {
                "type": "object",
                "required": ["text", "voice"],
                "properties": {
                    "text": {"type": "string", "minLength": 1, "maxLength": 20000},
                    **PARAMETER_SCHEMAS,
                },
            },
        },
    },
    parameters=(
        Parameter("X-DashScope-SSE", "header", "`enable` for events.", {"type": "string"}, required=False),
    ),
    answers={
        200: Answer(
            "The link, or the events.",
            {"application/json": SynthesisAnswer, "text/event-stream": EVENT},
            headers={"content-location": "With events: the link, before its file is there."},
        )
    },
    refusals=(400, 401, 403, 404, 408, 415, 429, 503),
)

_log = structlog.get_logger(__name__)


class SpeechSynthesizerDoor(Door):
    """All requests of CosyVoice over HTTP of one process."""

    name = "cosyvoice_http"

    def routes(self) -> Sequence[BaseRoute]:
        return (self.route(PATH, self.serve, _OPERATION, method="POST"),)

    async def serve(self, request: Request) -> Response:
        principal, body = await self.authenticated_json(request)
        wanted = decode_synthesis(body)
        if wanted.parameters.unknown_fields:
            _log.debug("unknown fields ignored", unknown_fields=wanted.parameters.unknown_fields)
        own_voice = await own_voice_of(self.services, principal, wanted.model, wanted.parameters)
        speech = self._check(wanted, own_voice)
        if not wants_events(request):
            speech = replace(speech, config=replace(speech.config, marks=False))
        path = self.services.files.new_path(request_id(), speech.config.audio_format.container)
        link = self.services.links.link(request, path)
        preparation = Preparation(wanted.parameters, inline_pauses=self.services.settings.inline_pauses)
        parts = [*preparation.push(wanted.text), *preparation.flush()]
        check_parts(self.services.catalog, speech, parts)
        place = await self.services.room.admit(principal, speech.model.name, characters=preparation.billed)
        return answer(
            request,
            place,
            lambda: _Spoken(self.services, self.account(principal), speech, preparation, parts, link),
            finish=self.services.settings.files.finish_abandoned,
        )

    def _check(self, wanted: SynthesisRequest, own_voice: OwnVoice | None) -> TaskSpeech:
        """Raises ModelNotFound, or InvalidRequest for anything that the model does not take."""
        catalog = self.services.catalog
        model = catalog.model(wanted.model, door="inference")
        if "http" not in model.features:
            raise ModelNotFound(f"The model {model.name} is not served over HTTP.", param="model")
        speech = speech_of(catalog, model.name, wanted.parameters, prefix="input.", own_voice=own_voice)
        longest = self.services.settings.task.max_text_characters
        if len(wanted.text) > longest:
            raise TextTooLong(
                f"The text has {len(wanted.text)} characters; at most {longest} are taken.",
                param="input.text",
            )
        if not is_speakable(wanted.text):
            raise nothing_to_speak(speech)
        return speech


class _Spoken(SpokenRequest):
    """One request, spoken; its parts are those that its events tell of."""

    def __init__(
        self,
        services: Services,
        account: ResponseAccount,
        speech: TaskSpeech,
        preparation: Preparation,
        parts: list[Part],
        link: Link,
    ) -> None:
        config = speech.config
        spool: Spool
        if config.audio_format.container == "wav":  # the file shall have the right sizes
            spool = WavSpool(config.audio_format.sample_rate)
            config = replace(config, audio_format=replace(config.audio_format, container="pcm"))
        else:
            spool = Spool()
        super().__init__(services, account, link, spool, billed_text=preparation.text)
        self._config = replace(config, one_response=False)
        self._model = speech.model
        self._spoken_parts = parts
        self._characters = preparation.billed
        self._sentences = Sentences(preparation, self, absolute_times=False, with_words=config.marks)
        self._told: list[tuple[SynthesisOutput, int | None, int | None]] = []
        """Outputs, with the number of their piece of audio, and what is billed so far."""
        self._index = 0

    def __len__(self) -> int:
        return len(self._told)

    def part(self, index: int) -> bytes:
        output, piece, characters = self._told[index]
        told = SynthesisAnswer(output=output, request_id=self.request_id)
        if piece is not None:
            audio = audio_body(
                self.spool.piece(piece), request_id=self.request_id, expires_at=self.link.expires_at
            )
            told = msgspec.structs.replace(told, output=msgspec.structs.replace(output, audio=audio))
        if characters is not None:
            told = msgspec.structs.replace(told, usage=Usage.of_characters(characters))
        return told.encode()

    def last(self) -> bytes:
        audio = audio_body(
            b"", request_id=self.request_id, expires_at=self.link.expires_at, url=self.link.url
        )
        return SynthesisAnswer(
            output=SynthesisOutput(finish_reason="stop", audio=audio),
            usage=Usage.of_characters(self._characters),
            request_id=self.request_id,
        ).encode()

    async def _speak(self) -> None:
        urls = urls_of(self._spoken_parts)
        sounds = await self._services.fetcher.sounds(urls) if urls else {}
        events = self._services.synthesizer.speak(self._config, self._spoken_parts, sounds)
        followed = self._account.following(events, model=self._model, voice=self._config.voice)
        async with aclosing(followed):
            async for event in followed:
                if isinstance(event, SegmentBegun):
                    self._sentences.begun(event)
                elif isinstance(event, ResponseAudio):
                    self._sentences.audio(event)
                    self.tell()
                elif isinstance(event, ResponseEnded):
                    self.fault = event.fault
        if self.fault is not None:
            _log.error("request failed", code=self.fault.code, error=self.fault)
        else:
            self._sentences.finish()

    # --- what the listener is told ---------------------------------------------------------------------------------

    def sentence_begins(self, text: str) -> None:
        """A sentence begins."""
        sentence = Sentence(index=self._index)
        self._told.append(
            (SynthesisOutput(type="sentence-begin", original_text=text, sentence=sentence), None, None)
        )

    def sentence_audio(self, audio: bytes, words: tuple[Word, ...]) -> None:
        """Audio of the sentence."""
        sentence = Sentence(index=self._index, words=words)
        output = SynthesisOutput(type="sentence-synthesis", sentence=sentence)
        self._told.append((output, len(self.spool), None))
        self.spool.append(audio)

    def sentence_ends(
        self, text: str, words: tuple[Word, ...], *, characters: int, begin_ms: float, end_ms: float
    ) -> None:
        """The sentence is complete."""
        sentence = Sentence(index=self._index, words=words)
        output = SynthesisOutput(type="sentence-end", original_text=text, sentence=sentence)
        self._told.append((output, None, characters))
        self._index += 1
