"""The frames on the pipe between the gateway and an engine's process.

A frame is a payload length, a kind and the number of its stream, then the payload. Both ends run the same version of
this package, so nothing here is negotiated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, TypeVar

import msgspec
import numpy as np

from saystream.audio import Mark
from saystream.engines.base import Enrolled, Recording, Span, SynthesisRequest
from saystream.errors import (
    AudioRefused,
    AudioSilent,
    AudioTooLong,
    AudioTooShort,
    EngineCrashed,
    EngineFailed,
    EngineOutputInvalid,
    EngineStalled,
    EngineUnavailable,
    Overloaded,
    ServerFault,
)
from saystream.protocol.json import NOT_JSON
from saystream.text.script import Pronunciation

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = [
    "MAX_PAYLOAD_BYTES",
    "Frame",
    "FrameSplitter",
    "HostedFault",
    "HostedRefusal",
    "Kind",
    "LoadFailure",
    "Opening",
    "pack",
    "pack_count",
    "pack_enrolled",
    "pack_marks",
    "pack_recording",
    "pack_span",
    "read_frame",
    "unpack_count",
    "unpack_enrolled",
    "unpack_json",
    "unpack_marks",
    "unpack_recording",
    "unpack_samples",
    "unpack_span",
    "unpack_text",
]

MAX_PAYLOAD_BYTES = 1 << 26
"""No text or piece of audio comes near this; a larger length means that something else wrote into the pipe."""

_HEADER = struct.Struct("<IBI")
_COUNT = struct.Struct("<Q")
_SPAN = struct.Struct("<Q?I")


class Kind(IntEnum):
    """What a frame says. The gateway sends the first group, the engine's process the second."""

    OPTIONS = 1
    """The first frame: the options of the engine, a JSON object."""
    OPEN = 2
    """Open a stream: an Opening as JSON."""
    TEXT = 3
    """More text: ``pack_span``."""
    END_INPUT = 4
    CANCEL = 5
    """Stop soon. Answered with DONE or FAILED like every stream, which frees its slot."""
    HOLD = 6
    """Send no more audio until RESUME."""
    RESUME = 7
    ENROLL = 8
    """Make a voice like that of a recording: ``pack_recording``. Its number is that of no stream."""

    READY = 16
    """The engine is loaded: an EngineInfo as JSON."""
    NOT_LOADED = 17
    """It could not be loaded: a LoadFailure as JSON; then the process ends."""
    AUDIO = 18
    """float32 little-endian mono samples."""
    DONE = 19
    """The stream has ended and its slot is free. How long it computed on all cores, in microseconds: ``pack_count``."""
    FAILED = 20
    """The engine raised an error; the slot is free. The type of the error, UTF-8."""
    INVALID_OUTPUT = 21
    """The engine returned something that is not audio; the slot is free. What it was, UTF-8."""
    TAKEN = 22
    """How many characters of its text an incremental engine has begun to speak: ``pack_count``."""
    FAULT = 23
    """The engine raised a fault that says what is wrong; the slot is free. A HostedFault as JSON."""
    MARKS = 24
    """Marks of the AUDIO that follows: ``pack_marks``."""
    WAITING = 25
    """The stream waits for its turn to compute: no audio is due until TURN."""
    TURN = 26
    ENROLLED = 27
    """What was made of the recording: ``pack_enrolled``. FAILED, INVALID_OUTPUT or FAULT if nothing was made of it…"""
    REFUSED = 28
    """…or this, if it is of no use: a HostedRefusal as JSON."""


class Opening(msgspec.Struct, frozen=True):
    """A stream to be opened."""

    request: SynthesisRequest
    lead_ms: float | None = None
    """``turns.Turn``."""


class LoadFailure(msgspec.Struct, frozen=True):
    """Why an engine could not be loaded, in the fields of ``errors.EngineUnavailable``."""

    reason: str
    remedy: str = ""
    languages: Mapping[str, str] = {}


_TOLD_FAULTS: dict[str, type[ServerFault]] = {
    fault.code: fault
    for fault in (EngineFailed, EngineOutputInvalid, EngineStalled, EngineUnavailable, Overloaded)
}


class HostedFault(msgspec.Struct, frozen=True):
    """A fault from our own error tree that an engine raised on purpose: its message holds no spoken text."""

    code: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> HostedFault | None:
        """``None`` for any other error, of which only the type may be reported."""
        known = isinstance(error, ServerFault) and type(error) is _TOLD_FAULTS.get(error.code)
        return cls(error.code, error.message) if known and isinstance(error, ServerFault) else None

    def fault(self) -> ServerFault:
        return _TOLD_FAULTS.get(self.code, EngineFailed)(self.message)


_REFUSALS: dict[str, type[AudioRefused]] = {
    refusal.code: refusal for refusal in (AudioRefused, AudioTooShort, AudioTooLong, AudioSilent)
}


class HostedRefusal(msgspec.Struct, frozen=True):
    """An engine has no use for a recording."""

    code: str
    message: str

    @classmethod
    def of(cls, refusal: AudioRefused) -> HostedRefusal:
        return cls(refusal.code, refusal.message)

    def refusal(self) -> AudioRefused:
        return _REFUSALS.get(self.code, AudioRefused)(self.message)


