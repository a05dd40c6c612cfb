"""Where the SDK takes its key from."""

from __future__ import annotations

from pathlib import Path

import saystream.sdk

__all__ = ["get_default_api_key"]


def get_default_api_key() -> str | None:
    """``saystream.sdk.api_key``, else what the file ``saystream.sdk.api_key_file_path`` holds, else ``None``.

    No key is no error: a server that listens on its own machine alone asks for none. Raises OSError where a
    file is named and cannot be read.
    """
    if saystream.sdk.api_key:
        return saystream.sdk.api_key
    if saystream.sdk.api_key_file_path:
        return Path(saystream.sdk.api_key_file_path).read_text(encoding="utf-8").strip() or None
    return None
