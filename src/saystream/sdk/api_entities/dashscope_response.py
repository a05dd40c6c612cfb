"""Answers as the vendor's SDK shows them: mappings whose keys are also attributes.

An error from the server is an answer like any other: ``status_code`` is not 200, ``code`` and ``message`` say what was
wrong, ``output`` is ``None``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Self

__all__ = [
    "DashScopeAPIResponse",
    "DictMixin",
    "MultiModalConversationResponse",
    "TextToSpeechResponse",
]

_OUTPUT: Final = {"text": None, "finish_reason": None, "choices": None, "audio": None}
_AUDIO: Final = {"data": None, "url": None, "id": None, "expires_at": None}
_USAGE: Final = {"input_tokens": 0, "output_tokens": 0, "characters": 0}


class DictMixin(dict[str, Any]):
    """A mapping: ``answer.output`` is ``answer["output"]``. It prints as JSON."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


class DashScopeAPIResponse(DictMixin):
    """Has ``status_code``, ``request_id``, ``code``, ``message``, ``output`` and ``usage``."""

    @classmethod
    def from_body(cls, status: int, body: Mapping[str, Any]) -> Self:
        """``body`` is what the server sent: an error body if ``status`` is not 200."""
        shown = cls(
            status_code=status,
            request_id=body.get("request_id") or "",
            code=body.get("code") if status != 200 else body.get("code") or "",
            message=body.get("message") or "",
            output=None,
            usage=None,
        )
        if status == 200:
            shown.output = cls._output(_mapping(body.get("output")))
            shown.usage = _attributes({**_USAGE, **_mapping(body.get("usage"))})
        return shown

    @staticmethod
    def _output(output: Mapping[str, Any]) -> DictMixin:
        raise NotImplementedError


class MultiModalConversationResponse(DashScopeAPIResponse):
    """From ``MultiModalConversation``: every key is there, ``None`` if the server did not send it."""

    @staticmethod
    def _output(output: Mapping[str, Any]) -> DictMixin:
        audio = output.get("audio")
        shown = _attributes({**_OUTPUT, **output})
        shown.audio = _attributes({**_AUDIO, **audio}) if isinstance(audio, dict) else None
        return shown


class TextToSpeechResponse(DashScopeAPIResponse):
    """From ``qwen_tts.SpeechSynthesizer``: ``output`` as the server sent it."""

    @staticmethod
    def _output(output: Mapping[str, Any]) -> DictMixin:
        return _attributes(output)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _attributes(mapping: Mapping[str, Any]) -> DictMixin:
    """``mapping``, and every mapping in it, with attributes."""
    return DictMixin(
        {name: _attributes(value) if isinstance(value, dict) else value for name, value in mapping.items()}
    )