class _Recorded(msgspec.Struct, frozen=True, array_like=True):
    """A Recording in a frame."""

    samples: bytes
    sample_rate: int
    transcript: str
    language: str


_T = TypeVar("_T")

Frame: TypeAlias = tuple[int, int, bytes]
"""Kind, number of the stream, payload."""


def pack(kind: Kind, stream: int = 0, payload: bytes | memoryview = b"") -> bytes:
    """The bytes of one frame. Raises ValueError for a payload over ``MAX_PAYLOAD_BYTES``."""
    num_bytes = payload.nbytes if isinstance(payload, memoryview) else len(payload)
    if num_bytes > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a frame holds {MAX_PAYLOAD_BYTES} bytes, not {num_bytes}")
    return b"".join((_HEADER.pack(num_bytes, kind, stream), payload))


def pack_count(count: int) -> bytes:
    """The payload of a frame that holds a number."""
    return _COUNT.pack(count)


def unpack_count(payload: bytes) -> int:
    """Raises EngineCrashed for a payload that is not a count."""
    if len(payload) != _COUNT.size:
        raise _unreadable()
    count: int = _COUNT.unpack(payload)[0]
    return count


def pack_span(span: Span) -> bytes:
    text = span.text.encode()
    pronunciations = msgspec.json.encode(span.pronunciations) if span.pronunciations else b""
    return b"".join((_SPAN.pack(span.offset, span.continues, len(text)), text, pronunciations))


def unpack_span(payload: bytes) -> Span:
    """Raises EngineCrashed for a payload that is not a span."""
    if len(payload) < _SPAN.size:
        raise _unreadable()
    offset, continues, num_bytes = _SPAN.unpack_from(payload)
    end = _SPAN.size + num_bytes
    if len(payload) < end:
        raise _unreadable()
    rest = payload[end:]
    pronunciations = unpack_json(rest, tuple[Pronunciation, ...]) if rest else ()
    return Span(
        unpack_text(payload[_SPAN.size : end]), offset, continues=continues, pronunciations=pronunciations
    )


def pack_marks(marks: Iterable[Mark]) -> bytes:
    return msgspec.msgpack.encode(tuple(marks))


def unpack_marks(payload: bytes) -> tuple[Mark, ...]:
    """Raises EngineCrashed for a payload that is not marks."""
    return _unpack_packed(payload, tuple[Mark, ...])


def pack_recording(recording: Recording) -> bytes:
    samples = recording.samples.astype("<f4").tobytes()
    return msgspec.msgpack.encode(
        _Recorded(samples, recording.sample_rate, recording.transcript, recording.language)
    )


def unpack_recording(payload: bytes) -> Recording:
    """Raises EngineCrashed for a payload that is not a recording."""
    recorded = _unpack_packed(payload, _Recorded)
    return Recording(
        unpack_samples(recorded.samples), recorded.sample_rate, recorded.transcript, recorded.language
    )


def pack_enrolled(enrolled: Enrolled) -> bytes:
    return msgspec.msgpack.encode(enrolled)


def unpack_enrolled(payload: bytes) -> Enrolled:
    """Raises EngineCrashed for a payload that is not what an engine keeps of a recording."""
    return _unpack_packed(payload, Enrolled)


def unpack_samples(payload: bytes) -> Samples:
    """Raises EngineCrashed for a payload that is not whole samples."""
    if len(payload) % np.dtype(np.float32).itemsize:
        raise _unreadable()
    return np.frombuffer(payload, np.float32)


def unpack_json(payload: bytes, wanted: type[_T]) -> _T:
    """Raises EngineCrashed for a payload that is not a ``wanted`` as JSON."""
    try:
        return msgspec.json.decode(payload, type=wanted)
    except NOT_JSON:
        raise _unreadable() from None


def _unpack_packed(payload: bytes, wanted: type[_T]) -> _T:
    try:
        return msgspec.msgpack.decode(payload, type=wanted)
    except NOT_JSON:
        raise _unreadable() from None


def unpack_text(payload: bytes) -> str:
    """Raises EngineCrashed for a payload that is not UTF-8."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise _unreadable() from None


def _unreadable() -> EngineCrashed:
    return EngineCrashed("The engine's process wrote something that is not a frame.")


def read_frame(pipe: BinaryIO) -> Frame | None:
    """The next frame of a blocking pipe; ``None`` once its other end is closed, even in the middle of a frame."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    num_bytes, kind, stream = _HEADER.unpack(header)
    payload = pipe.read(num_bytes)
    return (kind, stream, payload) if len(payload) == num_bytes else None


class FrameSplitter:
    """Cuts incoming bytes into frames, however they are chunked."""

    def __init__(self) -> None:
        self._received = bytearray()

    def push(self, received: bytes) -> list[Frame]:
        """The frames that are now complete. Raises EngineCrashed for bytes that cannot be a frame."""
        self._received += received
        frames: list[Frame] = []
        start = 0
        with memoryview(self._received) as view:
            while len(view) - start >= _HEADER.size:
                num_bytes, kind, stream = _HEADER.unpack_from(view, start)
                if num_bytes > MAX_PAYLOAD_BYTES:
                    raise _unreadable()
                end = start + _HEADER.size + num_bytes
                if end > len(view):
                    break
                frames.append((kind, stream, bytes(view[start + _HEADER.size : end])))
                start = end
        del self._received[:start]
        return frames
