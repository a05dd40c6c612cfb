"""Qwen-TTS over HTTP in the shape of the vendor's SDK: its names, signatures, answers and wire JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any

from saystream.sdk.api_entities.dashscope_response import MultiModalConversationResponse
from saystream.sdk.common.error import ModelRequired
from saystream.sdk.common.http import (
    Request,
    generation_request,
    send,
    send_async,
    stream_async,
)
from saystream.sdk.common.http import (
    stream as stream_answers,
)

__all__ = ["AioMultiModalConversation", "MultiModalConversation"]

_OF_THE_REQUEST = ("headers", "base_address", "request_timeout")
"""Keywords that are not sent as parameters."""


class MultiModalConversation:
    """Speech for one text. Of the vendor's class only what Qwen-TTS uses: no ``messages``."""

    @classmethod
    def call(
        cls,
        model: str,
        messages: list[Any] | None = None,
        api_key: str | None = None,
        workspace: str | None = None,
        text: str | None = None,
        voice: str | None = None,
        language_type: str | None = None,
        stream: bool | None = None,
        **kwargs: Any,
    ) -> MultiModalConversationResponse | Generator[MultiModalConversationResponse, None, None]:
        """The answer, or with ``stream`` a generator of answers, each with some audio and the last with the URL.

        A refusal by the server is an answer too, see ``status_code``. Other keywords are sent in ``parameters``. Raises
        ModelRequired, ValueError if there is nothing to send, and RequestFailed if no answer comes.
        """
        spoken = {"text": text, "voice": voice, "language_type": language_type}
        request = _request(model, messages, spoken, api_key, workspace, bool(stream), kwargs)
        return _stream(request) if stream else _shown(*send(request))


class AioMultiModalConversation:
    """``MultiModalConversation`` for asyncio."""

    @classmethod
    async def call(
        cls,
        model: str,
        messages: list[Any] | None = None,
        api_key: str | None = None,
        workspace: str | None = None,
        text: str | None = None,
        voice: str | None = None,
        language_type: str | None = None,
        stream: bool | None = None,
        **kwargs: Any,
    ) -> MultiModalConversationResponse | AsyncGenerator[MultiModalConversationResponse, None]:
        """As ``MultiModalConversation.call``; with ``stream`` an asynchronous generator."""
        spoken = {"text": text, "voice": voice, "language_type": language_type}
        request = _request(model, messages, spoken, api_key, workspace, bool(stream), kwargs)
        return _stream_async(request) if stream else _shown(*await send_async(request))


def _request(
    model: str,
    messages: list[Any] | None,
    spoken: Mapping[str, Any],
    api_key: str | None,
    workspace: str | None,
    streamed: bool,
    keywords: Mapping[str, Any],
) -> Request:
    if not model:
        raise ModelRequired("Model is required!")
    given = {name: value for name, value in {"messages": messages, **spoken}.items() if value}
    if not given:
        raise ValueError("Nothing to speak: give text and voice.")
    parameters = {
        name: value for name, value in keywords.items() if name not in _OF_THE_REQUEST and value is not None
    }
    options = {name: keywords[name] for name in _OF_THE_REQUEST if name in keywords}
    return generation_request(
        {"model": model, "parameters": parameters, "input": given},
        api_key=api_key,
        workspace=workspace,
        streamed=streamed,
        **options,
    )


def _shown(status: int, body: Mapping[str, Any]) -> MultiModalConversationResponse:
    return MultiModalConversationResponse.from_body(status, body)


def _stream(request: Request) -> Generator[MultiModalConversationResponse, None, None]:
    for answer in stream_answers(request):
        yield _shown(*answer)


async def _stream_async(request: Request) -> AsyncGenerator[MultiModalConversationResponse, None]:
    async for answer in stream_async(request):
        yield _shown(*answer)
