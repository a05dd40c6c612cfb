"""Streamed equals one-shot, whatever the pieces; the pitch stays; what is held back is little."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.dsp.resample import Resampler

RATES = [(24000, 8000), (24000, 16000), (24000, 48000), (22050, 24000), (22050, 44100), (48000, 24000)]


def resampled(
    samples: np.ndarray, source_rate: int, target_rate: int, cuts: Sequence[int] = ()
) -> np.ndarray:
    resampler = Resampler(source_rate=source_rate, target_rate=target_rate)
    out: list[np.ndarray] = []
    for piece in np.split(samples, sorted(cuts)):
        out += resampler.push(piece)
    return np.concatenate([np.empty(0, np.float32), *out, *resampler.flush()])


def noise(num_samples: int, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, num_samples).astype(np.float32)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    rates=st.sampled_from(RATES),
    num_samples=st.sampled_from([0, 1, 2, 777, 2401]),
    cuts=st.lists(st.integers(0, 2401), max_size=8),
)
def test_the_output_does_not_depend_on_how_the_input_was_cut(
    rates: tuple[int, int], num_samples: int, cuts: list[int]
) -> None:
    samples = noise(num_samples)
    whole = resampled(samples, *rates)
    pieces = resampled(samples, *rates, cuts=[min(cut, num_samples) for cut in cuts])
    np.testing.assert_array_equal(pieces, whole)


@pytest.mark.parametrize(("source_rate", "target_rate"), RATES)
def test_a_tone_keeps_its_pitch_its_level_and_its_length(source_rate: int, target_rate: int) -> None:
    seconds = np.arange(source_rate) / source_rate
    tone = (0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    out = resampled(tone, source_rate, target_rate)
    assert abs(len(out) - target_rate) <= 1
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    assert abs(spectrum.argmax() * target_rate / len(out) - 440) < 1.5
    middle = out[len(out) // 4 : -len(out) // 4]
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("source_rate", "target_rate"), RATES)
def test_no_more_than_three_milliseconds_are_held_back(source_rate: int, target_rate: int) -> None:
    resampler = Resampler(source_rate=source_rate, target_rate=target_rate)
    given_out = sum(map(len, resampler.push(noise(source_rate))))
    assert (target_rate - given_out) / target_rate * 1000 <= 3


@pytest.mark.parametrize(("source_rate", "target_rate"), RATES)
def test_the_first_sample_comes_no_later_than_it_says_and_within_three_milliseconds(
    source_rate: int, target_rate: int
) -> None:
    resampler = Resampler(source_rate=source_rate, target_rate=target_rate)
    samples = noise(source_rate)
    first = next(index for index in range(source_rate) if resampler.push(samples[index : index + 1]))
    assert (first + 1) / source_rate * 1000 <= resampler.delay_ms + 1000 / source_rate <= 3
