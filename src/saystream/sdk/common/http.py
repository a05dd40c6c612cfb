"""Requests of the SDK and their answers, plain or as a stream of events."""

from __future__ import annotations

import functools
import json
import ssl
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

import saystream.sdk
from saystream.client.handshake import request_headers
from saystream.protocol.http.sse import EventParser, ServerSentEvent
from saystream.protocol.json import NOT_JSON
from saystream.sdk.common.api_key import get_default_api_key
from saystream.sdk.common.error import RequestFailed

__all__ = ["Answer", "Request", "generation_request", "send", "send_async", "stream", "stream_async"]

_TIMEOUT_S = 300.0
"""The vendor's value, between two pieces of an answer."""
_CONNECT_TIMEOUT_S = 10.0
_MAX_EVENT_BYTES = 16 << 20

_GENERATION = "/services/aigc/multimodal-generation/generation"

Answer = tuple[int, Mapping[str, Any]]
"""Status and body."""


@dataclass(frozen=True, slots=True)
class Request:
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float


def generation_request(
    body: Mapping[str, Any],
    *,
    api_key: str | None,
    workspace: str | None,
    streamed: bool,
    headers: Mapping[str, str] | None = None,
    base_address: str | None = None,
    request_timeout: float | None = None,
) -> Request:
    """A request for ``body``, to be sent by one of the functions below.

    ``headers`` override ours. ``base_address`` replaces ``saystream.sdk.base_http_api_url``.
    """
    ours = {
        "Accept": "text/event-stream" if streamed else "application/json; charset=utf-8",
        "Content-Type": "application/json; charset=utf-8",
    }
    if streamed:
        ours |= {"X-Accel-Buffering": "no", "X-DashScope-SSE": "enable"}
    if workspace:
        ours["X-DashScope-WorkSpace"] = workspace
    base = (base_address or saystream.sdk.base_http_api_url).rstrip("/")
    return Request(
        base + _GENERATION,
        request_headers(api_key or get_default_api_key(), {**ours, **(headers or {})}),
        json.dumps(body, ensure_ascii=False).encode(),
        request_timeout or _TIMEOUT_S,
    )


def send(request: Request) -> Answer:
    """The answer to ``request``. Raises RequestFailed if none comes."""
    with _failures(), httpx.Client(**_options(request)) as client:
        answer = client.post(request.url, content=request.body, headers=request.headers)
        return answer.status_code, _body(answer.content)


def stream(request: Request) -> Generator[Answer, None, None]:
    """The answers to ``request``, one for each event. Raises RequestFailed if the connection breaks."""
    parser = EventParser(max_event_bytes=_MAX_EVENT_BYTES)
    with (
        _failures(),
        httpx.Client(**_options(request)) as client,
        client.stream("POST", request.url, content=request.body, headers=request.headers) as answer,
    ):
        if not _is_stream(answer):
            yield answer.status_code, _body(answer.read())
            return
        for received in answer.iter_bytes():
            yield from map(_answer_in, parser.push(received))
        yield from map(_answer_in, parser.flush())


async def send_async(request: Request) -> Answer:
    """Like ``send``."""
    with _failures():
        async with httpx.AsyncClient(**_options(request)) as client:
            answer = await client.post(request.url, content=request.body, headers=request.headers)
            return answer.status_code, _body(answer.content)


async def stream_async(request: Request) -> AsyncGenerator[Answer, None]:
    """Like ``stream``."""
    parser = EventParser(max_event_bytes=_MAX_EVENT_BYTES)
    with _failures():
        async with (
            httpx.AsyncClient(**_options(request)) as client,
            client.stream("POST", request.url, content=request.body, headers=request.headers) as answer,
        ):
            if not _is_stream(answer):
                yield answer.status_code, _body(await answer.aread())
                return
            async for received in answer.aiter_bytes():
                for event in parser.push(received):
                    yield _answer_in(event)
            for event in parser.flush():
                yield _answer_in(event)


@contextmanager
def _failures() -> Generator[None, None, None]:
    try:
        yield
    except httpx.TransportError as error:
        raise RequestFailed(f"the server gave no answer: {error or type(error).__name__}") from error
    except httpx.InvalidURL as error:
        raise RequestFailed(f"base_http_api_url is not a URL: {error}") from error


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    """Created once: reading the certificates takes longer than a short answer."""
    return httpx.create_ssl_context()


def _options(request: Request) -> dict[str, Any]:
    return {
        "timeout": httpx.Timeout(request.timeout_s, connect=_CONNECT_TIMEOUT_S),
        "verify": _ssl_context(),
        "follow_redirects": True,
    }


def _is_stream(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and answer.headers.get("content-type", "").startswith(
        "text/event-stream"
    )


def _answer_in(event: ServerSentEvent) -> Answer:
    body = _body(event.data.encode())
    if event.event != "error":
        return 200, body
    return (event.status if event.status != 200 else 400), body


def _body(content: bytes) -> Mapping[str, Any]:
    """A page from a proxy in between becomes the message."""
    try:
        body = msgspec.json.decode(content)
    except NOT_JSON:
        return {"message": content.decode("utf-8", "replace")[:500]}
    return body if isinstance(body, dict) else {"message": str(body)[:500]}
