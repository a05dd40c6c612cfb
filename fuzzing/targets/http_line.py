"""Bytes of a peer that should speak HTTP: each request is answered or refused, in time, and nothing of it is left."""

from __future__ import annotations

import re

from fuzzing.playing import play
from fuzzing.reading import Reader, pieces

MAX_BYTES = 600
DICTIONARY = "http"

_STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) ")
_EXPECTED = {b"100", b"101", b"200", b"400", b"405", b"408", b"413", b"415", b"426", b"431", b"501", b"503"}


def one(data: bytes) -> None:
    reader = Reader(data)
    seed, how = reader.byte(), reader.byte()
    answer = play(pieces(reader.rest(), seed), ends=how % 3, reads=how < 192)
    if answer:
        assert answer.startswith(b"HTTP/1.1 ")
        assert set(_STATUS.findall(answer)) <= _EXPECTED, answer
