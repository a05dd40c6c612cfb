"""The caller's mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from saystream.errors.base import SaystreamError, quote


class InvalidRequest(
    SaystreamError,
    kind="invalid_request_error",
    code="invalid_value",
    http_status=400,
    http_code="InvalidParameter",
):
    """The caller's mistake. Nothing changed; the session continues."""


class InvalidEvent(InvalidRequest, code="invalid_event"):
    """The frame is not an event: broken JSON, not an object, or an unknown or missing ``type``."""


class InvalidValue(InvalidRequest):
    """A field has a value that is not allowed.

    The text follows the one published example: "Invalid value: '<given>'. Supported values are: '<allowed>'."
    (protocol reference, realtime §6).
    """

    def __init__(
        self, param: str, value: object, allowed: Iterable[object] | str, *, reason: str = ""
    ) -> None:
        """``allowed`` is a list of values or a sentence such as ``"a number from 0.5 to 2.0"``."""
        if isinstance(allowed, str):
            expected = f"Supported: {allowed}."
        else:
            expected = "Supported values are: " + ", ".join(f"'{item}'" for item in allowed) + "."
        because = f" {reason}" if reason else ""
        super().__init__(f"Invalid value for {param}: '{quote(value)}'.{because} {expected}", param=param)

    @classmethod
    def all_of(cls, faults: Sequence[InvalidValue]) -> InvalidValue:
        """One error for all ``faults``, at least one; its ``param`` is that of the first."""
        first = faults[0]
        if len(faults) > 1:
            first.message = " ".join(fault.message for fault in faults)
            first.args = (first.message,)
        return first


class InvalidState(InvalidRequest, code="invalid_state"):
    """A valid request at the wrong time."""


class EmptyBuffer(InvalidRequest, code="input_text_buffer_commit_empty"):
    """A commit with nothing to speak."""


class InvalidMarkup(InvalidRequest, code="invalid_markup"):
    """SSML that is not well-formed, or with an element that is not known; the message has the line and the element."""


class TextTooLong(InvalidRequest, code="text_too_long"):
    """More text than a limit allows; the message gives the count and the limit."""


class ModelNotFound(
    InvalidRequest, code="model_not_found", http_status=404, http_code="ModelNotFound", close_code=1008
):
    """There is no such model, or it belongs to another door; the message says what would work."""


class AuthenticationFailed(
    InvalidRequest, code="invalid_api_key", http_status=401, http_code="InvalidApiKey", close_code=1008
):
    """The key is missing, unknown or revoked."""


class KeyNotFound(InvalidRequest, code="key_not_found", http_status=404, http_code="KeyNotFound"):
    """No key has this id; the message says how to list the keys."""


class OriginRefused(InvalidRequest, code="origin_refused", http_status=403, http_code="AccessDenied"):
    """A web page from another origin called a server that needs no key; the message names the setting to allow it."""


class PathNotFound(InvalidRequest, code="not_found", http_status=404, http_code="NotFound"):
    """The server has nothing at this path."""


class MethodNotAllowed(InvalidRequest, code="method_not_allowed", http_status=405):
    """The path needs another HTTP method."""


class InvalidBody(InvalidRequest, code="invalid_body"):
    """The body of an HTTP request is not a JSON object, or one of its fields has the wrong type."""


class BodyTooLarge(InvalidRequest, code="body_too_large", http_status=413, http_code="BadRequest.TooLarge"):
    """The body of an HTTP request has more bytes than the limit."""


class UnsupportedMediaType(InvalidRequest, code="unsupported_media_type", http_status=415):
    """The body of an HTTP request is declared as something other than JSON."""


class LimitReached(
    InvalidRequest,
    code="rate_limit_exceeded",
    http_status=429,
    http_code="Throttling.RateQuota",
    close_code=1008,
    retryable=True,
):
    """A limit of the key or of the server is reached for now.

    ``retry_after_s`` is when the same request would be accepted; ``None`` if unknown.
    """

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, param=param)
        self.retry_after_s = retry_after_s


class QuotaExhausted(
    LimitReached, code="insufficient_quota", http_code="Throttling.AllocationQuota", retryable=False
):
    """The key's characters for this month are used up: waiting a little does not help."""


class ModelDenied(
    InvalidRequest,
    code="model_access_denied",
    http_status=403,
    http_code="Model.AccessDenied",
    close_code=1008,
):
    """The key does not allow this model; the message names the models that it allows."""


class WorkspaceDenied(
    InvalidRequest,
    code="workspace_access_denied",
    http_status=403,
    http_code="Workspace.AccessDenied",
    close_code=1008,
):
    """The request names a different workspace from that of its key."""


class BodyTimedOut(InvalidBody, code="body_timed_out", http_status=408):
    """The body did not arrive in time."""


class MalformedRequest(InvalidRequest, code="malformed_request"):
    """The request breaks the rules of HTTP, such as having two ``Host`` fields, or is no handshake of a WebSocket."""


class UnknownEncoding(MalformedRequest, code="unknown_encoding", http_status=501):
    """The body has another transfer encoding than ``chunked``."""


class HeadTooLarge(InvalidRequest, code="head_too_large", http_status=431):
    """The address or the header fields of an HTTP request have more bytes than the limit, or are too many."""


class HeadTimedOut(InvalidRequest, code="head_timed_out", http_status=408):
    """The address and header fields of an HTTP request did not arrive in time."""


class HostRefused(InvalidRequest, code="host_refused", http_status=403, http_code="AccessDenied"):
    """A server that only this machine can reach was called by the name of another; the message names the setting to
    allow it."""


class MissingModel(InvalidBody, code="missing_model", http_code="BadRequest.EmptyModel"):
    """The body names no model."""


class MissingInput(InvalidBody, code="missing_input", http_code="BadRequest.EmptyInput"):
    """The body has no ``input``."""


class AccessDenied(InvalidRequest, code="access_denied", http_status=403, http_code="AccessDenied"):
    """The link was not signed by this server, was changed, or has expired."""


class NoSuchFile(InvalidRequest, code="no_such_file", http_status=404, http_code="NotFound"):
    """There is no file at this path."""
