"""The shape of the vendor's Python SDK, for programs written for it: ``import saystream.sdk as dashscope``.

The names below may be assigned to at any time; an object reads them when it is made.
"""

from __future__ import annotations

import os

from saystream.client.handshake import api_key_from

__all__ = ["api_key", "api_key_file_path", "base_websocket_api_url"]

api_key: str | None = api_key_from(os.environ)
"""The key that is sent; from ``SAYSTREAM_API_KEY`` or ``DASHSCOPE_API_KEY`` at import."""

api_key_file_path: str | None = os.environ.get("DASHSCOPE_API_KEY_FILE_PATH")
"""A file that holds the key, read where ``api_key`` is ``None``."""

base_websocket_api_url: str = os.environ.get(
    "DASHSCOPE_WEBSOCKET_BASE_URL", "ws://127.0.0.1:8321/api-ws/v1/inference"
)
"""The server's inference URL; ``QwenTtsRealtime`` without a ``url`` takes ``realtime`` in its last place."""
