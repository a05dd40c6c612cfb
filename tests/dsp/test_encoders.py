"""What the encoders write is read back by a reader that is not ours."""

import io
import struct
import wave

import numpy as np
import pytest

from saystream.audio import SAMPLE_RATES, AudioFormat
from saystream.dsp.encoders import ENCODERS, make_encoder
from saystream.errors import InvalidValue


def encoded(container, pieces, sample_rate=24000):
    encoder = make_encoder(AudioFormat(container, sample_rate))
    return b"".join([*(encoder.push(piece) for piece in pieces), encoder.flush()])


def test_pcm_is_rounded_to_the_nearest_sixteen_bit_value():
    samples = np.array([0.0, 1.0, -1.0, 0.5, 1.4 / 32767, 1.6 / 32767], np.float32)
    assert struct.unpack("<6h", encoded("pcm", [samples])) == (0, 32767, -32767, 16384, 1, 2)


def test_pcm_beyond_full_scale_is_clipped_and_never_wraps():
    samples = np.array([1.5, -1.5, 100.0, -100.0], np.float32)
    assert struct.unpack("<4h", encoded("pcm", [samples])) == (32767, -32768, 32767, -32768)


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
def test_wav_is_one_header_and_then_the_same_pcm(sample_rate):
    pieces = [np.linspace(-1, 1, size, dtype=np.float32) for size in (1, 480, 3)]
    stream = encoded("wav", pieces, sample_rate)
    assert stream[44:] == encoded("pcm", pieces, sample_rate)
    assert stream.count(b"RIFF") == 1
    reader = wave.open(io.BytesIO(stream))
    assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, sample_rate)


def test_a_wav_without_any_sample_is_still_a_wav():
    assert len(encoded("wav", [])) == 44


def test_a_container_that_cannot_be_written_is_refused_with_those_that_can():
    with pytest.raises(InvalidValue, match="'pcm', 'wav'"):
        make_encoder(AudioFormat("opus"))


def test_every_encoder_gives_bytes_for_no_samples_and_does_not_fail():
    for container in ENCODERS:
        assert isinstance(encoded(container, [np.empty(0, np.float32)]), bytes)
