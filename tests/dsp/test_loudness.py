"""Unity is untouched, the curve is a line, and nothing gets over the limit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.sounds import SAMPLE_RATE, noise, run, tone
from saystream.dsp.loudness import PEAK_LIMIT, Gain, Volume, gain


@pytest.mark.parametrize(("volume", "factor"), [(0, 0.0), (25, 0.5), (50, 1.0), (75, 1.5), (100, 2.0)])
def test_the_curve_is_a_line_through_silence_unity_and_twice_the_amplitude(
    volume: int, factor: float
) -> None:
    assert gain(volume) == factor
    samples = tone(220, 4800) * np.float32(0.5)
    np.testing.assert_allclose(run(Volume(SAMPLE_RATE, volume), samples), samples * factor, atol=1e-6)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    cuts=st.lists(st.integers(0, 5001), max_size=8),
    num_samples=st.sampled_from([0, 1, 119, 120, 121, 5001]),
    volume=st.sampled_from([0, 30, 51, 100]),
)
def test_what_comes_out_does_not_depend_on_how_the_input_was_cut(
    cuts: list[int], num_samples: int, volume: int
) -> None:
    samples = 3 * noise(num_samples)
    pieces = np.split(samples, sorted(min(cut, num_samples) for cut in cuts))
    whole = run(Volume(SAMPLE_RATE, volume), samples)
    assert len(whole) == num_samples
    np.testing.assert_array_equal(run(Volume(SAMPLE_RATE, volume), *pieces), whole)


@pytest.mark.parametrize("sample_rate", [8000, 24000, 48000])
@pytest.mark.parametrize("level", [1.0, 5.0])
def test_at_full_volume_no_peak_gets_over_the_limit(sample_rate: int, level: float) -> None:
    for loud in (noise(sample_rate) * np.float32(level), tone(100, sample_rate) * np.float32(2 * level)):
        assert np.abs(run(Volume(sample_rate, 100), loud)).max() <= PEAK_LIMIT + 1e-6


def test_a_limited_tone_stays_a_tone() -> None:
    limited = run(Volume(SAMPLE_RATE, 100), tone(220, SAMPLE_RATE) * np.float32(1.9))[4800:-4800]
    spectrum = np.abs(np.fft.rfft(limited * np.hanning(len(limited)))) ** 2
    fundamental = spectrum[spectrum.argmax() - 4 : spectrum.argmax() + 5].sum()
    assert 10 * np.log10((spectrum.sum() - fundamental) / fundamental) < -30


@pytest.mark.parametrize(("volume", "delay_ms"), [(0, 0), (50, 0), (51, 5), (100, 5)])
def test_only_a_raised_volume_holds_anything_back_and_says_how_much(volume: int, delay_ms: float) -> None:
    stage = Volume(SAMPLE_RATE, volume)
    given_out = sum(map(len, stage.push(noise(2400))))
    assert stage.delay_ms == delay_ms
    assert 2400 - given_out <= delay_ms * SAMPLE_RATE / 1000


@pytest.mark.parametrize("factor", [0.25, 1.0, 1.6])
def test_any_factor_changes_the_amplitude_by_it(factor: float) -> None:
    samples = tone(220, 4800) * np.float32(0.5)
    np.testing.assert_allclose(run(Gain(SAMPLE_RATE, factor), samples), samples * factor, atol=1e-6)
