from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from saystream.engines.kokoro.styles import MAX_SYMBOLS, Styles
from saystream.errors import EngineUnavailable

from .tiny_model import VOICES


@pytest.fixture(scope="module")
def styles(tiny_kokoro: Path) -> Styles:
    return Styles(tiny_kokoro / "voices")


def test_the_voices_are_the_files(styles: Styles) -> None:
    assert styles.voices == tuple(sorted(VOICES))


@pytest.mark.parametrize("length", [1, MAX_SYMBOLS])
def test_a_mix_has_the_weighted_mean_of_the_styles(styles: Styles, length: int) -> None:
    mixed = styles.mixed({"af_heart": 0.75, "am_adam": 0.25}, length)
    np.testing.assert_allclose(
        mixed, np.full(256, 0.75 * VOICES["af_heart"] + 0.25 * VOICES["am_adam"]), rtol=1e-6
    )


def test_the_timbre_can_be_another_than_the_rest(styles: Styles) -> None:
    style = styles.mixed({"am_adam": 1.0}, 20, timbre={"af_heart": 1.0})
    np.testing.assert_allclose(style[:128], VOICES["af_heart"])
    np.testing.assert_allclose(style[128:], VOICES["am_adam"])


def test_a_voice_that_was_cut_off_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "am_adam.bin").write_bytes(bytes(522236))
    with pytest.raises(
        EngineUnavailable, match=r"am_adam\.bin is not a Kokoro voice: it must be 522240 bytes"
    ):
        Styles(tmp_path)
