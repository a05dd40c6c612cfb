"""Every HTTP path of the server, with what the OpenAPI document says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from saystream import __version__
from saystream.protocol.http.openai import ModelEntry, ModelList, SpeechRequest
from saystream.server.doors import files, generation
from saystream.server.doors.openai import MEDIA_TYPES, VoiceList
from saystream.server.web.openapi import (
    BINARY,
    EVENT,
    Answer,
    DocumentedRoute,
    Operation,
    Parameter,
    document,
)

if TYPE_CHECKING:
    from saystream.server.doors.realtime import RealtimeDoor
    from saystream.server.web.openapi import Schema

__all__ = ["ROUTES"]

_TEXT: Schema = {"type": "string"}
_JSON = "application/json"
_EVENT_STREAM = "text/event-stream"

_SPEECH_REFUSALS = (400, 401, 403, 404, 408, 413, 415, 429, 503)
_LIST_REFUSALS = (400, 401, 403, 503)


class Health(msgspec.Struct, frozen=True):
    """The process lives."""

    version: str
    status: Literal["ok"] = "ok"


class Readiness(msgspec.Struct, frozen=True):
    """Whether new work is taken."""

    status: Literal["ready", "draining", "no engine is up"]


# --- endpoints: each asks the door that the running application holds ----------------------------------------------


async def _generation(request: Request) -> Response:
    answer: Response = await request.app.state.generation.serve(request)
    return answer


async def _file(request: Request) -> Response:
    answer: Response = await request.app.state.files.serve(request)
    return answer


async def _speech(request: Request) -> Response:
    answer: Response = await request.app.state.openai.speech(request)
    return answer


async def _models(request: Request) -> Response:
    answer: Response = await request.app.state.openai.models(request)
    return answer


async def _model(request: Request) -> Response:
    answer: Response = await request.app.state.openai.model(request)
    return answer


async def _voices(request: Request) -> Response:
    answer: Response = await request.app.state.openai.voices(request)
    return answer


async def _health(request: Request) -> Response:
    return _json(Health(__version__))


async def _readiness(request: Request) -> Response:
    door: RealtimeDoor = request.app.state.door
    if door.draining:
        return _json(Readiness("draining"), status=503)
    if not any(load.hosts for load in door.synthesizer.hosting.load()):
        return _json(Readiness("no engine is up"), status=503)
    return _json(Readiness("ready"))


async def _metrics(request: Request) -> Response:
    return Response(
        request.app.state.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8"
    )


async def _openapi(request: Request) -> Response:
    return Response(_DOCUMENT, media_type=_JSON)


def _json(body: msgspec.Struct, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=_JSON)


# --- paths ---------------------------------------------------------------------------------------------------------

ROUTES = (
    DocumentedRoute(generation.PATH, _generation, method="POST", operation=generation.OPERATION),
    DocumentedRoute(files.PATH, _file, operation=files.OPERATION),
    DocumentedRoute(
        "/v1/audio/speech",
        _speech,
        method="POST",
        operation=Operation(
            "speech",
            "Speech as OpenAI's interface gives it",
            {
                200: Answer(
                    "The file in chunks as they are made; with `stream_format` `sse` events with parts of it.",
                    {**dict.fromkeys(MEDIA_TYPES.values(), BINARY), _EVENT_STREAM: EVENT},
                )
            },
            request=SpeechRequest,
            refusals=_SPEECH_REFUSALS,
        ),
    ),
    DocumentedRoute(
        "/v1/models",
        _models,
        operation=Operation(
            "models",
            "The models that speak",
            {200: Answer("All.", {_JSON: ModelList})},
            refusals=_LIST_REFUSALS,
        ),
    ),
    DocumentedRoute(
        "/v1/models/{model}",
        _model,
        operation=Operation(
            "model",
            "One of them",
            {200: Answer("The model.", {_JSON: ModelEntry})},
            parameters=(Parameter("model", "path", "Its name.", _TEXT),),
            refusals=(*_LIST_REFUSALS, 404),
        ),
    ),
    DocumentedRoute(
        "/v1/voices",
        _voices,
        operation=Operation(
            "voices",
            "The voices, and who speaks each language on this server",
            {200: Answer("All.", {_JSON: VoiceList})},
            refusals=_LIST_REFUSALS,
        ),
    ),
    DocumentedRoute(
        "/healthz",
        _health,
        operation=Operation(
            "health", "Whether the process lives", {200: Answer("It does.", {_JSON: Health})}, needs_key=False
        ),
    ),
    DocumentedRoute(
        "/readyz",
        _readiness,
        operation=Operation(
            "readiness",
            "Whether new work is taken",
            {200: Answer("Yes.", {_JSON: Readiness}), 503: Answer("Not now.", {_JSON: Readiness})},
            needs_key=False,
        ),
    ),
    DocumentedRoute(
        "/metrics",
        _metrics,
        operation=Operation(
            "metrics",
            "Counters for Prometheus",
            {200: Answer("All.", {"text/plain": _TEXT})},
            needs_key=False,
        ),
    ),
    DocumentedRoute(
        "/openapi.json",
        _openapi,
        operation=Operation(
            "openapi", "This document", {200: Answer("It.", {_JSON: {"type": "object"}})}, needs_key=False
        ),
    ),
)

_DOCUMENT = msgspec.json.encode(document(ROUTES))
