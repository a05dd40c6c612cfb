"""What the encoders write is read back by a reader that is not ours."""

import io
import struct
import wave
from collections.abc import Sequence
from typing import get_args

import av
import numpy as np
import pytest

from saystream.audio import SAMPLE_RATES, AudioFormat, Container
from saystream.dsp.encoders import ENCODERS, make_encoder, settled, with_sizes


def encoded(container: Container, pieces: Sequence[np.ndarray], sample_rate: int = 24000) -> bytes:
    encoder = make_encoder(AudioFormat(container, sample_rate))
    return b"".join([*(encoder.push(piece) for piece in pieces), encoder.flush()])


def test_pcm_is_rounded_to_the_nearest_sixteen_bit_value() -> None:
    samples = np.array([0.0, 1.0, -1.0, 0.5, 1.4 / 32767, 1.6 / 32767], np.float32)
    assert struct.unpack("<6h", encoded("pcm", [samples])) == (0, 32767, -32767, 16384, 1, 2)


def test_pcm_beyond_full_scale_is_clipped_and_never_wraps() -> None:
    samples = np.array([1.5, -1.5, 100.0, -100.0], np.float32)
    assert struct.unpack("<4h", encoded("pcm", [samples])) == (32767, -32768, 32767, -32768)


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
def test_wav_is_one_header_and_then_the_same_pcm(sample_rate: int) -> None:
    pieces = [np.linspace(-1, 1, size, dtype=np.float32) for size in (1, 480, 3)]
    stream = encoded("wav", pieces, sample_rate)
    assert stream[44:] == encoded("pcm", pieces, sample_rate)
    assert stream.count(b"RIFF") == 1
    reader = wave.open(io.BytesIO(stream))
    assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, sample_rate)


@pytest.mark.parametrize("container", ["wav", "flac"])
def test_a_whole_file_has_its_true_sizes(container: Container) -> None:
    samples = np.sin(np.arange(30_001, dtype=np.float32) / 9)
    file = with_sizes(encoded(container, [samples]), AudioFormat(container, 24000), len(samples))
    with av.open(io.BytesIO(file), "r") as opened:
        stream = opened.streams.audio[0]
        assert stream.time_base is not None and stream.duration is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(30_001 / 24000)
        decoded = np.concatenate([frame.to_ndarray().reshape(-1) for frame in opened.decode(stream)])
    assert decoded.tobytes() == encoded("pcm", [samples])
    if container == "wav":
        assert struct.unpack_from("<I", file, 4)[0] == len(file) - 8


def test_a_format_without_sizes_in_its_header_is_left_as_it_is() -> None:
    assert with_sizes(b"anything", AudioFormat("mp3", 24000), 5) == b"anything"


def test_a_wav_without_any_sample_is_still_a_wav() -> None:
    assert len(encoded("wav", [])) == 44


def test_every_container_has_an_encoder() -> None:
    assert set(ENCODERS) == set(get_args(Container))


def test_only_what_a_codec_does_not_know_is_settled_differently() -> None:
    assert settled(AudioFormat("opus", 22050, 510)) == AudioFormat("opus", 24000, 256)
    assert settled(AudioFormat("opus", 44100, 6)) == AudioFormat("opus", 48000, 6)
    assert settled(AudioFormat("mp3", 8000, 128)) == AudioFormat("mp3", 8000, 64)
    assert settled(AudioFormat("mp3", 48000, 6)) == AudioFormat("mp3", 48000, 32)
    for container in ("pcm", "wav", "mp3", "opus", "aac", "flac"):
        assert settled(AudioFormat(container, 24000, 128)) == AudioFormat(container, 24000, 128)


def test_every_encoder_gives_bytes_for_no_samples_and_does_not_fail() -> None:
    for container in ENCODERS:
        assert isinstance(encoded(container, [np.empty(0, np.float32)]), bytes)
