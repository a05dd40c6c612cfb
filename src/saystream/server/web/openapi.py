"""The OpenAPI document, made from what each route declares.

Bodies are msgspec structs, from which both the checks of a request and its schema come, so the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from saystream import __version__
from saystream.server.web.faults import SHAPE_IN_SCOPE, ErrorShape

if TYPE_CHECKING:
    from starlette.types import Scope

__all__ = ["BINARY", "EVENT", "Answer", "DocumentedRoute", "Operation", "Parameter", "document"]

Schema = Mapping[str, Any]
Struct = type[msgspec.Struct]

BINARY: Schema = {"type": "string", "format": "binary"}
"""The bytes of a file."""

EVENT: Schema = {
    "type": "object",
    "description": "Each event of the stream.",
    "required": ["data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
"""One server-sent event, whose data is JSON."""

_REF = "#/components/schemas/{name}"
_KEY = {"key": {"type": "http", "scheme": "bearer", "description": "Needed once the first key was made."}}


@dataclass(frozen=True, slots=True)
class Answer:
    description: str
    content: Mapping[str, Struct | Schema]
    """The content for each media type."""
    headers: Mapping[str, str] | None = None
    """Names and their meanings."""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str
    """``path``, ``query`` or ``header``."""
    description: str
    schema: Schema
    required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of one path takes and returns."""

    name: str
    """A unique identifier."""
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    request: Struct | Schema | None = None
    """The body: JSON, or…"""
    request_media_type: str = "application/json"
    """…of another type."""
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[int, ...] = ()
    """Statuses answered with the door's error body. 500 is always possible."""
    needs_key: bool = True


class DocumentedRoute(Route):
    """One method of one path."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        *,
        method: str = "GET",
        operation: Operation,
        errors: ErrorShape,
    ) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.method = method
        self.operation = operation
        self.errors = errors

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        return match, found if match is Match.NONE else {**found, SHAPE_IN_SCOPE: self.errors}


def document(routes: Iterable[DocumentedRoute]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of ``routes``."""
    routes = list(routes)
    structs = list(dict.fromkeys(struct for route in routes for struct in _structs(route)))
    references, schemas = msgspec.json.schema_components(structs, ref_template=_REF)
    referring = dict(zip(structs, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path_format, {})[route.method.lower()] = _operation(route, referring)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "saystream",
            "version": __version__,
            "description": "Speech synthesis over HTTP. The realtime door is a WebSocket and not described here.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _KEY},
    }


def _structs(route: DocumentedRoute) -> Iterable[Struct]:
    operation = route.operation
    contents = [content for answer in operation.answers.values() for content in answer.content.values()]
    yield route.errors.schema
    for content in (operation.request, *contents):
        if isinstance(content, type):
            yield content


def _operation(route: DocumentedRoute, referring: Mapping[Struct, Schema]) -> dict[str, Any]:
    operation = route.operation
    answers = dict(operation.answers)
    for status in (*operation.refusals, 500):
        answers[status] = Answer(HTTPStatus(status).phrase, {"application/json": route.errors.schema})
    written: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {str(status): _answer(answers[status], referring) for status in sorted(answers)},
    }
    if operation.description:
        written["description"] = operation.description
    if operation.needs_key:
        written["security"] = [{"key": []}, {}]
    if operation.parameters:
        written["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.request is not None:
        content = {operation.request_media_type: {"schema": _schema(operation.request, referring)}}
        written["requestBody"] = {"required": True, "content": content}
    return written


def _answer(answer: Answer, referring: Mapping[Struct, Schema]) -> dict[str, Any]:
    headers = {"x-request-id": "Id of this request, also in the server's log.", **(answer.headers or {})}
    return {
        "description": answer.description,
        "headers": {
            name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in headers.items()
        },
        "content": {
            media: {"schema": _schema(content, referring)} for media, content in answer.content.items()
        },
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.required,
        "schema": parameter.schema,
    }


def _schema(content: Struct | Schema, referring: Mapping[Struct, Schema]) -> Schema:
    return referring[content] if isinstance(content, type) else content
