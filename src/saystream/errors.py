"""Every error that saystream raises, in one tree.

* SaystreamError
  x InvalidRequest — the caller's mistake; the session lives on
    + InvalidEvent — not JSON, not an object, an unknown or missing type
    + InvalidValue — a field holds what it may not hold
    + InvalidState — a legal request at the wrong time
    + EmptyBuffer — a commit with nothing to speak
    + TextTooLong — more text than a limit allows
    + ModelNotFound — no such model, or a model of another door
    + AuthenticationFailed — the key is missing, unknown or revoked
    + KeyNotFound — no key has this id
    + OriginRefused — a web page of elsewhere asks a server that needs no key
    + PathNotFound, MethodNotAllowed — nothing answers there, or not so
    + InvalidBody — the body of a request is no JSON object
      - BodyTimedOut, MissingModel, MissingInput
    + BodyTooLarge — more bytes than a request may have
    + UnsupportedMediaType — the body of a request says it is no JSON
    + LimitReached — a limit is used up for now
      - QuotaExhausted — the key's characters of this month are used up
    + ModelDenied, WorkspaceDenied — the key is not for this model or workspace
    + AccessDenied — a link is not one of ours, was changed, or has expired
    + NoSuchFile — a link is right, and its file is gone
    + AudioRefused — uploaded audio that cannot be the reference of a voice
      - AudioFormatUnsupported, AudioUndecodable
      - AudioTooLarge, AudioTooShort, AudioTooLong
      - AudioRateUnsupported, AudioSilent
  x ProtocolAbuse — the connection cannot go on
    + BinaryFrame, FrameTooLarge, TooManyErrors, PeerStalled
  x ServerFault — ours
    + EngineFault
      - EngineCrashed, EngineStalled, EngineOutputInvalid, EngineFailed
    + EngineUnavailable — no engine is installed for what was asked
    + Overloaded, Draining — come back later
    + AudioReaderUnavailable — what reads uploaded audio is not installed or does not start
    + StoreUnavailable — the database or the store of files does not answer
  x ConfigurationError — a setting that cannot work; said at start
  x ClientError — raised by our client and SDK
    + ConnectionFailed — the server could not be reached, or refuses for now
      - HandshakeRefused — the server refuses what was asked
    + ConnectionLost — the connection ended before the session did
    + RemoteProtocolError — the server broke the protocol
    + RemoteError — the server sent an error event

The class says whose fault it is and what each door shows of it; the message says what was wrong, where, and
what would be right. Messages never hold spoken text or keys: a value is quoted only where it is a name or a
number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "AccessDenied",
    "AudioFormatUnsupported",
    "AudioRateUnsupported",
    "AudioReaderUnavailable",
    "AudioRefused",
    "AudioSilent",
    "AudioTooLarge",
    "AudioTooLong",
    "AudioTooShort",
    "AudioUndecodable",
    "AuthenticationFailed",
    "BinaryFrame",
    "BodyTimedOut",
    "BodyTooLarge",
    "ClientError",
    "ConfigurationError",
    "ConnectionFailed",
    "ConnectionLost",
    "Draining",
    "EmptyBuffer",
    "EngineCrashed",
    "EngineFailed",
    "EngineFault",
    "EngineOutputInvalid",
    "EngineStalled",
    "EngineUnavailable",
    "FrameTooLarge",
    "HandshakeRefused",
    "InvalidBody",
    "InvalidEvent",
    "InvalidRequest",
    "InvalidState",
    "InvalidValue",
    "KeyNotFound",
    "LimitReached",
    "MethodNotAllowed",
    "MissingInput",
    "MissingModel",
    "ModelDenied",
    "ModelNotFound",
    "NoSuchFile",
    "OriginRefused",
    "Overloaded",
    "PathNotFound",
    "PeerStalled",
    "ProtocolAbuse",
    "QuotaExhausted",
    "RemoteError",
    "RemoteProtocolError",
    "SaystreamError",
    "ServerFault",
    "StoreUnavailable",
    "TextTooLong",
    "TooManyErrors",
    "UnsupportedMediaType",
    "WorkspaceDenied",
]

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


class InvalidRequest(SaystreamError):
    """The caller's mistake. Nothing changed; the session lives on."""

    kind = "invalid_request_error"
    code = "invalid_value"
    http_status = 400
    http_code = "InvalidParameter"


class InvalidEvent(InvalidRequest):
    """A frame that is no event: broken JSON, no object, an unknown or missing ``type``."""

    code = "invalid_event"


