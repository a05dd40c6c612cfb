import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.upstream.sound import Encoding, SoundReader, encoding_of
from saystream.errors import EngineOutputInvalid

SAMPLES = st.lists(st.integers(-32768, 32767), max_size=40).map(lambda values: np.array(values, "<i2"))


def cut(encoded: bytes, cuts: list[int]) -> list[bytes]:
    """``encoded`` in pieces, some of them empty."""
    edges = [0, *sorted(edge % (len(encoded) + 1) for edge in cuts), len(encoded)]
    return [encoded[start:end] for start, end in zip(edges, edges[1:], strict=False)]


def read(encoding: Encoding, pieces: list[bytes]) -> tuple[np.ndarray, int]:
    reader = SoundReader(encoding)
    samples = np.concatenate([np.zeros(0, np.float32), *(reader.push(piece) for piece in pieces)])
    reader.flush()
    return samples, reader.sample_rate


def wav(
    samples: bytes, *, rate: int = 22050, channels: int = 1, bits: int = 16, size: int | None = None
) -> bytes:
    """With a chunk before the samples that nobody needs."""
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", 16) + form
    data = b"data" + struct.pack("<I", len(samples) if size is None else size) + samples
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + chunks + data


@given(SAMPLES, st.lists(st.integers(0, 200), max_size=8))
def test_samples_do_not_depend_on_where_the_bytes_are_cut(samples: np.ndarray, cuts: list[int]) -> None:
    got, rate = read(Encoding("pcm", 16000), cut(samples.tobytes(), cuts))
    assert rate == 16000
    assert got.dtype == np.float32
    # Exactly what our own encoder makes bytes of again.
    assert np.array_equal(np.rint(got * np.float32(32767)), samples)


@given(SAMPLES, st.lists(st.integers(0, 200), max_size=8), st.sampled_from([None, 0, 0xFFFFFFFF]))
def test_a_wav_header_is_read_however_it_is_cut(
    samples: np.ndarray, cuts: list[int], size: int | None
) -> None:
    got, rate = read(Encoding("wav", 24000), cut(wav(samples.tobytes(), size=size), cuts))
    assert rate == 22050
    assert np.array_equal(np.rint(got * np.float32(32767)), samples)


def test_what_follows_the_samples_of_a_wav_file_is_no_sound() -> None:
    got, _ = read(Encoding("wav", 24000), [wav(b"\x01\x00\x02\x00") + b"LIST\x04\0\0\0abcd"])
    assert len(got) == 2


def test_an_end_within_a_sample_is_a_fault() -> None:
    with pytest.raises(EngineOutputInvalid, match="middle of a sample"):
        read(Encoding("pcm", 24000), [b"\0\0\0"])


def test_an_end_within_the_header_is_a_fault() -> None:
    with pytest.raises(EngineOutputInvalid, match="header"):
        read(Encoding("wav", 24000), [wav(b"")[:30]])


@pytest.mark.parametrize(
    ("encoded", "problem"),
    [
        (wav(b"", channels=2), "2 channels of 16 bits"),
        (wav(b"", bits=24), "1 channels of 24 bits"),
        (wav(b"", rate=100), "100 Hz"),
        (b"ID3 this is mp3", "is not"),
        (b"RIFF\0\0\0\0WAVE" + b"data\0\0\0\0", "the format of the samples"),
        (b"RIFF\0\0\0\0WAVE" + b"LIST\xff\xff\xff\x00", "more than 65536 bytes"),
    ],
)
def test_another_header_is_refused(encoded: bytes, problem: str) -> None:
    with pytest.raises(EngineOutputInvalid, match=problem):
        SoundReader(Encoding("wav", 24000)).push(encoded)


@pytest.mark.parametrize(
    ("content_type", "header", "expected"),
    [
        ("audio/pcm", None, Encoding("pcm", 24000)),
        ("audio/pcm", "8000", Encoding("pcm", 8000)),
        ("audio/L16; rate=16000; channels=1", None, Encoding("pcm", 16000)),
        ("audio/pcm;rate=16000", "48000", Encoding("pcm", 48000)),
        ("application/octet-stream", None, Encoding("pcm", 24000)),
        ("", None, Encoding("pcm", 24000)),
        ("audio/x-wav", None, Encoding("wav", 24000)),
    ],
)
def test_the_headers_of_an_answer_say_how_samples_are_written(
    content_type: str, header: str | None, expected: Encoding
) -> None:
    assert encoding_of(content_type, header, 24000) == expected


@pytest.mark.parametrize(
    ("content_type", "header"),
    [
        ("audio/mpeg", None),
        ("text/html", None),
        ("audio/pcm", "0"),
        ("audio/pcm", "999999"),
        ("audio/pcm", "many"),
        ("audio/pcm", "9000\x1d"),
    ],
)
def test_an_answer_that_is_no_such_audio_is_refused(content_type: str, header: str | None) -> None:
    with pytest.raises(EngineOutputInvalid, match=content_type if header is None else header):
        encoding_of(content_type, header, 24000)
