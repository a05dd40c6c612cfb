"""Where the SDK gets its key."""

from __future__ import annotations

from pathlib import Path

import saystream.sdk

__all__ = ["get_default_api_key"]


def get_default_api_key() -> str | None:
    """``saystream.sdk.api_key``, else the content of the file ``saystream.sdk.api_key_file_path``, else ``None``.

    Having no key is not an error: a server that listens only on its own machine does not need one. Raises OSError if a
    file is named and cannot be read.
    """
    if saystream.sdk.api_key:
        return saystream.sdk.api_key
    if saystream.sdk.api_key_file_path:
        return Path(saystream.sdk.api_key_file_path).read_text(encoding="utf-8").strip() or None
    return None
