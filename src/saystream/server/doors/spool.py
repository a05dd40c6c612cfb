"""Audio that is being made, for those who listen now and for the file that is stored."""

from __future__ import annotations

import os
from tempfile import TemporaryFile
from typing import IO

from saystream.dsp.encoders import WAV_HEADER_BYTES, wav_header

__all__ = ["Spool", "WavSpool"]


class Spool:
    """The pieces of one file as they come; each can be read at once, and any number of times.

    It is a temporary file without a name, so nothing is left behind; the owner calls ``close()``. Methods raise OSError
    if the disk is full.
    """

    def __init__(self, *, header_bytes: int = 0) -> None:
        """``header_bytes`` are left free at the begin of the file."""
        # The file's own position belongs to the reader of the finished file, which may be another thread.
        self._file = TemporaryFile(buffering=0)
        self._header_bytes = header_bytes
        self._ends: list[int] = []

    def __len__(self) -> int:
        """The number of pieces."""
        return len(self._ends)

    @property
    def num_bytes(self) -> int:
        """Size of the finished file."""
        return self._ends[-1] if self._ends else self._header_bytes

    def append(self, piece: bytes) -> None:
        """Add a piece."""
        start = self.num_bytes
        self._write(piece, start)
        self._ends.append(start + len(piece))

    def piece(self, index: int) -> bytes:
        """A piece as it came."""
        start = self._ends[index - 1] if index else self._header_bytes
        return os.pread(self._file.fileno(), self._ends[index] - start, start)

    def finished(self) -> IO[bytes]:
        """The whole file, positioned at its start. Nothing may be appended afterwards."""
        return self._file

    def close(self) -> None:
        """Free the disk."""
        self._file.close()

    def _write(self, content: bytes, position: int) -> None:
        while content:
            written = os.pwrite(self._file.fileno(), content, position)
            content, position = content[written:], position + written


class WavSpool(Spool):
    """The pieces of one WAV file.

    The first piece begins with a header whose sizes are placeholders, because they are not known yet. The finished file
    has the right sizes, and the same samples.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__(header_bytes=WAV_HEADER_BYTES)
        self._sample_rate = sample_rate

    def piece(self, index: int) -> bytes:
        """A piece as it came; the first one after a header."""
        pcm = super().piece(index)
        return pcm if index else wav_header(self._sample_rate) + pcm

    def finished(self) -> IO[bytes]:
        """The whole file, positioned at its start. Nothing may be appended afterwards."""
        self._write(wav_header(self._sample_rate, num_bytes=self.num_bytes - WAV_HEADER_BYTES), 0)
        return super().finished()
