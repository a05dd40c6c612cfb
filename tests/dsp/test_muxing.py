"""AAC, FLAC and Opus, read back by libav, and by the magic words of their formats."""

from __future__ import annotations

import io
import itertools

import av
import numpy as np
import pytest

from saystream.audio import SAMPLE_RATES, AudioFormat, Container
from saystream.dsp.encoders import make_encoder

AAC_FRAME_SAMPLES = 1024


def tone(num_samples: int, sample_rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(num_samples) / sample_rate)).astype(np.float32)


def encoded(
    container: Container, samples: np.ndarray, sample_rate: int, piece: int = 2000, **options: int
) -> bytes:
    encoder = make_encoder(AudioFormat(container, sample_rate, **options))
    pieces = (samples[start : start + piece] for start in range(0, len(samples), piece))
    return b"".join([*(encoder.push(piece) for piece in pieces), encoder.flush()])


def decoded(stream: bytes) -> tuple[np.ndarray, int]:
    with av.open(io.BytesIO(stream), "r") as container:
        frames = list(container.decode(audio=0))
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    scale = 32768 if samples.dtype == np.int16 else 1
    return samples.astype(np.float64) / scale, frames[0].sample_rate


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
def test_flac_gives_every_sample_back(sample_rate: int) -> None:
    samples = tone(sample_rate + 7, sample_rate)
    heard, rate = decoded(encoded("flac", samples, sample_rate))
    assert rate == sample_rate
    assert len(heard) == len(samples)
    assert np.abs(heard - samples).max() < 1 / 16000


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
def test_aac_gives_the_sound_back_with_at_most_two_frames_more(sample_rate: int) -> None:
    samples = tone(sample_rate + 7, sample_rate)
    heard, rate = decoded(encoded("aac", samples, sample_rate))
    assert rate == sample_rate
    assert 0 <= len(heard) - len(samples) <= 2 * AAC_FRAME_SAMPLES
    same = slice(AAC_FRAME_SAMPLES, sample_rate)
    shifted = heard[AAC_FRAME_SAMPLES:][same]
    assert np.corrcoef(shifted, samples[same])[0, 1] > 0.99


@pytest.mark.parametrize("sample_rate", [8000, 16000, 24000, 48000])
def test_opus_gives_the_sound_back_without_a_sample_more(sample_rate: int) -> None:
    samples = tone(sample_rate + 7, sample_rate)
    heard, rate = decoded(encoded("opus", samples, sample_rate))
    assert rate == 48000  # what every Opus decoder gives
    ratio = 48000 // sample_rate
    assert len(heard) == len(samples) * ratio
    assert np.corrcoef(heard[::ratio], samples)[0, 1] > 0.99


def test_an_opus_page_holds_twenty_milliseconds() -> None:
    stream = encoded("opus", tone(48_000, 48_000), 48_000)
    ends = [int.from_bytes(page[2:10], "little") for page in stream.split(b"OggS")[3:]]
    assert all(later - earlier == 960 for earlier, later in itertools.pairwise(ends[:-1]))


@pytest.mark.parametrize("bit_rate_kbps", [6, 256])
def test_opus_takes_the_lowest_and_the_highest_bit_rate_of_one_channel(bit_rate_kbps: int) -> None:
    stream = encoded("opus", tone(48_000, 48_000), 48_000, bit_rate_kbps=bit_rate_kbps)
    assert len(decoded(stream)[0]) == 48_000


@pytest.mark.parametrize("container", ["aac", "flac", "opus"])
def test_the_stream_does_not_depend_on_how_the_samples_were_cut(container: Container) -> None:
    samples = tone(20_000, 24_000)
    assert encoded(container, samples, 24_000, piece=333) == encoded(container, samples, 24_000, piece=20_000)


@pytest.mark.parametrize(("container", "start"), [("aac", b"\xff\xf1"), ("flac", b"fLaC"), ("opus", b"OggS")])
def test_bytes_come_while_samples_go_in(container: Container, start: bytes) -> None:
    encoder = make_encoder(AudioFormat(container))
    parts = [encoder.push(piece) for piece in np.split(tone(24_000, 24_000), 10)]
    assert parts[0].startswith(start) or (not parts[0] and parts[1].startswith(start))
    assert all(parts[2:])
    assert start not in b"".join(parts[1:])[4:] or container != "flac"


@pytest.mark.parametrize("container", ["aac", "flac"])
def test_samples_beyond_full_scale_are_clipped(container: Container) -> None:
    heard, _ = decoded(encoded(container, 4 * tone(24_000, 24_000), 24_000))
    assert np.abs(heard).max() < 1.5  # AAC rounds a corner, FLAC does not


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
@pytest.mark.parametrize("bit_rate_kbps", [6, 510])
def test_aac_takes_any_bit_rate(sample_rate: int, bit_rate_kbps: int) -> None:
    stream = encoded("aac", tone(sample_rate, sample_rate), sample_rate, bit_rate_kbps=bit_rate_kbps)
    assert decoded(stream)[1] == sample_rate


@pytest.mark.parametrize("container", ["aac", "flac", "opus"])
def test_no_sample_at_all_is_no_fault(container: Container) -> None:
    assert isinstance(encoded(container, np.empty(0, np.float32), 24_000), bytes)
