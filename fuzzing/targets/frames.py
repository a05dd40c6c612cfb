"""The pipe between the server and an engine's process: frames are the same however they are split, or an error."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import msgspec

from fuzzing.reading import Reader, pieces
from saystream.engines.base import EngineInfo
from saystream.errors import EngineCrashed
from saystream.hosting.frames import (
    Frame,
    FrameSplitter,
    HostedFault,
    Kind,
    LoadFailure,
    Opening,
    pack,
    pack_count,
    pack_marks,
    pack_span,
    read_frame,
    unpack_count,
    unpack_json,
    unpack_marks,
    unpack_samples,
    unpack_span,
    unpack_text,
)

MAX_BYTES = 400
DICTIONARY = "frames"

_UNPACK: dict[Kind, Callable[[bytes], Any]] = {
    Kind.OPTIONS: lambda payload: unpack_json(payload, dict[str, Any]),
    Kind.OPEN: lambda payload: unpack_json(payload, Opening),
    Kind.TEXT: unpack_span,
    Kind.READY: lambda payload: unpack_json(payload, EngineInfo),
    Kind.NOT_LOADED: lambda payload: unpack_json(payload, LoadFailure),
    Kind.AUDIO: lambda payload: unpack_samples(payload).tobytes(),
    Kind.FAILED: unpack_text,
    Kind.INVALID_OUTPUT: unpack_text,
    Kind.TAKEN: unpack_count,
    Kind.FAULT: lambda payload: unpack_json(payload, HostedFault).fault(),
    Kind.MARKS: unpack_marks,
}

_PACK: dict[Kind, Callable[[Any], bytes]] = {
    Kind.TEXT: pack_span,
    Kind.TAKEN: pack_count,
    Kind.MARKS: pack_marks,
    Kind.AUDIO: bytes,
    Kind.FAILED: str.encode,
    Kind.OPEN: msgspec.json.encode,
}


def one(data: bytes) -> None:
    reader = Reader(data)
    if reader.byte() % 2:
        kind = reader.choice(tuple(_UNPACK))
        _payload(kind, reader.rest())
    else:
        _stream(reader.byte(), reader.rest())


def _stream(seed: int, stream: bytes) -> None:
    splitter = FrameSplitter()
    split: list[Frame] = []
    try:
        whole = FrameSplitter().push(stream)
    except EngineCrashed:
        whole = None
    try:
        for piece in pieces(stream, seed):
            split += splitter.push(piece)
        assert whole is not None
    except EngineCrashed:
        assert whole is None
        return
    assert split == whole
    pipe = io.BytesIO(stream)
    for frame in whole:
        assert read_frame(pipe) == frame
    assert read_frame(pipe) is None
    packed = b"".join(pack(kind, number, payload) for kind, number, payload in whole)  # type: ignore[arg-type]
    assert stream.startswith(packed)


def _payload(kind: Kind, payload: bytes) -> None:
    try:
        unpacked = _UNPACK[kind](payload)
    except EngineCrashed:
        return
    if kind in _PACK:
        again = _UNPACK[kind](_PACK[kind](unpacked))
        assert again == unpacked or unpacked != unpacked or kind is Kind.MARKS
