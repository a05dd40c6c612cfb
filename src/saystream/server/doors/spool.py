"""Audio that is being made, for those who listen now and for the file that is stored."""

from __future__ import annotations

import os
from tempfile import TemporaryFile
from typing import IO

from saystream.dsp.encoders import WAV_HEADER_BYTES, wav_header

__all__ = ["WavSpool"]


class WavSpool:
    """The pieces of one WAV file as they come; each can be read at once, and any number of times.

    The first piece begins with a header whose sizes are placeholders, because they are not known yet. The finished file
    has the right sizes, and the same samples. It is a temporary file without a name, so nothing is left behind; the
    owner calls ``close()``. Methods raise OSError if the disk is full.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        # The file's own position belongs to the reader of the finished file, which may be another thread.
        self._file = TemporaryFile(buffering=0)
        self._ends: list[int] = []

    def __len__(self) -> int:
        """The number of pieces."""
        return len(self._ends)

    @property
    def num_bytes(self) -> int:
        """Size of the finished file."""
        return self._ends[-1] if self._ends else WAV_HEADER_BYTES

    def append(self, pcm: bytes) -> None:
        """Add a piece."""
        start = self.num_bytes
        self._write(pcm, start)
        self._ends.append(start + len(pcm))

    def piece(self, index: int) -> bytes:
        start = self._ends[index - 1] if index else WAV_HEADER_BYTES
        pcm = os.pread(self._file.fileno(), self._ends[index] - start, start)
        return pcm if index else wav_header(self._sample_rate) + pcm

    def finished(self) -> IO[bytes]:
        """The whole file, positioned at its start. Nothing may be appended afterwards."""
        self._write(wav_header(self._sample_rate, num_bytes=self.num_bytes - WAV_HEADER_BYTES), 0)
        return self._file

    def close(self) -> None:
        self._file.close()

    def _write(self, content: bytes, position: int) -> None:
        while content:
            written = os.pwrite(self._file.fileno(), content, position)
            content, position = content[written:], position + written
