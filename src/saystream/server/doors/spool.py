"""Audio that is being made, for those who listen now and for the file that stays."""

from __future__ import annotations

import os
from tempfile import TemporaryFile
from typing import IO

from saystream.dsp.encoders import WAV_HEADER_BYTES, wav_header

__all__ = ["WavSpool"]


class WavSpool:
    """The pieces of one WAV file as they come, each readable at once and as often as wanted.

    The first piece begins with a header whose sizes are placeholders, as they have to be while they are not known.
    The finished file has the right ones, and the same samples. It lies in a temporary file that has no name, so nothing
    is left of it; the owner calls ``close()``. Methods raise OSError where the disk is full.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        # Its own position is left to the reader of the finished file, which may be another thread.
        self._file = TemporaryFile(buffering=0)
        self._ends: list[int] = []

    def __len__(self) -> int:
        """How many pieces there are."""
        return len(self._ends)

    @property
    def num_bytes(self) -> int:
        """Of the finished file."""
        return self._ends[-1] if self._ends else WAV_HEADER_BYTES

    def append(self, pcm: bytes) -> None:
        """One more piece."""
        start = self.num_bytes
        self._write(pcm, start)
        self._ends.append(start + len(pcm))

    def piece(self, index: int) -> bytes:
        start = self._ends[index - 1] if index else WAV_HEADER_BYTES
        pcm = os.pread(self._file.fileno(), self._ends[index] - start, start)
        return pcm if index else wav_header(self._sample_rate) + pcm

    def finished(self) -> IO[bytes]:
        """The whole file, at its start. Nothing is appended afterwards."""
        self._write(wav_header(self._sample_rate, num_bytes=self.num_bytes - WAV_HEADER_BYTES), 0)
        return self._file

    def close(self) -> None:
        self._file.close()

    def _write(self, content: bytes, position: int) -> None:
        while content:
            written = os.pwrite(self._file.fileno(), content, position)
            content, position = content[written:], position + written
