"""The form of the vendor's Python SDK, for programs written for it: ``import saystream.sdk as dashscope``.

The names below may be assigned at any time; an object reads them when it is created.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from saystream.client.handshake import api_key_from

__all__ = [
    "AioMultiModalConversation",
    "MultiModalConversation",
    "api_key",
    "api_key_file_path",
    "audio",
    "base_http_api_url",
    "base_websocket_api_url",
]

api_key: str | None = api_key_from(os.environ)
"""The key that is sent; from ``SAYSTREAM_API_KEY`` or ``DASHSCOPE_API_KEY`` at import."""

api_key_file_path: str | None = os.environ.get("DASHSCOPE_API_KEY_FILE_PATH")
"""A file that holds the key, read if ``api_key`` is ``None``."""

base_websocket_api_url: str = os.environ.get(
    "DASHSCOPE_WEBSOCKET_BASE_URL", "ws://127.0.0.1:8321/api-ws/v1/inference"
)
"""The server's inference URL; ``QwenTtsRealtime`` without a ``url`` replaces its last part with ``realtime``."""

base_http_api_url: str = os.environ.get("DASHSCOPE_HTTP_BASE_URL", "http://127.0.0.1:8321/api/v1")
"""The server's HTTP URL, up to ``/api/v1``."""

if TYPE_CHECKING:
    from saystream.sdk import audio
    from saystream.sdk.aigc.multimodal_conversation import AioMultiModalConversation, MultiModalConversation

_IMPORTED_LATE = {
    "AioMultiModalConversation": "saystream.sdk.aigc.multimodal_conversation",
    "MultiModalConversation": "saystream.sdk.aigc.multimodal_conversation",
}


def __getattr__(name: str) -> Any:
    """Import what needs an HTTP client only when it is first used: a realtime program starts a tenth of a second
    sooner."""
    if name == "audio":
        return import_module("saystream.sdk.audio")
    if name in _IMPORTED_LATE:
        return getattr(import_module(_IMPORTED_LATE[name]), name)
    raise AttributeError(f"module 'saystream.sdk' has no attribute {name!r}")
