"""``SpeechSynthesizer`` in the shape of the vendor's SDK."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from saystream.sdk.api_entities.dashscope_response import TextToSpeechResponse
from saystream.sdk.common.error import InputRequired, ModelRequired
from saystream.sdk.common.http import Request, generation_request, send
from saystream.sdk.common.http import stream as stream_answers

__all__ = ["SpeechSynthesizer"]

_OF_THE_REQUEST = ("headers", "base_address", "request_timeout")


class SpeechSynthesizer:
    """Speech for one text; newer programs use ``MultiModalConversation``."""

    @classmethod
    def call(
        cls, model: str, text: str, api_key: str | None = None, workspace: str | None = None, **kwargs: Any
    ) -> TextToSpeechResponse | Generator[TextToSpeechResponse, None, None]:
        """The answer, or with ``stream=True`` a generator of answers.

        ``voice`` goes into the input; other keywords, including ``language_type``, go into the parameters. Raises
        ModelRequired, InputRequired, and RequestFailed if no answer comes.
        """
        if not model:
            raise ModelRequired("Model is required!")
        if not text:
            raise InputRequired("text is required!")
        given = {"text": text, **{name: kwargs[name] for name in ("voice",) if kwargs.get(name)}}
        parameters = {
            name: value for name, value in kwargs.items() if name not in ("voice", "stream", *_OF_THE_REQUEST)
        }
        streamed = bool(kwargs.get("stream"))
        request = generation_request(
            {"model": model, "parameters": parameters, "input": given},
            api_key=api_key,
            workspace=workspace,
            streamed=streamed,
            **{name: kwargs[name] for name in _OF_THE_REQUEST if name in kwargs},
        )
        return _stream(request) if streamed else _shown(*send(request))


def _shown(status: int, body: Mapping[str, Any]) -> TextToSpeechResponse:
    return TextToSpeechResponse.from_body(status, body)


def _stream(request: Request) -> Generator[TextToSpeechResponse, None, None]:
    for answer in stream_answers(request):
        yield _shown(*answer)
