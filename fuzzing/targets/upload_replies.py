"""What the process that decodes an upload answers, which may have been taken over by the file."""

from __future__ import annotations

import asyncio
import atexit
from typing import Any

from fuzzing.reading import Reader, pieces
from saystream.errors import AudioReaderUnavailable, AudioRefused
from saystream.voices.upload import _Worker

MAX_BYTES = 512
DICTIONARY = "upload"

_MAX_REPLY_BYTES = 400

_loop = asyncio.new_event_loop()
atexit.register(_loop.close)


class _Ended:
    """A process that has ended."""

    def __init__(self, code: int) -> None:
        self._code = code
        self.killed = False

    def get_returncode(self) -> int:
        return self._code

    def kill(self) -> None:
        self.killed = True


def one(data: bytes) -> None:
    reader = Reader(data)
    seed, code = reader.byte(), reader.choice((0, 1, -9, -11))
    process: Any = _Ended(code)
    worker = _loop.run_until_complete(_made(_MAX_REPLY_BYTES))
    worker.connection_made(process)
    for piece in pieces(reader.rest(), seed):
        worker.pipe_data_received(1, piece)
        assert len(worker._reply) <= _MAX_REPLY_BYTES
    try:
        audio, _ = worker.answer()
    except (AudioRefused, AudioReaderUnavailable):
        return
    assert 0 < audio.sample_rate <= 192_000
    assert len(audio.samples)


async def _made(max_reply_bytes: int) -> _Worker:
    return _Worker(max_reply_bytes)
