"""The root of the tree, and what its branches share."""

from typing import ClassVar

_MAX_QUOTED_CHARACTERS = 64
"""A quoted value is cut here, so that an error never echoes a whole frame back."""


class SaystreamError(Exception):
    """Base of the tree.

    ``kind`` and ``code`` are the ``type`` and ``code`` of a realtime error event; ``http_status`` and
    ``http_code`` what an HTTP door answers; ``close_code`` the WebSocket code where the error ends the
    connection, else ``None``.
    """

    kind: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    http_code: ClassVar[str] = "InternalError"
    close_code: ClassVar[int | None] = None
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        """Dotted path of the field at fault, such as ``session.voice``."""


class ConfigurationError(SaystreamError):
    """A setting that cannot work; said at start, with what would."""

    code = "configuration_error"


def quote(value: object) -> str:
    """``value`` as text for an error message, cut to a bounded length."""
    text = str(value)
    return text if len(text) <= _MAX_QUOTED_CHARACTERS else text[: _MAX_QUOTED_CHARACTERS - 1] + "…"
