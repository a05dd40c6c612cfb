"""Errors that our client and SDK raise."""

from saystream.errors.base import SaystreamError


class ClientError(SaystreamError, code="client_error"):
    """Base of the errors that our client and SDK raise."""


class ConnectionFailed(ClientError, code="connection_failed", retryable=True):
    """The server could not be reached, or refuses for now; the same call may work later.

    ``status``, ``remote_code`` and ``retry_after_s`` come from the HTTP answer to the handshake; ``None`` if
    there was none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        remote_code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.remote_code = remote_code
        self.retry_after_s = retry_after_s


class HandshakeRefused(ConnectionFailed, code="handshake_refused", retryable=False):
    """The server refused what the handshake asked for, such as a bad key: the same call is refused again."""


class ConnectionLost(ClientError, code="connection_lost", retryable=True):
    """The connection ended before the session did.

    ``remote_close_code`` and ``remote_close_reason`` come from the server's close frame; ``None`` if none
    came.
    """

    def __init__(
        self, message: str, *, remote_close_code: int | None = None, remote_close_reason: str | None = None
    ) -> None:
        super().__init__(message)
        self.remote_close_code = remote_close_code
        self.remote_close_reason = remote_close_reason


class RemoteProtocolError(ClientError, code="remote_protocol_error"):
    """The server sent something that the protocol does not allow."""


class RemoteError(ClientError, code="remote_error"):
    """The server sent an ``error`` event; ``remote_code`` is its code."""

    def __init__(self, message: str, *, remote_code: str, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.remote_code = remote_code
