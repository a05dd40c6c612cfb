"""The root of the tree, and what its branches share."""

from typing import ClassVar

_MAX_QUOTED_CHARACTERS = 64
"""Longer values are cut when quoted, so that an error never echoes a whole frame."""


class SaystreamError(Exception):
    """Base of the tree.

    ``kind`` and ``code`` are the ``type`` and ``code`` of a realtime error event; ``http_status`` and
    ``http_code`` are what an HTTP door answers; ``close_code`` is the WebSocket code if the error ends the
    connection, else ``None``. The first line of a class names those in which it differs from its parent::

        class MethodNotAllowed(InvalidRequest, code="method_not_allowed", http_status=405): ...
    """

    kind: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    http_code: ClassVar[str] = "InternalError"
    close_code: ClassVar[int | None] = None
    retryable: ClassVar[bool] = False

    def __init_subclass__(
        cls,
        *,
        kind: str | None = None,
        code: str | None = None,
        http_status: int | None = None,
        http_code: str | None = None,
        close_code: int | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init_subclass__()
        cls.kind = cls.kind if kind is None else kind
        cls.code = cls.code if code is None else code
        cls.http_status = cls.http_status if http_status is None else http_status
        cls.http_code = cls.http_code if http_code is None else http_code
        cls.close_code = cls.close_code if close_code is None else close_code
        cls.retryable = cls.retryable if retryable is None else retryable

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        """Dotted path of the field at fault, such as ``session.voice``."""


class ConfigurationError(SaystreamError, code="configuration_error"):
    """A setting cannot work; reported at start, with a value that would."""


def quote(value: object) -> str:
    """``value`` as text for an error message, cut to a limited length."""
    text = str(value)
    return text if len(text) <= _MAX_QUOTED_CHARACTERS else text[: _MAX_QUOTED_CHARACTERS - 1] + "…"
