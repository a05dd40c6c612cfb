from __future__ import annotations

import io
import struct
import wave
from collections.abc import Iterator

import pytest

from saystream.server.doors.spool import WavSpool


@pytest.fixture
def spool() -> Iterator[WavSpool]:
    spool = WavSpool(24000)
    yield spool
    spool.close()


def test_the_pieces_are_those_that_came_after_a_header_with_placeholders(spool: WavSpool) -> None:
    for pcm in (b"ab", b"cdef", b"gh"):
        spool.append(pcm)
    assert len(spool) == 3
    first = spool.piece(0)
    assert (first[:4], len(first), first[44:]) == (b"RIFF", 46, b"ab")
    assert struct.unpack("<I", first[4:8]) == struct.unpack("<I", first[40:44]) == (0xFFFFFFFF,)
    assert [spool.piece(1), spool.piece(2)] == [b"cdef", b"gh"]


def test_the_finished_file_has_the_right_sizes_and_the_same_samples(spool: WavSpool) -> None:
    spool.append(b"abcd")
    spool.append(b"efgh")
    content = spool.finished().read()
    assert len(content) == spool.num_bytes == 52
    assert struct.unpack("<I", content[4:8]) == (44,)
    with wave.open(io.BytesIO(content)) as file:
        assert file.getparams()[:4] == (1, 2, 24000, 4)
        assert file.readframes(4) == b"abcdefgh"


def test_pieces_are_the_same_while_and_after_the_file_is_read(spool: WavSpool) -> None:
    spool.append(b"abcd")
    before = spool.piece(0)
    file = spool.finished()
    file.read(10)
    assert spool.piece(0) == before
    assert len(file.read()) == 48 - 10


def test_a_file_without_audio_is_a_header(spool: WavSpool) -> None:
    with wave.open(spool.finished(), "rb") as file:
        assert file.getnframes() == 0
