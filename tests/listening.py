"""What a listener's player makes of a stream: libav reads it from a pipe, and its log is kept."""

from __future__ import annotations

import io
from dataclasses import dataclass

import av
import numpy as np

_LIBAV_NAMES = {"opus": "ogg"}

_OPEN_LENGTH = ("Ignoring maximum wav data size, file may be invalid", "Packet corrupt")
"""What libav says of every wav whose length its header leaves open, as one that is streamed must (ruling 13)."""


@dataclass(frozen=True)
class Heard:
    samples: np.ndarray
    sample_rate: int
    warnings: list[str]


class _Pipe:
    def __init__(self, stream: bytes) -> None:
        self._file = io.BytesIO(stream)

    def read(self, size: int) -> bytes:
        return self._file.read(size)


def decoded(stream: bytes, container: str) -> Heard:
    """``pcm`` is not for this. Warnings are those of libav, without the two that an open wav always has."""
    level = av.logging.get_level()
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture(local=False) as log:
            with av.open(_Pipe(stream), mode="r", format=_LIBAV_NAMES.get(container, container)) as opened:
                rate = opened.streams.audio[0].rate
                frames = [frame.to_ndarray()[0] for frame in opened.decode(audio=0)]
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(True)
    samples = np.concatenate(frames) if frames else np.empty(0, np.float32)
    scale = 32768 if samples.dtype == np.int16 else 1
    expected = _OPEN_LENGTH if container == "wav" else ()
    warnings = [message for _, _, message in log if not (expected and message.startswith(expected))]
    return Heard(samples.astype(np.float64) / scale, rate, warnings)
