"""Files as users upload them, made on the spot: every container and codec that is let in, sound or damaged."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import lameenc
import numpy as np

AMPLITUDE = 0.5
FREQUENCY_HZ = 220.0


@dataclass(frozen=True)
class UploadFormat:
    """How PyAV writes it, and how far what comes back may be from what went in."""

    container: str
    codec: str
    sample_rate: int = 24000
    priming_s: float = 0.0
    """What the codec adds and this container cannot say that it did."""
    channels: int = 1
    gain: float = 1.0


FORMATS = {
    "wav-8": UploadFormat("wav", "pcm_u8"),
    "wav-16": UploadFormat("wav", "pcm_s16le"),
    "wav-24": UploadFormat("wav", "pcm_s24le", 44100),
    "wav-32": UploadFormat("wav", "pcm_s32le"),
    "wav-float": UploadFormat("wav", "pcm_f32le", 48000),
    "mp3": UploadFormat(
        "mp3", "lame", priming_s=0.1, gain=0.95
    ),  # LAME turns down a little, so that nothing clips
    "m4a": UploadFormat("ipod", "aac", 44100, priming_s=0.03),
    "m4a-alac": UploadFormat("ipod", "alac"),
    "aac": UploadFormat("adts", "aac", priming_s=0.09),
    "flac": UploadFormat("flac", "flac"),
    "ogg-opus": UploadFormat("ogg", "libopus", 48000),
    "ogg-vorbis": UploadFormat("ogg", "vorbis", 44100, priming_s=0.05, channels=2),
    "webm-opus": UploadFormat("webm", "libopus", 48000),
}


def tone(duration_s: float, sample_rate: int, amplitude: float = AMPLITUDE) -> np.ndarray:
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * FREQUENCY_HZ * time_s)).astype(np.float32)


def encoded(
    name: str, duration_s: float = 1.0, *, amplitude: float = AMPLITUDE, channels: int | None = None
) -> bytes:
    """A tone in a format; with two channels the right one has it at half the amplitude."""
    upload_format = FORMATS[name]
    channels = channels or upload_format.channels
    left = tone(duration_s, upload_format.sample_rate, amplitude)
    planes = np.vstack([left, left / 2])[:channels]
    return written(upload_format.container, upload_format.codec, upload_format.sample_rate, planes)


def written(container: str, codec: str, sample_rate: int, planes: np.ndarray) -> bytes:
    if codec == "lame":  # not in every PyAV
        return _written_by_lame(sample_rate, planes)
    layout = {1: "mono", 2: "stereo"}[len(planes)]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as muxer:
        stream = muxer.add_stream(codec, rate=sample_rate, layout=layout, options={"strict": "experimental"})
        assert isinstance(stream, av.AudioStream)
        accepted = stream.codec_context.format.name
        resampler = av.AudioResampler(format=accepted, layout=layout, rate=sample_rate)
        for start in range(0, planes.shape[1], sample_rate):
            piece = np.ascontiguousarray(planes[:, start : start + sample_rate])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = sample_rate, start, Fraction(1, sample_rate)
            for converted in resampler.resample(frame):
                muxer.mux(stream.encode(converted))
        muxer.mux(stream.encode(None))
    return file.getvalue()


def _written_by_lame(sample_rate: int, planes: np.ndarray) -> bytes:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(len(planes))
    encoder.set_in_sample_rate(sample_rate)
    encoder.set_bit_rate(64)
    integers = np.ascontiguousarray((planes.T * 32767).astype("<i2"))
    return bytes(encoder.encode(integers.tobytes()) + encoder.flush())


def silence(container: str, codec: str, sample_rate: int, duration_s: float) -> bytes:
    """Hours of nothing in a small file: one packet of zeros, written again and again."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as muxer:
        stream = muxer.add_stream(codec, rate=sample_rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.open()
        num_samples = stream.codec_context.frame_size or sample_rate // 50
        accepted = stream.codec_context.format
        zeros = np.zeros((1, num_samples), {"flt": "f4", "fltp": "f4", "s32p": "i4"}.get(accepted.name, "i2"))
        packets: list[av.Packet[Any]] = []
        for number in range(8):
            frame = av.AudioFrame.from_ndarray(zeros, format=accepted.name, layout="mono")
            frame.sample_rate, frame.pts = sample_rate, number * num_samples
            frame.time_base = Fraction(1, sample_rate)
            packets += stream.encode(frame)
        payload = bytes(packets[-1])
        for number in range(round(duration_s * sample_rate / num_samples)):
            packet = av.Packet(payload)
            packet.stream, packet.time_base = stream, Fraction(1, sample_rate)
            packet.pts = packet.dts = number * num_samples
            packet.duration = num_samples
            muxer.mux(packet)
    return file.getvalue()


def mutations(file: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Damaged copies: bytes changed, cut out, repeated, zeroed, cut off. Half of the Ogg ones get right checksums, so
    that the damage comes as far as the decoder."""
    chance = random.Random(seed)
    for _ in range(count):
        damaged = bytearray(file)
        reach = chance.choice((64, 1024, len(file), len(file)))
        for _ in range(chance.choice((1, 1, 2, 8))):
            _damage(damaged, reach, chance)
        if chance.random() < 0.5:
            _correct_ogg_checksums(damaged)
        yield bytes(damaged)


def _damage(file: bytearray, reach: int, chance: random.Random) -> None:
    start = chance.randrange(max(1, min(len(file), reach)))
    length = chance.choice((1, 1, 2, 4, 16, 256))
    match chance.randrange(7):
        case 0:
            file[start : start + length] = chance.randbytes(length)
        case 1:
            file[start : start + 1] = bytes([chance.choice((0, 1, 0x7F, 0x80, 0xFF))])
        case 2:
            file[start : start + 1] = bytes([file[start] ^ 1 << chance.randrange(8)] if file else [])
        case 3:
            del file[start : start + length]
        case 4:
            file[start:start] = file[start : start + length] * chance.randint(1, 4)
        case 5:
            file[start : start + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"))
        case 6 if chance.random() < 0.3:
            del file[start:]


def _correct_ogg_checksums(file: bytearray) -> None:
    start = file.find(b"OggS")
    while start >= 0:
        end = file.find(b"OggS", start + 4)
        page = file[start : end if end >= 0 else len(file)]
        if len(page) >= 27:
            page[22:26] = bytes(4)
            file[start + 22 : start + 26] = _ogg_checksum(bytes(page)).to_bytes(4, "little")
        start = end


def _ogg_checksum(page: bytes) -> int:
    checksum = 0
    for byte in page:
        checksum = (checksum << 8 & 0xFFFFFFFF) ^ _CHECKSUMS[checksum >> 24 ^ byte]
    return checksum


def _checksum_of(byte: int) -> int:
    checksum = byte << 24
    for _ in range(8):
        checksum = (checksum << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if checksum >> 31 else 0)
    return checksum


_CHECKSUMS = [_checksum_of(byte) for byte in range(256)]
"""CRC-32 as Ogg has it (RFC 3533, section 6): neither reflected nor inverted."""
