from __future__ import annotations

import numpy as np
import pytest

from saystream.engines.kokoro.constants import Constants
from saystream.engines.kokoro.norms import CHANNELS, NUM_STATISTICS, STATISTIC_OF_CHANNEL

from .made_up import write_constants


@pytest.fixture(scope="module")
def constants(tmp_path_factory: pytest.TempPathFactory) -> Constants:
    return Constants(write_constants(tmp_path_factory.mktemp("constants") / "constants.npz"))


def test_a_norm_with_given_statistics_is_one_multiplication_and_one_addition(constants: Constants) -> None:
    chance = np.random.default_rng(3)
    style = chance.normal(size=256).astype(np.float32)
    mean, variance = chance.normal(size=NUM_STATISTICS), chance.uniform(0.5, 2.0, NUM_STATISTICS)
    signal = chance.normal(size=(1, CHANNELS, 1))
    scale, shift = constants.of_style(style)
    own_mean, own_variance = (values[STATISTIC_OF_CHANNEL].reshape(1, -1, 1) for values in (mean, variance))
    expected = (signal - own_mean) / np.sqrt(own_variance + 1e-5) * scale + shift
    given_scale, given_shift = constants.of_statistics(
        style, mean.astype(np.float32), variance.astype(np.float32)
    )
    np.testing.assert_allclose(signal * given_scale + given_shift, expected, atol=1e-3)


def test_only_the_timbre_of_a_style_counts(constants: Constants) -> None:
    style = np.ones(256, np.float32)
    other_rhythm = np.concatenate([style[:128], 5 * style[128:]])
    for own, other in zip(constants.of_style(style), constants.of_style(other_rhythm), strict=True):
        np.testing.assert_array_equal(own, other)


def test_steps_of_a_spectrum_overlap_by_five_samples(constants: Constants) -> None:
    spectrum = np.random.default_rng(5).normal(size=(22, 30)).astype(np.float32)
    sound = constants.sound(spectrum)
    assert len(sound) == 5 * 30 + 15
    first, last = constants.sound(spectrum[:, :20]), constants.sound(spectrum[:, 10:])
    np.testing.assert_allclose(sound[:100], first[:100], atol=1e-5)
    np.testing.assert_allclose(sound[65:], last[15:], atol=1e-5)