class InvalidValue(InvalidRequest):
    """A field holds what it may not hold.

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


class InvalidState(InvalidRequest):
    """A legal request at the wrong time."""

    code = "invalid_state"


class EmptyBuffer(InvalidRequest):
    """A commit with nothing to speak."""

    code = "input_text_buffer_commit_empty"


class TextTooLong(InvalidRequest):
    """More text than a limit allows; the message gives the count and the limit."""

    code = "text_too_long"


class ModelNotFound(InvalidRequest):
    """No such model, or a model of another door; the message names what would work."""

    code = "model_not_found"
    http_status = 404
    http_code = "ModelNotFound"
    close_code = 1008


class AuthenticationFailed(InvalidRequest):
    """The key is missing, unknown or revoked."""

    code = "invalid_api_key"
    http_status = 401
    http_code = "InvalidApiKey"
    close_code = 1008


class KeyNotFound(InvalidRequest):
    """No key has this id; the message says how to list them."""

    code = "key_not_found"
    http_status = 404
    http_code = "KeyNotFound"


class OriginRefused(InvalidRequest):
    """A web page of elsewhere asks a server that needs no key; the message names the setting that allows it."""

    code = "origin_refused"
    http_status = 403
    http_code = "AccessDenied"


class PathNotFound(InvalidRequest):
    """Nothing of the server answers at this path."""

    code = "not_found"
    http_status = 404
    http_code = "NotFound"


class MethodNotAllowed(InvalidRequest):
    """The path answers to another HTTP method."""

    code = "method_not_allowed"
    http_status = 405


class InvalidBody(InvalidRequest):
    """The body of an HTTP request is no JSON object, or a field of it has another type."""

    code = "invalid_body"


class BodyTooLarge(InvalidRequest):
    """The body of an HTTP request has more bytes than the limit."""

    code = "body_too_large"
    http_status = 413
    http_code = "BadRequest.TooLarge"


class UnsupportedMediaType(InvalidRequest):
    """The body of an HTTP request says that it is something else than JSON."""

    code = "unsupported_media_type"
    http_status = 415


class LimitReached(InvalidRequest):
    """A limit of the key or of the server is used up for now.

    ``retry_after_s`` is when the same request would be taken, ``None`` where nobody knows.
    """

    code = "rate_limit_exceeded"
    http_status = 429
    http_code = "Throttling.RateQuota"
    close_code = 1008
    retryable = True

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, param=param)
        self.retry_after_s = retry_after_s


class QuotaExhausted(LimitReached):
    """The characters that a key has for this month are used up: waiting a little does not help."""

    code = "insufficient_quota"
    http_code = "Throttling.AllocationQuota"
    retryable = False


class ModelDenied(InvalidRequest):
    """The key is not for this model; the message names those that it is for."""

    code = "model_access_denied"
    http_status = 403
    http_code = "Model.AccessDenied"
    close_code = 1008


class WorkspaceDenied(InvalidRequest):
    """The request names another workspace than that of its key."""

    code = "workspace_access_denied"
    http_status = 403
    http_code = "Workspace.AccessDenied"
    close_code = 1008


class BodyTimedOut(InvalidBody):
    """A body that did not arrive in time."""

    code = "body_timed_out"
    http_status = 408


class MissingModel(InvalidBody):
    """The body names no model."""

    code = "missing_model"
    http_code = "BadRequest.EmptyModel"


class MissingInput(InvalidBody):
    """The body has no ``input``."""

    code = "missing_input"
    http_code = "BadRequest.EmptyInput"


class AccessDenied(InvalidRequest):
    """A link that is not signed by this server, was changed, or has expired."""

    code = "access_denied"
    http_status = 403
    http_code = "AccessDenied"


class NoSuchFile(InvalidRequest):
    """There is no file behind this path."""

    code = "no_such_file"
    http_status = 404
    http_code = "NotFound"


class AudioRefused(InvalidRequest):
    """Uploaded audio that cannot be the reference of a voice; its codes are those of the HTTP reference, §5."""

    code = "audio_refused"


class AudioFormatUnsupported(AudioRefused):
    """No container or codec that is let in, or no audio in it."""

    code = "audio_format_unsupported"
    http_code = "BadRequest.UnsupportedFileFormat"


class AudioUndecodable(AudioRefused):
    """A broken file, or one that takes more memory or time than any that is well meant."""

    code = "audio_undecodable"
    http_code = "Audio.DecoderError"


class AudioTooLarge(AudioRefused):
    """The file has more bytes than the limit; it was not looked at."""

    code = "audio_too_large"
    http_code = "Audio.FileSizeExceed"


class AudioTooShort(AudioRefused):
    """The message gives the duration and the least."""

    code = "audio_too_short"
    http_code = "Audio.AudioShortError"


class AudioTooLong(AudioRefused):
    """The message gives the limit; how long the file is was not found out."""

    code = "audio_too_long"
    http_code = "Audio.DurationLimitError"


class AudioRateUnsupported(AudioRefused):
    """A sample rate below what the voice needs, or beyond any that is recorded."""

    code = "audio_rate_unsupported"
    http_code = "Audio.AudioRateError"


class AudioSilent(AudioRefused):
    """Nothing in the file is loud enough to be speech."""

    code = "audio_silent"
    http_code = "Audio.AudioSilentError"


class ProtocolAbuse(SaystreamError):
    """The connection cannot go on; an error event is sent, then the close code of the class."""

    kind = "invalid_request_error"
    code = "protocol_error"
    http_status = 400
    http_code = "InvalidParameter"
    close_code = 1008


class BinaryFrame(ProtocolAbuse):
    """A binary frame on a door whose frames are text."""

    code = "binary_frame"
    close_code = 1003


class FrameTooLarge(ProtocolAbuse):
    """A frame over the size limit."""

    code = "frame_too_large"
    close_code = 1009


class TooManyErrors(ProtocolAbuse):
    """One connection sent more bad events than the limit."""

    code = "too_many_errors"


class PeerStalled(ProtocolAbuse):
    """The peer stopped reading for longer than the limit."""

    code = "peer_stalled"


class ServerFault(SaystreamError):
    """Our fault."""

    close_code = 1011


class EngineFault(ServerFault):
    """An engine could not speak a segment."""

    code = "engine_error"


class EngineCrashed(EngineFault):
    """The engine's process ended while it was speaking."""

    code = "engine_crashed"
    retryable = True


