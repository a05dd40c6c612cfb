from __future__ import annotations

import msgspec
import numpy as np
import pytest

from saystream.dsp.analysis.spectrum import BANDS_HZ
from saystream.engines.kokoro.match.material import Match, Tuning
from saystream.errors import InvalidValue

VOICES = ("af_heart", "am_adam")
MATCH = Match(
    timbre={"af_heart": 0.75, "am_adam": 0.25},
    rhythm={"af_heart": 1.0},
    own_hz=200.0,
    hz=180.0,
    levels_db=tuple(range(-10, 10)),
)


def test_a_match_comes_out_as_it_went_in() -> None:
    assert len(MATCH.levels_db) == len(BANDS_HZ)
    assert Match.unpack(MATCH.pack(), VOICES) == MATCH


@pytest.mark.parametrize(
    "material",
    [
        b"",
        b"\xff",
        b"{}",
        msgspec.structs.replace(MATCH, version=2).pack(),
        msgspec.structs.replace(MATCH, levels_db=(1.0,)).pack(),
        msgspec.structs.replace(MATCH, hz=0.0).pack(),
        msgspec.structs.replace(MATCH, timbre={"af_heart": -1.0}).pack(),
    ],
)
def test_other_material_is_refused_without_being_shown(material: bytes) -> None:
    with pytest.raises(InvalidValue, match="material") as raised:
        Match.unpack(material, VOICES)
    assert "am_adam" not in raised.value.message


def test_a_voice_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidValue, match="am_adam"):
        Match.unpack(MATCH.pack(), ["af_heart"])


def test_tuning_moves_the_median_and_widens_what_is_around_it() -> None:
    f0 = np.array([0.0, 100.0, 200.0, 50.0], np.float32)
    np.testing.assert_allclose(
        Tuning(own_hz=100, hz=150, spread=0.5)(f0), [0, 150, 212.132, 106.066], rtol=1e-4
    )
