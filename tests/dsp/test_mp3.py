"""MP3, read back by libav: the sound is where it should be, and no frame too many."""

from __future__ import annotations

import numpy as np
import pytest

from listening import decoded
from saystream.audio import SAMPLE_RATES, AudioFormat
from saystream.dsp.encoders import make_encoder, settled
from saystream.dsp.mp3 import MP3_DELAY_SAMPLES, allowed_bit_rates


def tone(num_samples: int, sample_rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(num_samples) / sample_rate)).astype(np.float32)


def encoded(samples: np.ndarray, audio_format: AudioFormat, piece: int = 2000) -> bytes:
    encoder = make_encoder(settled(audio_format))
    pieces = (samples[start : start + piece] for start in range(0, len(samples), piece))
    return b"".join([*(encoder.push(piece) for piece in pieces), encoder.flush()])


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
@pytest.mark.parametrize("more", [0, 1, 333])
def test_the_sound_comes_back_after_the_documented_delay_with_less_than_a_frame_more(
    sample_rate: int, more: int
) -> None:
    samples = tone(sample_rate + more, sample_rate)
    heard = decoded(encoded(samples, AudioFormat("mp3", sample_rate)), "mp3")
    assert heard.sample_rate == sample_rate
    assert heard.warnings == []
    assert 0 <= len(heard.samples) - MP3_DELAY_SAMPLES - len(samples) < (1152 if sample_rate > 32000 else 576)
    shifted = heard.samples[MP3_DELAY_SAMPLES:][: len(samples)]
    assert np.corrcoef(shifted, samples)[0, 1] > 0.999


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
def test_every_bit_rate_is_constant_and_what_was_asked_for_or_the_next_lower(sample_rate: int) -> None:
    for wanted_kbps in (6, 31, 64, 128, 159, 320, 510):
        settled_kbps = settled(AudioFormat("mp3", sample_rate, wanted_kbps)).bit_rate_kbps
        assert settled_kbps in allowed_bit_rates(sample_rate)
        assert settled_kbps <= wanted_kbps or settled_kbps == allowed_bit_rates(sample_rate)[0]
        stream = encoded(tone(sample_rate, sample_rate), AudioFormat("mp3", sample_rate, wanted_kbps))
        heard = decoded(stream, "mp3")
        seconds = len(heard.samples) / sample_rate
        assert len(stream) * 8 / 1000 / seconds == pytest.approx(settled_kbps, rel=0.02)


def test_the_stream_does_not_depend_on_how_the_samples_were_cut() -> None:
    samples = tone(20_000, 24_000)
    whole = encoded(samples, AudioFormat("mp3"), piece=20_000)
    assert encoded(samples, AudioFormat("mp3"), piece=333) == whole
    assert encoded(samples[:3001], AudioFormat("mp3"), piece=1) == encoded(samples[:3001], AudioFormat("mp3"))


def test_one_sample_is_an_mp3_and_none_is_nothing() -> None:
    assert len(decoded(encoded(tone(1, 24_000), AudioFormat("mp3")), "mp3").samples) > 0
    assert encoded(tone(0, 24_000), AudioFormat("mp3")) == b""