class EngineStalled(EngineFault):
    """The engine gave no audio for longer than the limit and was stopped."""

    code = "engine_stalled"
    retryable = True


class EngineOutputInvalid(EngineFault):
    """The engine gave something that is not float32 mono audio at its rate."""

    code = "engine_output_invalid"


class EngineFailed(EngineFault):
    """The engine raised an error while it was speaking; its process lives on."""

    code = "engine_failed"


class EngineUnavailable(ServerFault):
    """No engine is installed for what was asked; the message says what would provide one."""

    code = "engine_unavailable"
    http_status = 503
    http_code = "InternalError"


class Overloaded(ServerFault):
    """More work than the server admits; come back later."""

    code = "server_overloaded"
    http_status = 503
    http_code = "Throttling"
    close_code = 1013
    retryable = True


class Draining(ServerFault):
    """The server is about to stop and takes no new work."""

    code = "server_draining"
    http_status = 503
    http_code = "Throttling"
    close_code = 1012
    retryable = True


class AudioReaderUnavailable(ServerFault):
    """What reads uploaded audio is not installed or does not start; the message says what is missing."""

    code = "audio_reader_unavailable"
    http_status = 503
    http_code = "InternalError"


class StoreUnavailable(ServerFault):
    """The database, or the store of files, does not answer; nothing is let in without it."""

    code = "store_unavailable"
    http_status = 503
    http_code = "InternalError"
    close_code = 1013
    retryable = True


class ConfigurationError(SaystreamError):
    """A setting that cannot work; said at start, with what would."""

    code = "configuration_error"


class ClientError(SaystreamError):
    """Base of what our client and SDK raise."""

    code = "client_error"


class ConnectionFailed(ClientError):
    """The server could not be reached, or refuses for now; the same call may work later.

    ``status``, ``remote_code`` and ``retry_after_s`` are of the HTTP answer to the handshake, ``None`` where
    there was none.
    """

    code = "connection_failed"
    retryable = True

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


class HandshakeRefused(ConnectionFailed):
    """The server refused what the handshake asked for, such as a bad key: the same call is refused again."""

    code = "handshake_refused"
    retryable = False


class ConnectionLost(ClientError):
    """The connection ended before the session did.

    ``remote_close_code`` and ``remote_close_reason`` are of the server's close frame, ``None`` where none
    came.
    """

    code = "connection_lost"
    retryable = True

    def __init__(
        self, message: str, *, remote_close_code: int | None = None, remote_close_reason: str | None = None
    ) -> None:
        super().__init__(message)
        self.remote_close_code = remote_close_code
        self.remote_close_reason = remote_close_reason


class RemoteProtocolError(ClientError):
    """The server sent what the protocol does not allow."""

    code = "remote_protocol_error"


class RemoteError(ClientError):
    """The server sent an ``error`` event; ``remote_code`` is its code."""

    code = "remote_error"

    def __init__(self, message: str, *, remote_code: str, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.remote_code = remote_code


def quote(value: object) -> str:
    """``value`` as text for an error message, cut to a bounded length."""
    text = str(value)
    return text if len(text) <= _MAX_QUOTED_CHARACTERS else text[: _MAX_QUOTED_CHARACTERS - 1] + "…"
