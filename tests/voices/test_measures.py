from __future__ import annotations

import numpy as np
import pytest

from hums import RATE, hum, syllables
from saystream.errors import AudioSilent
from saystream.voices.measures import measure


def test_a_speaker_is_measured() -> None:
    measures = measure(syllables(16, 4.0, hertz=120), RATE)
    assert measures.median_hz == pytest.approx(120, rel=0.01)
    assert measures.spread_semitones == pytest.approx(0, abs=0.3)
    assert measures.syllables_per_s == pytest.approx(4.0, rel=0.1)
    assert measures.tilt == pytest.approx(-6, abs=1.5)


def test_the_spread_is_that_of_the_middle_of_the_pitches() -> None:
    measures = measure(hum(np.geomspace(100, 200, 2 * RATE), 2.0), RATE)
    assert measures.median_hz == pytest.approx(141, rel=0.03)
    assert measures.spread_semitones == pytest.approx(9.6, abs=0.5)


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), hum(100, 0.1)])
def test_a_recording_without_a_voice_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(AudioSilent, match="no voice"):
        measure(samples, RATE)
