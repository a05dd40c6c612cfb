"""What the opening handshake sends, and what a refusal says. No I/O here."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from saystream import __version__
from saystream.errors import ConnectionFailed, HandshakeRefused, InvalidValue
from saystream.protocol.json import NOT_JSON

__all__ = [
    "DEFAULT_TASK_URL",
    "DEFAULT_URL",
    "add_model",
    "api_key_from",
    "realtime_url",
    "refusal",
    "request_headers",
    "task_url",
]

REALTIME_PATH = "/api-ws/v1/realtime"
TASK_PATH = "/api-ws/v1/inference"
DEFAULT_TASK_URL = f"ws://127.0.0.1:8321{TASK_PATH}"
DEFAULT_URL = f"ws://127.0.0.1:8321{REALTIME_PATH}"
"""Where ``saystream serve`` listens by default."""

API_KEY_VARIABLES = ("SAYSTREAM_API_KEY", "DASHSCOPE_API_KEY")

_TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_MESSAGE_CHARACTERS = 500
"""Limit for a refusal's own text: an error page of a proxy in between is not worth more."""


def realtime_url(url: str, model: str) -> str:
    """The full URL for ``model``, from a full URL or from the server's base, which may have a prefix.

    Raises InvalidValue for a URL that is not one of ours, and for one that already names another model.
    """
    parts = _split(url)
    path = parts.path.rstrip("/")
    if not path.endswith("/realtime"):
        path += REALTIME_PATH
    return add_model(urlunsplit(parts._replace(path=path)), model)


def task_url(url: str) -> str:
    """The full URL of the task door, from a full URL or from the server's base, which may have a prefix.

    Raises InvalidValue for a URL that is not one of ours.
    """
    parts = _split(url)
    path = parts.path.rstrip("/")
    if not path.endswith("/inference"):
        path += TASK_PATH
    return urlunsplit(parts._replace(path=path))


def add_model(url: str, model: str) -> str:
    """``url`` with ``model`` added to its query, escaped; the path stays as it is.

    Raises InvalidValue as ``realtime_url`` does.
    """
    parts = _split(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    for name, value in query:
        if name == "model" and value != model:
            raise InvalidValue("url", value, [model], reason="The URL names another model.")
    kept = [pair for pair in query if pair[0] != "model"]
    return urlunsplit(parts._replace(query=urlencode([*kept, ("model", model)])))


def _split(url: str) -> SplitResult:
    expected = "ws://host:port or wss://host:port, with or without the path"
    try:
        parts = urlsplit(url)
        _ = parts.port  # the standard library checks it late: a bad port raises here, not on connecting
    except ValueError as error:
        raise InvalidValue("url", "unreadable", expected) from error
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.fragment:
        # A URL may hold a password or a key: only these two parts are quoted.
        raise InvalidValue("url", f"{parts.scheme}://{parts.hostname or ''}", expected)
    return parts


def api_key_from(environment: Mapping[str, str]) -> str | None:
    """The key in ``SAYSTREAM_API_KEY``, else ``DASHSCOPE_API_KEY``; an empty one counts as none."""
    for variable in API_KEY_VARIABLES:
        if key := environment.get(variable):
            return key
    return None


def request_headers(api_key: str | None, headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers of the handshake. What the caller names in ``headers`` wins, whatever its case."""
    ours = {"User-Agent": f"saystream/{__version__} python/{platform.python_version()}"}
    if api_key:
        ours["Authorization"] = f"Bearer {api_key}"
    theirs = dict(headers or {})
    named = {name.lower() for name in theirs}
    return {**{name: value for name, value in ours.items() if name.lower() not in named}, **theirs}


def refusal(status: int, body: bytes, retry_after: str | None) -> ConnectionFailed:
    """The error for a handshake that was answered with an HTTP ``status`` other than 101.

    ``body`` may be an error body (``{"code", "message", …}``) or any text; ``retry_after`` is that header.
    """
    remote_code, text = _error_body(body)
    named = f" ({remote_code})" if remote_code else ""
    said = f": {text}" if text else ""
    cls = ConnectionFailed if status in _TRANSIENT_STATUSES else HandshakeRefused
    return cls(
        f"the server refused the handshake with HTTP {status}{named}{said}",
        status=status,
        remote_code=remote_code,
        retry_after_s=float(retry_after) if retry_after is not None and retry_after.isdecimal() else None,
    )


def _error_body(body: bytes) -> tuple[str | None, str]:
    """``code`` and ``message`` of an error body, else nothing and the text received."""
    text = body.decode("utf-8", "replace").strip()
    try:
        fields = msgspec.json.decode(text)
    except NOT_JSON:
        return None, text[:_MAX_MESSAGE_CHARACTERS]
    if not isinstance(fields, dict):
        return None, text[:_MAX_MESSAGE_CHARACTERS]
    remote_code, message = fields.get("code"), fields.get("message")
    return (
        remote_code if isinstance(remote_code, str) and remote_code else None,
        message[:_MAX_MESSAGE_CHARACTERS] if isinstance(message, str) else "",
    )
