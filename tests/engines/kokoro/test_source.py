"""Against numbers of our own; ``test_stream.py`` holds the source against that of the export."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.engines.kokoro.constants import Constants
from saystream.engines.kokoro.source import HarmonicSource

from .made_up import write_constants

FRAMES = 40
STEPS = 60 * FRAMES + 1


@pytest.fixture(scope="module")
def constants(tmp_path_factory: pytest.TempPathFactory) -> Constants:
    return Constants(write_constants(tmp_path_factory.mktemp("constants") / "constants.npz"))


@pytest.fixture(scope="module")
def source(constants: Constants) -> HarmonicSource:
    f0 = np.linspace(100, 300, FRAMES, dtype=np.float32)
    f0[10:15] = -3.0
    return HarmonicSource(f0, constants)


def test_the_pitch_is_that_of_f0(constants: Constants) -> None:
    features = HarmonicSource(np.full(FRAMES, 240.0, np.float32), constants).features(0, STEPS)
    loudness = features[0, 0, 100:-100]
    repeated = 24_000 // 240 // 5
    np.testing.assert_allclose(loudness[repeated:], loudness[:-repeated], atol=1e-3)
    assert loudness.std() > 0.01


@settings(max_examples=50, deadline=None)
@given(st.integers(0, STEPS - 2), st.integers(1, STEPS))
def test_a_stretch_is_the_same_as_in_the_whole(source: HarmonicSource, start: int, length: int) -> None:
    end = min(STEPS, start + length)
    whole, stretch = source.features(0, STEPS)[..., start:end], source.features(start, end)
    np.testing.assert_allclose(stretch[0, :11], whole[0, :11], atol=1e-5)
    turned = np.angle(np.exp(1j * (stretch[0, 11:] - whole[0, 11:])))
    assert np.abs(turned[whole[0, :11] > 1e-2]).max(initial=0.0) < 1e-2


def test_a_step_without_voice_is_what_the_export_makes_of_it(
    source: HarmonicSource, constants: Constants
) -> None:
    still = source.features(0, STEPS)[0, :, 60 * 12]
    np.testing.assert_array_equal(still, constants.unvoiced)
