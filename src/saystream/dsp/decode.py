"""Reference audio that users upload: a whole file in, float32 mono at the file's own rate out.

A file comes from a stranger, and libav is a large program in C: :func:`decode` is meant to run in a process that may
neither open files nor take much memory or time (``voices/upload_worker.py``). Its own precautions are to allow few
containers and decoders, to open nothing but the bytes it is given, and to stop at the longest duration, whatever length
the file claims.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from saystream.audio import AudioChunk
from saystream.errors import (
    AudioFormatUnsupported,
    AudioRateUnsupported,
    AudioSilent,
    AudioTooLong,
    AudioTooShort,
    AudioUndecodable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["MAX_SAMPLE_RATE", "check", "decode"]

MAX_SAMPLE_RATE = 192_000
"""Hz. With the longest duration it bounds the memory that a file can need."""

_MAX_CHANNELS = 8

_DEMUXERS = "wav,mp3,mov,ogg,flac,aac,matroska"
"""Playlists are not among them: they would open other files and addresses. ``mov`` is M4A, ``matroska`` WebM."""

_DECODERS = frozenset(
    {
        *("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
        *("mp3", "mp3float", "aac", "alac", "flac", "opus", "libopus", "vorbis"),
    }
)

_OPTIONS = {
    "format_whitelist": _DEMUXERS,
    "codec_whitelist": ",".join(sorted(_DECODERS)),  # while it probes; pictures in the file are ignored
    "protocol_whitelist": "none",  # a name that no protocol has
}

# Tags in encodings other than UTF-8 are common, and nobody reads them here. PyAV 19 accepts them by itself.
_TAGS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}

_MAX_MAGNITUDE = 4.0
"""Lossy codecs overshoot 1 a little; numbers far above it are not sound."""

_SILENT_LEVEL = 10 ** (-50 / 20)
"""Root mean square below which speech cannot be told from the noise of a room."""

_LEVEL_WINDOW_MS = 50

_SUPPORTED = "Supported: WAV, MP3, M4A, AAC, FLAC, Ogg (Opus, Vorbis) and WebM."


def decode(upload: bytes, *, max_duration_s: float) -> AudioChunk:
    """The first audio track of a file, its channels averaged, at least one sample long.

    A file that is broken anywhere is refused as a whole. Raises :class:`AudioFormatUnsupported` for any container or
    codec not listed above, :class:`AudioUndecodable` for a broken file, :class:`AudioTooLong` above ``max_duration_s``,
    :class:`AudioTooShort` for a file without a sample, :class:`AudioRateUnsupported` above ``MAX_SAMPLE_RATE``, and
    MemoryError if memory is limited.
    """
    try:
        container = av.open(io.BytesIO(upload), "r", options=_OPTIONS, **_TAGS)
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioFormatUnsupported(f"File format unsupported. {_SUPPORTED}") from error
    with container:
        return _read(container, max_duration_s)


def check(audio: AudioChunk, *, min_duration_s: float, min_sample_rate: int) -> None:
    """Raise :class:`AudioRateUnsupported`, :class:`AudioTooShort` or :class:`AudioSilent` unless it can be a reference.

    Audio counts as silent if it nowhere reaches -50 dB below full scale, not counting a constant offset.
    """
    if audio.sample_rate < min_sample_rate:
        raise AudioRateUnsupported(
            f"File sample rate unsupported: {audio.sample_rate} Hz. Supported: from {min_sample_rate} Hz."
        )
    duration_s = audio.duration_ms / 1000
    if duration_s < min_duration_s:
        raise AudioTooShort(f"valid audio too short! {duration_s:.2f} s; at least {min_duration_s:g} s.")
    if _loudest(audio) < _SILENT_LEVEL:
        raise AudioSilent("silent audio error. The file holds nothing above -50 dB.")


def _read(container: av.container.InputContainer, max_duration_s: float) -> AudioChunk:
    stream = next(iter(container.streams.audio), None)
    # A track of a codec that libav does not know has no context.
    if stream is None or stream.codec_context is None or stream.codec_context.name not in _DECODERS:
        raise AudioFormatUnsupported(f"File format unsupported: no track of a supported codec. {_SUPPORTED}")
    stream.codec_context.thread_count = 1  # more would reserve memory for each and decode speech no faster
    blocks: list[Samples] = []
    num_samples, sample_rate = 0, 0
    for frame in _frames(container, stream):
        sample_rate = sample_rate or _checked_rate(frame)
        if frame.sample_rate != sample_rate:
            raise AudioUndecodable("Decoder audio file failed: its sample rate changes.")
        num_samples += frame.samples
        if num_samples > max_duration_s * sample_rate:
            raise AudioTooLong(f"The audio is longer than {max_duration_s:g} s.")
        blocks.append(_mono(frame))
    if not num_samples:
        raise AudioTooShort("valid audio too short! The file holds no sample.")
    samples = np.concatenate(blocks)
    # Written so that NaN fails too.
    if not (samples.max() <= _MAX_MAGNITUDE and samples.min() >= -_MAX_MAGNITUDE):
        raise AudioUndecodable("Decoder audio file failed: samples are not finite or far beyond full scale.")
    return AudioChunk(samples, sample_rate)


def _frames(container: av.container.InputContainer, stream: Any) -> Iterator[av.AudioFrame]:
    try:
        for frame in container.decode(stream):
            if frame.samples:
                yield frame
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioUndecodable("Decoder audio file failed.") from error


def _checked_rate(frame: av.AudioFrame) -> int:
    if not 0 < frame.sample_rate <= MAX_SAMPLE_RATE:
        raise AudioRateUnsupported(
            f"File sample rate unsupported: {frame.sample_rate} Hz. Supported: up to {MAX_SAMPLE_RATE} Hz."
        )
    return frame.sample_rate


def _mono(frame: av.AudioFrame) -> Samples:
    """The mean of the channels, so that the result never exceeds their range."""
    num_channels = frame.layout.nb_channels
    if not 0 < num_channels <= _MAX_CHANNELS:
        raise AudioFormatUnsupported(
            f"File format unsupported: {num_channels} channels. Supported: 1 to {_MAX_CHANNELS}."
        )
    planes = _scaled(frame.to_ndarray())
    if not frame.format.is_planar:
        planes = planes.reshape(-1, num_channels).T
    with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are refused at the end
        mono: Samples = planes.mean(axis=0, dtype=np.float32)
    return mono


def _scaled(integers: NDArray[Any]) -> NDArray[Any]:
    """Full scale is 1, whatever the sample format. 24-bit samples come as the upper bits of 32."""
    if integers.dtype == np.uint8:
        return (integers.astype(np.float32) - 128) / 128
    if np.issubdtype(integers.dtype, np.signedinteger):
        return integers / np.float32(-float(np.iinfo(integers.dtype).min))
    return integers


def _loudest(audio: AudioChunk) -> float:
    """Root mean square of the loudest window, without its mean. A remainder shorter than a window is ignored, unless
    there is nothing else."""
    window = min(max(1, audio.sample_rate * _LEVEL_WINDOW_MS // 1000), len(audio.samples))
    windows = audio.samples[: len(audio.samples) // window * window].reshape(-1, window)
    return float(windows.std(axis=1).max())
