"""The errors of the SDK: the vendor's by name, and ours as subclasses of what its callers already catch."""

from __future__ import annotations

from saystream.errors import ConnectionFailed, ConnectionLost

__all__ = [
    "ConnectFailed",
    "DashScopeException",
    "InputRequired",
    "ModelRequired",
    "NotConnected",
    "RequestFailed",
]


class DashScopeException(Exception):
    """Base of the vendor's errors."""


class ModelRequired(DashScopeException):
    """An object was created without a model."""


class InputRequired(DashScopeException):
    """A call was made without text."""


class RequestFailed(ConnectionFailed, ConnectionError):
    """An HTTP request got no answer, or lost it on the way. A refusal by the server itself is an answer."""


class ConnectFailed(ConnectionFailed, TimeoutError, ConnectionError):
    """``connect()`` did not reach a session. A TimeoutError, because that is what the vendor's SDK raises here.

    ``status``, ``remote_code`` and ``retry_after_s`` describe a refused handshake; ``__cause__`` is the error of our
    client.
    """

    @classmethod
    def from_failure(cls, failure: ConnectionFailed) -> ConnectFailed:
        return cls(
            failure.message,
            status=failure.status,
            remote_code=failure.remote_code,
            retry_after_s=failure.retry_after_s,
        )


class NotConnected(ConnectionLost, ConnectionError):
    """A call on an object that is not connected: before ``connect()``, or after the connection ended."""

    @classmethod
    def from_lost(cls, lost: ConnectionLost) -> NotConnected:
        return cls(
            lost.message,
            remote_close_code=lost.remote_close_code,
            remote_close_reason=lost.remote_close_reason,
        )
