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
      - ModelMissing — the weights that an engine needs are not on this machine
    + ModelsFault — weights could not be fetched or kept
      - ModelUnknown, ModelUnreachable, ModelDamaged, StorageFull
      - CheckpointInvalid — a checkpoint is not of the shape that an engine runs
    + Overloaded, Draining — come back later
    + AudioReaderUnavailable — what reads uploaded audio is not installed or does not start
    + StoreUnavailable — the database or the store of files does not answer
  x ConfigurationError — a setting that cannot work; said at start
  x ScoringUnavailable — the programs that score speech are not installed, or failed
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

from saystream.errors.base import ConfigurationError, SaystreamError, quote
from saystream.errors.client import (
    ClientError,
    ConnectionFailed,
    ConnectionLost,
    HandshakeRefused,
    RemoteError,
    RemoteProtocolError,
)
from saystream.errors.connection import BinaryFrame, FrameTooLarge, PeerStalled, ProtocolAbuse, TooManyErrors
from saystream.errors.faults import (
    AudioReaderUnavailable,
    Draining,
    EngineCrashed,
    EngineFailed,
    EngineFault,
    EngineOutputInvalid,
    EngineStalled,
    EngineUnavailable,
    Overloaded,
    ServerFault,
    StoreUnavailable,
)
from saystream.errors.models import (
    CheckpointInvalid,
    ModelDamaged,
    ModelMissing,
    ModelsFault,
    ModelUnknown,
    ModelUnreachable,
    StorageFull,
)
from saystream.errors.requests import (
    AccessDenied,
    AuthenticationFailed,
    BodyTimedOut,
    BodyTooLarge,
    EmptyBuffer,
    InvalidBody,
    InvalidEvent,
    InvalidRequest,
    InvalidState,
    InvalidValue,
    KeyNotFound,
    LimitReached,
    MethodNotAllowed,
    MissingInput,
    MissingModel,
    ModelDenied,
    ModelNotFound,
    NoSuchFile,
    OriginRefused,
    PathNotFound,
    QuotaExhausted,
    TextTooLong,
    UnsupportedMediaType,
    WorkspaceDenied,
)
from saystream.errors.scoring import ScoringUnavailable
from saystream.errors.uploads import (
    AudioFormatUnsupported,
    AudioRateUnsupported,
    AudioRefused,
    AudioSilent,
    AudioTooLarge,
    AudioTooLong,
    AudioTooShort,
    AudioUndecodable,
)

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
    "CheckpointInvalid",
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
    "ModelDamaged",
    "ModelDenied",
    "ModelMissing",
    "ModelNotFound",
    "ModelUnknown",
    "ModelUnreachable",
    "ModelsFault",
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
    "ScoringUnavailable",
    "ServerFault",
    "StorageFull",
    "StoreUnavailable",
    "TextTooLong",
    "TooManyErrors",
    "UnsupportedMediaType",
    "WorkspaceDenied",
    "quote",
]
